"""The pages for the uses say what their tables say, and withhold what these withhold."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.population.tables import POPULATION_HEALTH
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.site.frame import file_of
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets.steps.site import write_site
from healthcare_assets_tests.steps.site_home import DECEMBER, NOVEMBER, filled_home, write


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return filled_home(tmp_path_factory.mktemp("uses"))


@pytest.fixture(scope="module")
def site(runtime: Runtime) -> Path:
    return write_site(runtime).parent


def _text(site: Path, name: str) -> str:
    """Without markup: what a reader reads."""
    body = (site / file_of(name)).read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(unescape(re.sub("<[^>]+>", " ", body)).split())


def _rows(runtime: Runtime, table: Table, day: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = runtime.lakehouse.collect(runtime.lakehouse.scan(table, day=day)).to_pylist()  # type: ignore[arg-type]
    return found


def test_the_costs_are_those_of_the_newest_day_by_risk_category(site: Path) -> None:
    text = _text(site, "costs")
    assert "2026-01-06" in text
    assert "low withheld" not in text
    # 6 patients of critical risk are few, and of the others the fewer have to go with them.
    assert "low 20 50 % $1,000 $500 to $2,000" in text
    assert "medium withheld" in text
    assert "critical withheld" in text
    assert "$40,000" not in text
    assert "high 0 –" in text
    assert "2026-01-06 matured 7.5 0.8 0.93 $2,345 40 60" in text


def test_the_prices_are_those_of_the_newest_month_beside_the_one_before(runtime: Runtime, site: Path) -> None:
    text = _text(site, "pricing")
    rows = {(row["dimension"], row["level"]): row for row in _rows(runtime, PRICING_FACTORS, DECEMBER)}
    before = {(row["dimension"], row["level"]): row for row in _rows(runtime, PRICING_FACTORS, NOVEMBER)}
    whole, earlier = rows["all", "all"], before["all", "all"]
    assert "Dec 2025" in text
    assert f"Expected cost ${whole['expected_cost']:,.0f} of a member a year, +$" in text
    assert f"+${whole['expected_cost'] - earlier['expected_cost']:,.0f} since the month before" in text
    assert "All 62 relativities are within the law" in text
    for area in ("northeast", "southwest"):
        row, then = rows["area", area], before["area", area]
        assert (
            f"{area} {row['relativity']:.3f} {row['members']:,} ${row['expected_cost']:,.0f} "
            f"${row['expected_lower']:,.0f} to ${row['expected_upper']:,.0f} ${row['observed_cost']:,.0f} "
            f"{row['credibility']:.2f} +${row['expected_cost'] - then['expected_cost']:,.0f}"
        ) in text
    assert rows["age", "64-over"]["suppressed"]
    assert "64 and over 3.000 withheld withheld withheld withheld withheld –" in text
    assert rows["tobacco", "yes"]["rule"] in text


def test_the_population_is_that_of_the_newest_month_with_what_is_withheld(runtime: Runtime, site: Path) -> None:
    text = _text(site, "population")
    rows = _rows(runtime, POPULATION_HEALTH, DECEMBER)
    [whole] = [
        row for row in rows if set(map(row.get, ("region", "age_band", "sex", "smoker", "bmi_category"))) == {"all"}
    ]
    assert f"Members {whole['members']:,} scored in the month" in text
    assert f"Predicted charges ${whole['mean_predicted_charges']:,.0f}" in text
    assert "underweight 1,600 $9,900 50 50 % withheld 0 +$900 –" in text
    assert "50–64, smoker withheld withheld withheld withheld withheld – – –" in text
    assert "35–49, non-smoker 640 $9,900 50 50 % $8,800 0 +$900 –" in text
    assert "none tells of 1 to 10 persons" in text
    assert (
        "Lines from Nov 2025 to Dec 2025: members from 6,400 to 6,400; predicted charges from $9,000 to $9,900" in text
    )
    assert f"+${whole['mean_predicted_charges_change']:,.0f}" in text


def test_of_a_month_that_tells_too_much_nothing_is_shown(tmp_path: Path) -> None:
    runtime = filled_home(tmp_path)
    rows = _rows(runtime, POPULATION_HEALTH, DECEMBER)
    told = [row | {"members": 6, "mean_predicted_charges": 1e6} if row["members"] is None else row for row in rows]
    write(runtime, POPULATION_HEALTH, *told, day=DECEMBER)
    text = _text(write_site(runtime).parent, "population")
    assert "hand out nothing of this month" in text
    assert "$1,000,000" not in text
    assert "northeast" not in text


def test_of_relativities_that_the_law_forbids_the_page_says_so(tmp_path: Path) -> None:
    runtime = filled_home(tmp_path)
    rows = _rows(runtime, PRICING_FACTORS, DECEMBER)
    changed = [row | {"relativity": 2.0} if row["level"] == "yes" else row for row in rows]
    write(runtime, PRICING_FACTORS, *changed, day=DECEMBER)
    assert "users pay 2.000 times what others pay, over 1.5:1" in _text(write_site(runtime).parent, "pricing")
