"""What goes with a materialisation: pictures and tables of bounded size, and numbers that Dagster draws by itself."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from databricks_steps.order import message_of, outcome_from
from healthcare_assets.dagster_home import prepare
from healthcare_assets.definitions import defs
from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.tables import SILVER_PATIENTS
from healthcare_assets.environments import settings_from
from healthcare_assets.steps import pricing
from healthcare_assets.steps.report import AssetReport, Markdown
from healthcare_assets.steps.running import run_step
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.browser import chromium, needs_chromium, opened
from healthcare_assets_tests.domain.test_figures import MOST, texts
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.care_days import predicted, prediction
from healthcare_assets_tests.steps.members import rows_of
from healthcare_assets_tests.steps.site_home import DECEMBER, MEMBERS, NOVEMBER, priced_month, write
from healthcare_assets_tests.ui.server import dagster_ui

if TYPE_CHECKING:
    from playwright.sync_api import Page

DAY = date(2026, 1, 5)


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Two months with prices."""
    runtime = runtime_at(tmp_path_factory.mktemp("priced"))
    for month, dearer in ((NOVEMBER, 1.0), (DECEMBER, 1.1)):
        priced_month(runtime, month, dearer=dearer)
    return runtime


def _pictures(report: AssetReport) -> Mapping[str, str]:
    found = {name: entry.text for name, entry in report.metadata.items() if isinstance(entry, Markdown)}
    assert all(len(text) < MOST for text in found.values())
    return {name: text for name, text in found.items() if "data:image/svg+xml" in text}


def test_prices_have_a_picture_a_dimension_and_numbers_of_the_whole(priced: Runtime) -> None:
    (report,) = pricing.run(priced, DECEMBER)
    pictures = _pictures(report)
    assert set(pictures) == {f"expected_cost_by_{name}" for name in ("area", "age", "tobacco", "family")} | {
        "relativity_by_age"
    }
    rows = {(row["dimension"], row["level"]): row for row in rows_of(priced.lakehouse, PRICING_FACTORS)
            if row["partition_date"] == DECEMBER}  # fmt: skip
    for area in ("northeast", "northwest"):
        assert f"${rows['area', area]['expected_cost']:,.0f}" in texts(pictures["expected_cost_by_area"])
    assert report.metadata["members"] == MEMBERS
    assert report.metadata["expected_cost"] == rows["all", "all"]["expected_cost"]
    assert report.metadata["tobacco_relativity"] == rows["tobacco", "yes"]["relativity"]
    assert report.metadata["patients_without_known_cost"] == 0
    assert "+$" in pictures["expected_cost_by_area"]


def test_a_few_without_a_known_cost_cannot_be_worked_out(tmp_path: Path) -> None:
    runtime = runtime_at(tmp_path)
    patients = [
        {"patient_key": f"{n:032x}", "age": 30, "region": "northeast", "smoker": False, "children": 0}
        | {"charges": None if n < 4 else 100.0 + n}
        for n in range(60)
    ]
    write(runtime, SILVER_PATIENTS, *patients, day=DECEMBER)
    (report,) = pricing.run(runtime, DECEMBER)
    assert report.metadata["members"] == 56
    assert report.metadata["patients_without_known_cost"] == "fewer than 11"
    assert 60 not in report.metadata.values()


def test_pictures_are_the_same_when_a_launcher_has_carried_them(priced: Runtime) -> None:
    (report,) = pricing.run(priced, DECEMBER)
    assert outcome_from(message_of(report)) == report


def test_the_care_list_s_pictures_name_nobody_and_count_no_few(tmp_path: Path) -> None:
    runtime = runtime_at(tmp_path)
    people = [prediction(f"{n:032x}", 99.0 if n < 30 else 86.0) for n in range(34)]
    predicted(runtime.lakehouse, DAY, *people)
    (report,) = run_step("care", runtime, day=DAY)
    pictures = _pictures(report)
    assert set(pictures) == {"by_rule", "charges_by_rule"}
    listed = [row["rule"] for row in rows_of(runtime.lakehouse, CARE_MANAGEMENT)]
    assert (listed.count("high_cost"), listed.count("critical")) == (30, 4)
    assert "| critical | withheld | all |" in pictures["by_rule"]
    assert "| high_cost | withheld | all |" in pictures["by_rule"]
    assert not any(row["patient_key"] in str(report.metadata) for row in people)


@pytest.mark.slow
class TestInDagsterS:
    """UI, as Chromium shows it."""

    pytestmark = needs_chromium

    def test_the_pictures_are_seen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
        for variable in ("HEALTHCARE_ENV", "HEALTHCARE_ENGINE", "HEALTHCARE_SOURCE"):
            monkeypatch.delenv(variable, raising=False)
        priced_month(runtime_at(tmp_path), date(2026, 1, 1), dearer=1.0)
        prepare(settings_from({"HEALTHCARE_HOME": str(tmp_path)}))
        # Before the browser, whose loop is that of the thread.
        with dg.DagsterInstance.get() as instance:
            defs().resolve_job_def("monthly_insight").execute_in_process(
                instance=instance, partition_key="2026-01-01", asset_selection=[dg.AssetKey("pricing_factors")]
            )
        with dagster_ui(tmp_path) as address, chromium() as browser:
            url = f"{address}/assets/pricing_factors?view=partitions&partition=2026-01-01"
            page: Page = opened(browser, url).page
            page.get_by_text("Show Markdown").nth(1).click(timeout=60_000)
            pictures = page.get_by_role("dialog").locator("img")
            pictures.first.wait_for(timeout=60_000)
            seen: list[Any] = pictures.evaluate_all(
                """found => Promise.all(found.map(async img => {
                    await img.decode();
                    return [img.complete, img.naturalWidth > 300, img.width > 300, img.alt];
                }))"""
            )
        assert [each[:3] for each in seen] == [[True, True, True]]
        assert seen[0][3].startswith("Expected cost of a member by rating area. A dot with its interval for each.")
