"""The monitoring report: whole, readable, and without a figure of a few patients."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.monitoring import report_style
from healthcare_assets.domain.monitoring.findings import (
    Distribution,
    DriftStatistic,
    HistoryPoint,
    MonitoredDay,
    Performance,
)
from healthcare_assets.domain.monitoring.report import html
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.domain.monitored_days import DAY, group, many_alerts, nothing, quiet, service_day

HOSTILE = "<script>alert('x')</script>\"&\x00\x1b\ud800]]>-->"
VOID = {"meta"}
SVG = "{http://www.w3.org/2000/svg}"
DAYS = {"many alerts": many_alerts, "quiet": quiet, "nothing": nothing}


class _Page(HTMLParser):
    """What a browser makes of a page: its elements, its text by section, and whether every tag is closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.open: list[str] = []
        self.section = "head"
        self.text: dict[str, str] = {}
        self.rows: dict[str, list[list[str]]] = {}
        """Of the tables of each section, their heads among them."""
        self.feed(page)
        self.close()
        assert not self.open
        self.charts = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314 - our own

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = str(dict(attrs)["id"])
        if tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        if tag in ("td", "th"):
            self.rows[self.section][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text[self.section] = self.text.get(self.section, "") + data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[self.section][-1][-1] += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def values(self, name: str) -> list[str]:
        return [str(found[name]) for _, found in self.elements if name in found]


def _page(day: MonitoredDay) -> _Page:
    return _Page(html(day, policy=POLICY))


def _statistic(column: str = "age", **what: Any) -> DriftStatistic:
    usual: dict[str, Any] = {
        "statistic": "psi",
        "value": 0.41,
        "threshold": 0.3,
        "alert": True,
        "n_reference": 5000,
        "n_current": 700,
    }
    return DriftStatistic(column=column, **usual | what)


def _distribution(reference: Sequence[int], current: Sequence[int], *, ordered: bool) -> Distribution:
    bins = tuple(f"bin {'abcdefgh'[number]}" for number in range(len(reference)))
    return Distribution(column="age", bins=bins, reference=tuple(reference), current=tuple(current), ordered=ordered)


def _past(back: int, **what: Any) -> HistoryPoint:
    usual: dict[str, Any] = {
        "column": "age",
        "statistic": "psi",
        "value": 0.1,
        "threshold": 0.3,
        "alert": False,
        "n_current": 700,
        "model_version": "1",
    }
    return HistoryPoint(day=DAY - timedelta(days=back), **usual | what)


def _plain(**what: Any) -> MonitoredDay:
    """A day of 700 patients of which nothing is known but what is told."""
    return replace(nothing(), model_version="1", predictions=700, reference_patients=5000, **what)


@pytest.mark.parametrize("day", DAYS.values(), ids=DAYS)
def test_the_page_is_one_file_that_loads_and_runs_nothing(day: Any) -> None:
    page = html(day(), policy=POLICY)
    parsed = _Page(page)
    assert not parsed.tags() & {"script", "link", "img", "iframe", "object", "form", "foreignobject", "use", "image"}
    assert not [name for _, found in parsed.elements for name in found if name in ("src", "style") or name[:2] == "on"]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    assert {f"#{name}" for name in ids} >= set(parsed.values("href"))


@pytest.mark.parametrize("day", DAYS.values(), ids=DAYS)
def test_every_chart_says_in_words_what_it_shows(day: Any) -> None:
    page = _page(day())
    ids = set(page.values("id"))
    for chart in page.charts:
        assert chart.get("role") == "img"
        assert {chart.get("aria-labelledby"), chart.get("aria-describedby")} <= ids
        for name, least in (("title", 8), ("desc", 40)):
            said = chart.find(f"{SVG}{name}")
            assert said is not None
            assert len(said.text or "") >= least
        assert len(chart) > 5


def test_there_is_a_chart_for_every_column_its_history_the_error_and_the_groups() -> None:
    day = many_alerts()
    columns = len(day.distributions)
    titles = [chart.findtext(f"{SVG}title") for chart in _page(day).charts]
    assert len(titles) == columns + (columns + 1) + 1 + 1
    assert len(set(titles)) == len(titles)


def test_the_head_says_which_day_which_model_and_what_asks_for_attention() -> None:
    head = _page(many_alerts()).text["head"]
    for said in ("2026-03-01", "health_insurance_cost", "version 4", "800", "4 of 7 checks ask for attention."):
        assert said in head
    assert head.index("Feature drift failed (warning)") < head.index("Prediction volume passed")
    assert "Outcome drift insufficient data" in head
    for check in many_alerts().checks:
        assert check.description in head


def test_a_check_that_waits_is_neither_good_nor_bad() -> None:
    checks = (
        CheckOutcome(name="a", passed=True, description="Fine."),
        CheckOutcome(name="b", passed=True, description="Later.", metadata={"status": "provisional"}),
    )
    head = _page(_plain(checks=checks)).text["head"]
    assert "Nothing asks for attention. 1 check cannot be decided yet." in head
    assert "B provisional" in head
    assert "Nothing asks for attention.\n" in _page(_plain(checks=checks[:1])).text["head"]


def test_a_day_without_checks_is_not_called_good() -> None:
    assert "Nothing asks for attention" not in _page(nothing()).text["head"]


def test_columns_that_alert_come_first_and_are_marked_in_words() -> None:
    found = _page(many_alerts()).text["distributions"]
    drifted = [
        name for name, mark in re.findall(r"^(Age|Bmi|Sex|Region|Smoker)( ▲ drifted)?$", found, re.MULTILINE) if mark
    ]
    assert drifted == ["Age", "Bmi", "Smoker"]
    assert max(found.index(f"{name} ▲") for name in drifted) < min(found.index(name) for name in ("Sex", "Region\n"))
    assert "PSI 1.08 (limit 0.3) · shift 0.56 (limit ±0.147)" in found


def test_the_shares_of_the_bins_are_of_the_day_and_of_training() -> None:
    found = _page(_plain(distributions=(_distribution((100, 300), (150, 50), ordered=True),)))
    assert found.rows["distributions"][1:] == [["bin a", "75 %", "25 %"], ["bin b", "25 %", "75 %"]]
    bars = list(found.charts[0].iter(f"{SVG}rect"))
    day = [float(bar.get("width", 0)) for bar in bars if bar.get("class") == "bar day"]
    assert day[0] == pytest.approx(3 * day[1], rel=0.01)


def test_the_figures_of_every_chart_are_there_as_a_table() -> None:
    page = _page(many_alerts())
    assert len([tag for tag, _ in page.elements if tag == "details"]) == len(page.charts) - 2
    assert len([tag for tag, _ in page.elements if tag == "table"]) == len(page.charts) + 1


def test_days_that_were_not_monitored_are_gaps_in_the_line() -> None:
    chart = _page(_plain(history=tuple(_past(back) for back in (9, 8, 7, 3, 2, 0)))).charts[0]
    lines = [line.get("points", "").split() for line in chart.iter(f"{SVG}polyline") if line.get("class") == "line"]
    assert [len(line) for line in lines] == [3, 2]
    assert len(list(chart.iter(f"{SVG}circle"))) == 6


def test_an_alert_has_a_shape_of_its_own_and_a_limit_of_its_day() -> None:
    history = (_past(1, threshold=0.3), _past(0, value=0.7, threshold=0.5, alert=True))
    page = _page(_plain(history=history))
    [mark] = [path for path in page.charts[0].iter(f"{SVG}path") if path.get("class") == "alert"]
    assert mark.get("d")
    assert page.rows["history"][1:] == [["2026-03-01", "0.7 (alert)", "0.5"], ["2026-02-28", "0.1", "0.3"]]
    assert "Alerts on 1 day, the last on 2026-03-01." in page.text["history"]


def test_another_model_is_a_vertical_line_with_its_version() -> None:
    history = tuple(_past(back, model_version="7" if back > 4 else "8") for back in range(9, -1, -1))
    chart = _page(_plain(history=history)).charts[0]
    assert len([line for line in chart.iter(f"{SVG}line") if line.get("class") == "version"]) == 1
    assert "v8" in [text.text for text in chart.iter(f"{SVG}text")]
    assert "Model version 8 from 2026-02-25 on." in str(chart.findtext(f"{SVG}desc"))


def test_missing_values_have_a_panel_only_where_there_are_any() -> None:
    without = _plain(history=tuple(_past(back, statistic="null_rate", value=0.0) for back in range(3)))
    assert _page(without).charts == []
    any_missing = _plain(history=tuple(_past(back, statistic="null_rate", value=0.1 * back) for back in range(3)))
    assert "Missing values: 0 %" in _page(any_missing).text["history"]


def test_days_before_the_window_are_left_out() -> None:
    assert _page(_plain(history=(_past(30),))).charts == []
    assert len(_page(_plain(history=(_past(29),))).charts) == 1


def test_matured_days_are_filled_provisional_ones_hollow_and_those_over_the_limit_triangles() -> None:
    found = (
        service_day(9),
        service_day(8, status="provisional", outcomes=40),
        service_day(7, risk_score_mae=15.01),
        service_day(6, status="provisional", risk_score_mae=None),
    )
    page = _page(_plain(performance=found))
    looks = [
        mark.get("class")
        for mark in page.charts[0].iter()
        if (mark.get("class") or "").split(" ")[0] in ("mark", "alert")
    ]
    assert sorted(map(str, looks)) == ["alert", "mark", "mark hollow"]
    assert "over the limit" in page.text["performance"]
    newest, *_, oldest = page.rows["performance"][1:]
    assert newest[:3] == ["2026-02-23", "provisional", "not known"]
    assert oldest == ["2026-02-20", "matured", "8.53", "0.812", "0.973", "$2,346", "480", "520", "3"]


def test_a_group_is_shown_with_its_bias_in_per_cent_and_its_status_in_words() -> None:
    found = (
        group(outcomes=1200),
        group("sex", "female"),
        group("sex", "male", predictive_ratio=0.8, ratio_lower=0.75, ratio_upper=0.85, biased=True),
        group("region", "northwest", status="insufficient data"),
    )
    page = _page(_plain(performance=found))
    assert [row[:4] for row in page.rows["groups"][2:]] == [
        ["Sex female", "no bias found", "−2.7 %", "−6.9 % to +1.5 %"],
        ["Sex male", "biased", "−20 %", "−25 % to −15 %"],
        ["Region northwest", "insufficient data", "−2.7 %", "−6.9 % to +1.5 %"],
    ]
    assert len([path for path in page.charts[0].iter(f"{SVG}path") if path.get("class") == "alert"]) == 1


def test_an_interval_that_leaves_the_chart_goes_on_with_an_arrow() -> None:
    page = _page(_plain(performance=(group("sex", "male", ratio_lower=0.1, ratio_upper=9.0),)))
    arrows = [path for path in page.charts[0].iter(f"{SVG}path") if path.get("class") == "interval"]
    assert len(arrows) == 2


def test_the_table_has_every_statistic_and_the_glossary_every_name_in_it() -> None:
    day = many_alerts()
    page = _page(day)
    head, *rows = page.rows["statistics"]
    assert head == ["column", "statistic", "value", "limit", "alert", "in words", "patients", "in training"]
    assert sorted(row[0] for row in rows) == sorted(found.column for found in day.drift)
    assert [bool(row[4]) for row in rows] == sorted((found.alert for found in day.drift), reverse=True)
    explained = page.text["glossary"].lower()
    assert all(row[1].lower() in explained for row in rows)


def test_money_is_in_dollars_and_thousands_are_separated() -> None:
    mean = _statistic("predicted_charges", statistic="mean", value=13270.4, threshold=None, alert=False)
    assert _page(_plain(drift=(mean,))).rows["statistics"][1][:3] == ["predicted_charges", "mean", "$13,270"]


def test_a_day_of_which_nothing_is_known_has_a_page_that_says_so() -> None:
    page = _page(nothing())
    for part in ("head", "distributions", "history", "performance", "groups", "statistics"):
        assert "nsufficient data" in page.text[part]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_values_that_are_not_known_are_said_to_be_so(value: float | None) -> None:
    figures = ("risk_score_mae", "risk_score_r2", "mae_charges", "predictive_ratio", "ratio_lower", "ratio_upper")
    unknown: dict[str, Any] = dict.fromkeys(figures, value)
    day = _plain(
        drift=(_statistic(value=value, threshold=value, alert=False),),
        distributions=(_distribution((100, 100), (0, 0), ordered=True),),
        history=(_past(0, value=value, threshold=value),),
        performance=(service_day(3, **unknown), group("sex", "male", status="insufficient data", **unknown)),
    )
    page = _page(day)
    assert page.rows["statistics"][1][:4] == ["age", "PSI", "insufficient data", ""]
    assert "the day has no patient with a value" in page.text["distributions"]
    assert page.rows["performance"][1][2:6] == ["not known"] * 4
    assert page.rows["groups"][1][:3] == ["Sex male", "insufficient data", "not known"]
    assert not re.search(r"\b(nan|inf)\b", " ".join(page.text.values()))


def test_what_data_say_is_text_and_no_markup() -> None:
    day = replace(
        many_alerts(),
        model_name=HOSTILE,
        model_version=HOSTILE,
        drift=(_statistic(HOSTILE, detail=HOSTILE, statistic=HOSTILE), _statistic(HOSTILE)),
        distributions=tuple(
            Distribution(column=HOSTILE, bins=(HOSTILE,) * 2, reference=(50, 50), current=(40, 60), ordered=ordered)
            for ordered in (True, False)
        ),
        history=tuple(_past(back, column=HOSTILE, model_version=f"{HOSTILE}{back}") for back in range(9, -1, -1)),
        performance=(service_day(5, model_version=HOSTILE), group(HOSTILE, HOSTILE, model_version=HOSTILE)),
        checks=(CheckOutcome(name=HOSTILE, passed=False, description=HOSTILE, metadata={"status": HOSTILE}),),
    )
    page = html(day, policy=POLICY)
    parsed = _Page(page)
    assert len(parsed.charts) == 5
    assert "script" not in parsed.tags()
    assert "\x00" not in page
    page.encode()
    assert parsed.text["head"].count("alert('x')") >= 5


@given(data=st.data())
def test_no_share_of_a_bin_stands_for_a_few_patients(data: st.DataObject) -> None:
    counts = st.lists(st.integers(0, 40), min_size=4, max_size=4)
    reference, current, ordered = data.draw(counts), data.draw(counts), data.draw(st.booleans())
    day = _plain(distributions=(_distribution(reference, current, ordered=ordered),))
    rows = [row[1:] for row in _page(day).rows.get("distributions", [])[1:]]
    if min(sum(reference), sum(current)) < 11:
        assert rows == []
    elif ordered:
        assert rows
    for column, total in ((0, sum(current)), (1, sum(reference))):
        shown = [float(row[column].removesuffix(" %")) / 100 * total for row in rows if row[column] != "not shown"]
        assert all(count < 0.5 or count > 10.5 for count in shown)
        assert not 0.5 < total - sum(shown) < 10.5 or not rows


def test_a_column_whose_categories_are_all_hidden_says_why_it_has_no_chart() -> None:
    day = _plain(
        drift=(_statistic(alert=False), _statistic(statistic="share_shift", value=0.5, threshold=0.25)),
        distributions=(_distribution((60, 40), (4, 32), ordered=False),),
        history=(_past(0),),
    )
    page = _page(day)
    assert page.charts == []
    assert "every category has fewer than 11 patients, or would give such a one away" in page.text["distributions"]
    assert "PSI within its limit of 0.3 · share shift beyond its limit of ±0.25" in page.text["distributions"]
    assert "The values are not shown" in page.text["history"]


@given(data=st.data())
def test_how_few_patients_a_hidden_category_has_changes_nothing_on_the_page(data: st.DataObject) -> None:
    """Two days that differ only in whom the hidden categories hold cannot be told apart."""
    few = data.draw(st.integers(1, 10))
    other = data.draw(st.integers(1, 10))
    together = few + 31  # the next smallest is hidden beside it
    statistics = [
        tuple(
            _statistic(statistic=name, value=value * count, alert=False, n_current=together + 140, detail=detail)
            for name, value, detail in (
                ("psi", 0.01, ""),
                ("chi_squared", 1.0, ""),
                ("share_shift", 0.02, f"{count} %"),
            )
        )
        for count in (few, other)
    ]
    days = [
        _plain(
            drift=drift,
            distributions=(_distribution((50, 50, 50, 50), (count, together - count, 60, 80), ordered=False),),
            history=tuple(_past(0, statistic=found.statistic, value=found.value) for found in drift),
        )
        for drift, count in zip(statistics, (few, other), strict=True)
    ]
    assert html(days[0], policy=POLICY) == html(days[1], policy=POLICY)


@given(few=st.integers(1, 10), other=st.integers(1, 10), rows=st.integers(30, 5000), most=st.booleans())
def test_how_few_have_no_value_or_a_new_category_changes_nothing_on_the_page(
    few: int, other: int, rows: int, most: bool
) -> None:
    pages = []
    for count in (few, other):
        share = 1 - count / rows if most else count / rows
        told: dict[str, Any] = {"value": share, "threshold": 0.02, "alert": False}
        drift = (
            _statistic(statistic="null_rate", n_current=rows, **told),
            _statistic(statistic="new_categories", n_current=rows, **told),
            _statistic(statistic="wasserstein", n_current=rows if most else rows - count, value=0.3, alert=False),
        )
        history = (_past(0, statistic="null_rate", n_current=rows, **told),)
        pages.append(html(replace(_plain(drift=drift, history=history), predictions=rows), policy=POLICY))
    assert pages[0] == pages[1]


@given(few=st.integers(1, 10), other=st.integers(1, 10))
def test_a_day_of_a_few_patients_shows_no_figure_of_theirs(few: int, other: int) -> None:
    pages = []
    for count in (few, other):
        drift = tuple(
            _statistic("predicted_charges", statistic=name, value=100.0 * count, n_current=count, detail="")
            for name in ("mean", "psi", "shift", "predictions")
        )
        history = tuple(_past(0, statistic=found.statistic, value=found.value, n_current=count) for found in drift)
        of_bins = (_distribution((50, 50), (count, 0), ordered=True),)
        days = (service_day(3, predictions=count, outcomes=count, risk_score_mae=float(count)),)
        day = _plain(drift=drift, history=history, distributions=of_bins, performance=days)
        pages.append(html(replace(day, predictions=count), policy=POLICY))
    assert pages[0] == pages[1]
    assert "fewer than 11" in pages[0]
    assert "the day has fewer than 11 patients with a value" in pages[0]


@given(few=st.integers(1, 10), other=st.integers(1, 10))
def test_a_group_of_a_few_and_whoever_would_give_it_away_show_no_figure(few: int, other: int) -> None:
    pages = []
    for count in (few, other):
        ratio = {"predictive_ratio": 1 + count / 100, "ratio_lower": 0.9 + count / 100, "ratio_upper": 1.2}
        groups = (
            group(outcomes=700),
            group("sex", "female", outcomes=count, predictions=count, risk_score_mae=float(count), **ratio),
            group("sex", "male", outcomes=700 - count, **ratio),
        )
        pages.append(html(_plain(performance=groups), policy=POLICY))
    assert pages[0] == pages[1]
    assert [row[:3] for row in _Page(pages[0]).rows["groups"][2:]] == [
        ["Sex female", "not shown", "not shown"],
        ["Sex male", "not shown", "not shown"],
    ]


@given(few=st.integers(1, 10), other=st.integers(1, 10))
def test_how_few_costs_are_still_awaited_changes_nothing_on_the_page(few: int, other: int) -> None:
    one, another = (
        html(_plain(performance=(service_day(3, outcomes=520 - count),)), policy=POLICY) for count in (few, other)
    )
    assert one == another


@pytest.mark.parametrize("colours", [report_style.LIGHT, report_style.DARK], ids=["light", "dark"])
def test_text_and_marks_have_the_contrast_of_wcag_aa(colours: Mapping[str, str]) -> None:
    for ground in ("paper", "card", "wash"):
        for text in ("ink", "soft", "alert", "good", "day"):
            assert _contrast(colours[text], colours[ground]) >= 4.5
    for mark in ("day", "alert", "ink"):
        assert _contrast(colours[mark], colours["band"]) >= 3.0


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_same_day_gives_the_same_page() -> None:
    assert html(many_alerts(), policy=POLICY) == html(many_alerts(), policy=POLICY)


def test_performance_of_everybody_only_is_the_error_by_day() -> None:
    found: tuple[Performance, ...] = (service_day(9), replace(service_day(9), attribute="sex", group="male"))
    assert len(_page(_plain(performance=found)).rows["performance"]) == 2
