"""Figures: the picture, the words and the table say the same, and none says more than may be told."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from healthcare_assets.domain.care import RULES
from healthcare_assets.domain.figures import curve, levels
from healthcare_assets.domain.figures.care import care_figures
from healthcare_assets.domain.figures.costs import ChargesOf, charges_figure, observed_figure
from healthcare_assets.domain.figures.curve import Place
from healthcare_assets.domain.figures.drift import days_figure, drift_figure, drifted
from healthcare_assets.domain.figures.figure import Figure, in_markdown, picture
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.figures.pricing import cost_figures, relativity_figure
from healthcare_assets.domain.figures.training import calibration_figure, candidate_figures, metrics_of
from healthcare_assets.domain.monitoring.findings import MonitoredDay
from healthcare_assets.domain.monitoring.report_figures import dollars, short_dollars
from healthcare_assets.domain.monitoring.report_performance import service_days
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, panels
from healthcare_assets.domain.pricing.factors import Factor
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.champions import small_model
from healthcare_assets_tests.domain.monitored_days import many_alerts, nothing, quiet

_SVG = "{http://www.w3.org/2000/svg}"
DAYS = {"many alerts": many_alerts, "quiet": quiet, "nothing": nothing}
MOST = 30_000
"""Characters of a metadata entry, which is stored with every materialisation."""


def drawn(markdown: str) -> ElementTree.Element:
    """The picture of a metadata entry, as a browser reads it."""
    found = re.search(r"!\[[^\[\]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found is not None
    return ElementTree.fromstring(base64.b64decode(found[1], validate=True))  # noqa: S314 - our own


def texts(markdown: str) -> list[str]:
    return [str(each.text) for each in drawn(markdown).iter(f"{_SVG}text")]


def _group(label: str, patients: int, predicted: float = 1_000.0) -> ChargesOf:
    return ChargesOf(label=label, patients=patients, predicted=predicted, lower=predicted / 2, upper=predicted * 2)


def _column(figure: Figure, position: int) -> dict[str, str]:
    return {row[0]: row[position] for row in figure.rows}


def test_a_picture_stands_by_itself_and_says_what_it_shows() -> None:
    figure = charges_figure("charges", "By [risk] & <category>", [_group("low", 20), _group("high", 30, 9_000.0)])
    said = picture(figure)
    root = drawn(said)
    assert said.startswith(
        "![By (risk) & <category>. A dot with its 90 % interval for each. low $1,000; high $9,000.]("
    )
    assert root.find(f"{_SVG}title") is not None
    assert str(getattr(root.find(f"{_SVG}desc"), "text", "")) == figure.description
    assert (root.get("width"), root.get("height")) != (None, None)
    # No style of a page reaches it.
    assert "--ink: #" in str(getattr(root.find(f"{_SVG}style"), "text", ""))
    assert "http" not in ElementTree.tostring(root, encoding="unicode").replace("http://www.w3.org/2000/svg", "")


def test_the_marks_lie_where_the_values_are() -> None:
    rows = [Level(label="a", value=10.0, lower=5.0, upper=15.0), Level(label="b", value=20.0, alert=True)]
    _, marks = levels.drawn(rows, Axis(form=dollars, tick=short_dollars))
    svg = ElementTree.fromstring(f"<g>{''.join(marks)}</g>")  # noqa: S314 - our own
    interval = next(each for each in svg.iter("line") if each.get("class") == "interval")
    [dot] = list(svg.iter("circle"))
    ends = [float(interval.get("x1", "nan")), float(interval.get("x2", "nan"))]
    assert float(dot.get("cx", "nan")) == pytest.approx(sum(ends) / 2, abs=0.1)
    assert [each.get("class") for each in svg.iter("path")] == ["alert"]


def test_what_is_withheld_is_no_mark_and_nobody_is_no_secret() -> None:
    rows = [Level(label="few", value=None, withheld=True), Level(label="none", value=None)]
    _, marks = levels.drawn(rows, Axis(form=dollars, tick=short_dollars, bars=True))
    svg = ElementTree.fromstring(f"<g>{''.join(marks)}</g>")  # noqa: S314 - our own
    assert not [each for each in svg if each.tag in ("rect", "circle", "path")]
    assert levels.described(rows, dollars) == "few withheld; none –."


def test_a_curve_has_a_gap_where_nothing_may_be_shown() -> None:
    places = [Place(label=str(n), value=None if n == 3 else float(n)) for n in range(6)]
    _, marks = curve.drawn(places, dollars)
    lines = [mark for mark in marks if mark.startswith("<polyline")]
    assert [line.count(",") for line in lines] == [3, 2]


def test_months_that_follow_one_another_are_joined() -> None:
    months = [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1), date(2026, 5, 1), date(2026, 6, 1)]
    points = [Point(day=month, value=1.0, limit=None) for month in months]
    span = Days(first=months[0], last=months[-1], monthly=True)
    _, marks = panels([Panel(title="", points=points, form=dollars)], days=span, versions={})
    assert [mark.count(",") for mark in marks if mark.startswith("<polyline")] == [3, 2]
    assert any(">Jun 2026<" in mark for mark in marks)


def test_a_long_table_is_cut_and_says_so() -> None:
    figure = replace(
        charges_figure("charges", "T", [_group("low", 20)]), head=("n",), rows=[(str(n),) for n in range(100)]
    )
    assert "31 of 100 rows are shown." in in_markdown(figure)
    assert "20 of 100 rows are shown." in in_markdown(replace(figure, every=5))


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ((40, 30, 20), (True, True, True)),
        ((40, 30, 5), (True, False, False)),
        ((3, 4, 2), (False, False, False)),
        ((40, 0, 20), (True, True, True)),
        ((40, 5, 0), (False, False, True)),
    ],
)
def test_no_group_of_few_has_a_figure_nor_can_one_be_worked_out(counts: Sequence[int], shown: Sequence[bool]) -> None:
    groups = [
        _group(name, count, 1_234.0 + 1_000.0 * n) for n, (name, count) in enumerate(zip("abc", counts, strict=True))
    ]
    figure = charges_figure("charges", "T", groups)
    markdown = in_markdown(figure)
    for group, may in zip(groups, shown, strict=True):
        assert (_column(figure, 1)[group.label] == "withheld") is not may
        if not may:
            assert dollars(group.predicted) not in markdown + " ".join(texts(markdown))


def test_the_care_figures_count_by_rule_and_withhold_few() -> None:
    groups = [_group(rule, count) for rule, count in zip(RULES, (40, 30, 6, 0), strict=True)]
    within = dict(zip(RULES, (40, 10, 0, 0), strict=True))
    figures = care_figures(groups, within=within)
    counts, part = (_column(figures["by_rule"], position) for position in (1, 2))
    assert list(counts.values()) == ["40", "withheld", "withheld", "0"]
    assert list(part.values()) == ["all", "some", "none", ""]
    assert "30" not in texts(in_markdown(figures["by_rule"]))


def _factor(level: str, *, dimension: str = "area", hidden: bool = False, cost: float = 9_000.0) -> dict[str, object]:
    return asdict(
        Factor(
            dimension=dimension,
            level=level,
            members=None if hidden else 100,
            suppressed=hidden,
            observed_cost=None if hidden else cost + 500.0,
            credibility=None if hidden else 0.25,
            expected_cost=None if hidden else cost,
            expected_lower=None if hidden else cost - 1_000.0,
            expected_upper=None if hidden else cost + 1_000.0,
            relativity=1.05,
            rule="a rule of law",
        )
    )


def test_the_price_figures_say_what_the_rows_say() -> None:
    rows = [_factor("northeast"), _factor("southwest", hidden=True), _factor("21", dimension="age")]
    figures = cost_figures(rows, before=[_factor("northeast", cost=8_900.0), _factor("southwest")])
    assert figures["area"].rows == [
        ("northeast", "1.050", "100", "$9,000", "$8,000 to $10,000", "$9,500", "0.25", "+$100"),
        ("southwest", "1.050", *["withheld"] * 5, "–"),
    ]
    assert {"$9,000", "withheld"} < set(texts(in_markdown(figures["area"])))
    assert "Members and costs of 1 of 2 are withheld: few persons, or a way to them." in figures["area"].said
    relativities = relativity_figure(rows)
    assert relativities is not None
    assert relativities.rows == [("21", "1.050")]
    assert relativity_figure([]) is None


@pytest.mark.parametrize("made", DAYS.values(), ids=DAYS.keys())
def test_the_figures_of_a_monitored_day(made: Callable[[], MonitoredDay]) -> None:
    day = made()
    figures = [drift_figure(day), days_figure(day), observed_figure(service_days(day)[-60:])]
    if day.model_version is None:
        assert figures == [None, None, None]
    for figure in filter(None, figures):
        assert len(in_markdown(figure)) < MOST
    if figures[0] is not None:
        marked = [row[0] for row in figures[0].rows if row[-1] == "alert"]
        assert len(marked) == len(drifted(day))
        triangles = [
            each for each in drawn(in_markdown(figures[0])).iter(f"{_SVG}path") if each.get("class") == "alert"
        ]
        assert len(triangles) == len(marked)


def test_costs_of_few_patients_are_not_compared() -> None:
    day = many_alerts()
    found = [replace(one, outcomes=4) if one.outcomes else one for one in service_days(day)]
    assert observed_figure(found) is None
    some = [
        replace(one, outcomes=4, predictive_ratio=7.77) if place % 2 else one
        for place, one in enumerate(service_days(day))
    ]
    figure = observed_figure(some)
    assert figure is not None
    assert "7.77" not in in_markdown(figure)
    assert day.day - timedelta(days=40) in {one.service_date for one in some}


def test_the_training_s_figures_say_what_the_metrics_are() -> None:
    trained = small_model()
    figures = candidate_figures(trained, policy=POLICY)
    told = metrics_of(trained)
    assert told["risk_score_mae"] == trained.metrics["risk_score_mae"].value
    assert _column(figures["error_of_risk_score"], 1)[trained.candidate] == f"{told['risk_score_mae']:.3g}"
    limits = [each.get("class") for each in drawn(in_markdown(figures["error_of_risk_score"])).iter(f"{_SVG}line")]
    assert limits.count("limit") == 1
    calibration = calibration_figure(trained)
    assert calibration is not None
    assert len(calibration.rows) == 10
    assert all(len(in_markdown(figure)) < MOST for figure in [*figures.values(), calibration])
    keys = set(trained.out_of_fold.patient_key.tolist())
    assert not any(str(key) in in_markdown(figure) for figure in figures.values() for key in keys)
