"""`make report`: every page says what the tables say, or that nothing is there yet; and opens without a fault."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.monitoring.tables import DRIFT_REPORT, MODEL_PERFORMANCE
from healthcare_assets.domain.site.frame import PAGES, file_of
from healthcare_assets.domain.tables import CHAMPION_HISTORY, GOVERNANCE_VERDICT, PREDICTIONS
from healthcare_assets.steps.recording import record
from healthcare_assets.steps.runtime import Runtime, content_of
from healthcare_assets.steps.site import write_site
from healthcare_assets_tests.browser import chromium, needs_chromium, opened, violations
from healthcare_assets_tests.champions import promoted
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.runtimes import runtime_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAYS = (date(2026, 1, 5), date(2026, 1, 6))
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
_CRITERION = {
    "name": "risk_score_r2",
    "value": 0.83,
    "lower": 0.8,
    "upper": 0.86,
    "threshold": 0.7,
    "comparison": ">=",
    "passed": True,
    "detail": "R² is <b>0.83</b>.",
}


def _write(runtime: Runtime, table: Table, *rows: dict[str, Any], day: date | None = None) -> None:
    frame = frame_of(runtime.lakehouse, table, list(rows))
    if day is None:
        runtime.lakehouse.append(table, frame)
    else:
        runtime.lakehouse.replace_day(table, day, content_of(table, frame))


def _filled(home: Path) -> Runtime:
    """Two days of a champion's, one with an alert, its verdict, a list of patients, costs, and a trail."""
    runtime = runtime_at(home)
    promoted(runtime.registry)
    for day in DAYS:
        scored = [{"patient_key": f"{n:032x}"} for n in range(40)]
        _write(runtime, PREDICTIONS, *scored, day=day)
        drift = {"n_reference": 100, "n_current": 40, "detail": "", "model_version": "1", "threshold": None}
        alert = day == DAYS[1]
        _write(
            runtime,
            DRIFT_REPORT,
            {**drift, "column": "all", "statistic": "predictions", "value": 40.0, "alert": False},
            {**drift, "column": "bmi", "statistic": "psi", "value": 0.9, "alert": alert},
            day=day,
        )
        known = {"scope": "service day", "attribute": "all", "group": "all", "status": "matured", "outcomes": 40}
        _write(
            runtime, MODEL_PERFORMANCE, {**known, "service_date": day, "risk_score_mae": 7.5, "biased": False}, day=day
        )
    care = {
        "rule": "risen",
        "risk_category": "high",
        "charges_lower": 1e4,
        "charges_upper": 3e4,
        "why": "Risen <i>by</i> 20 points.",
        "reasons": [],
    }
    _write(
        runtime,
        CARE_MANAGEMENT,
        *(
            {
                **care,
                "rank": n,
                "patient_key": f"{n:032x}",
                "risk_score": 90.0 - n,
                "predicted_charges": 2e4,
                "score_change": 20.0 if n == 1 else None,
                "within_capacity": n <= 2,
            }
            for n in range(1, 4)
        ),
        day=DAYS[1],
    )
    versions = '{"silver_patients":"1"}'
    _write(
        runtime,
        GOVERNANCE_VERDICT,
        {
            "verdict_id": "v",
            "model_name": "health_insurance_cost",
            "model_version": "1",
            "decision": "approved",
            "reasons": [],
            "criteria": [_CRITERION],
            "data_versions": versions,
            "trained_on_data_versions": versions,
            "decided_at": NOON,
        },
    )
    move = {
        "action": "promotion",
        "model_version": "1",
        "who": "governance_verdict",
        "why": "approved",
        "moved_at": NOON,
    }
    _write(runtime, CHAMPION_HISTORY, move)
    record(runtime, "promoted", "version 1 of health_insurance_cost", why="approved <script>alert(1)</script>")
    (home / "reports").mkdir(exist_ok=True)
    (home / "reports" / f"drift_report_{DAYS[1]}.html").write_text("<!doctype html><title>a day</title>")
    return runtime


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a site about nothing, and of one about something."""
    empty = tmp_path_factory.mktemp("empty")
    filled = tmp_path_factory.mktemp("filled")
    return {"empty": write_site(runtime_at(empty)).parent, "filled": write_site(_filled(filled)).parent}


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as opened_browser:
        yield opened_browser


def _text(folder: Path, name: str) -> str:
    return (folder / file_of(name)).read_text(encoding="utf-8")


def test_of_nothing_every_page_says_what_is_missing_and_what_to_run(sites: dict[str, Path]) -> None:
    assert "run the job daily_scoring" in _text(sites["empty"], "care")
    assert "run the job training" in _text(sites["empty"], "model")
    assert "run the job daily_monitoring" in _text(sites["empty"], "monitoring")
    assert "no model has been judged yet" in _text(sites["empty"], "decisions")


def test_the_pages_say_what_the_tables_say(sites: dict[str, Path]) -> None:
    site = sites["filled"]
    care = _text(site, "care")
    assert "Risen &lt;i&gt;by&lt;/i&gt; 20 points." in care
    assert f"{2:032x}" in care
    assert f"{3:032x}" not in care  # beyond the capacity
    assert "fewer than 11" in care
    assert "risk score r2" in _text(site, "model")
    assert f'<a href="drift_report_{DAYS[1]}.html">{DAYS[1]}</a>: Bmi' in _text(site, "monitoring")
    decisions = _text(site, "decisions")
    assert "&lt;script&gt;" in decisions
    assert "is not on record" in decisions  # the tables of this test were written by nobody's step


def test_every_page_is_for_its_owner_alone_and_written_anew(sites: dict[str, Path]) -> None:
    for name in PAGES:
        assert (sites["filled"] / file_of(name)).stat().st_mode & 0o777 == 0o600
    assert list(sites["filled"].glob("*.tmp")) == []


class TestInABrowser:
    """As Chromium shows it, narrow and wide."""

    pytestmark = needs_chromium

    @pytest.mark.parametrize("site", ["empty", "filled"])
    def test_no_page_has_a_fault_or_loads_anything_or_is_wider_than_a_phone(
        self, browser: "Browser", sites: dict[str, Path], site: str
    ) -> None:
        for name in PAGES:
            url = (sites[site] / file_of(name)).as_uri()
            seen = opened(browser, url, width=360)
            assert seen.faults == [], name
            assert seen.requests == [url]
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360, name

    @pytest.mark.parametrize("site", ["empty", "filled"])
    @pytest.mark.parametrize("width", [360, 1200])
    def test_axe_finds_nothing_serious(self, browser: "Browser", sites: dict[str, Path], site: str, width: int) -> None:
        for name in PAGES:
            assert violations(browser, (sites[site] / file_of(name)).as_uri(), width=width) == [], name

    def test_from_each_page_every_other_is_reached_by_key(self, browser: "Browser", sites: dict[str, Path]) -> None:
        page = opened(browser, (sites["filled"] / file_of("index")).as_uri()).page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        for name, words in list(PAGES.items())[1:]:
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=words).press("Enter")
            page.wait_for_url(f"**/{file_of(name)}")
            assert page.get_by_role("heading", level=1).is_visible()
