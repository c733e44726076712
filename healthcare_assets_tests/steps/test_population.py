"""A month's population on either engine: who counts, what changes since the month before, and what is withheld."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.population.health import cell_of
from healthcare_assets.domain.population.tables import POPULATION_HEALTH
from healthcare_assets.domain.tables import PREDICTIONS, REGIONS, SILVER_PATIENTS
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps import population
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.members import on_polars

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
WHOLE = ("all",) * 5


def _key(number: int) -> str:
    return f"{number * 7919 % 4096:03x}{number:029x}"


def _write(lakehouse: Lakehouse, table: Table, day: date, rows: Sequence[Mapping[str, Any]]) -> None:
    polars = on_polars(lakehouse)
    polars.replace_day(table, day, frame_of(polars, table, rows, without=["partition_date"]))


@cache
def _patient(number: int) -> Mapping[str, Any]:
    """The same one for a number, whoever else there is."""
    random = np.random.default_rng(number)
    return {
        "patient_key": _key(number),
        "age": int(random.integers(18, 80)),
        "sex": str(random.choice(["female", "male"])),
        "region": str(random.choice(REGIONS)),
        "bmi": float(random.uniform(22.0, 40.0)),
        "smoker": bool(random.random() < 0.4),
        "children": 0,
    }


def _day(lakehouse: Lakehouse, day: date, numbers: range, *, charges: float | None, predicted: float) -> None:
    patients = [{**_patient(number), "charges": charges} for number in numbers]
    _write(lakehouse, SILVER_PATIENTS, day, patients)
    scores = [
        {"patient_key": _key(n), "predicted_charges": predicted, "risk_score": 50.0, "high_risk_patient": n % 2 == 0}
        for n in numbers
    ]
    _write(lakehouse, PREDICTIONS, day, scores)


def _cells(runtime: Runtime, month: date) -> dict[tuple[str, ...], dict[str, Any]]:
    (report,) = population.run(runtime, month)
    assert all(check.passed for check in report.checks), report.checks
    scanned = runtime.lakehouse.scan(POPULATION_HEALTH, day=month)
    rows = runtime.lakehouse.collect(scanned).to_pylist()
    return {cell_of(row): row for row in rows}


def test_two_months_on_either_engine(tmp_path: Path, lakehouse: Lakehouse) -> None:
    runtime = runtime_at(tmp_path, lakehouse=lakehouse)
    _day(lakehouse, date(2026, 1, 5), range(2000), charges=1_000.0, predicted=2_000.0)
    _day(lakehouse, date(2026, 1, 31), range(1000), charges=None, predicted=3_000.0)
    _write(lakehouse, SILVER_PATIENTS, date(2026, 1, 6), [{"patient_key": _key(999), "age": 30, "bmi": 22.0}])
    january = _cells(runtime, JANUARY)
    whole = january[WHOLE]
    # Who was not scored does not count; the newest record and prediction of the month do.
    assert (whole["members"], whole["mean_predicted_charges"]) == (2000, 2_500.0)
    assert (whole["members_with_cost"], whole["mean_cost"]) == (1000, 1_000.0)
    assert (whole["high_risk_share"], whole["members_change"]) == (0.5, None)
    northeast = sum(_patient(number)["region"] == "northeast" for number in range(2000))
    assert january["northeast", "all", "all", "all", "all"]["members"] == northeast

    _day(lakehouse, date(2026, 2, 3), range(2100), charges=1_500.0, predicted=2_750.0)
    february = _cells(runtime, FEBRUARY)[WHOLE]
    changes = (february["members_change"], february["mean_predicted_charges_change"], february["mean_cost_change"])
    assert changes == (100, 250.0, 500.0)
    # Again, and beside Polars' own: the same.
    polars = runtime_at(tmp_path, lakehouse=on_polars(lakehouse))
    assert _cells(polars, JANUARY) == january


def test_a_month_in_ranges_of_patients_is_the_month(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    runtime = runtime_at(tmp_path, lakehouse=polars_lakehouse)
    _day(polars_lakehouse, date(2026, 1, 5), range(2000), charges=10.0 / 3.0, predicted=2_000.1)
    whole = _cells(runtime, JANUARY)
    polars_lakehouse.keys_at_a_time = 300
    assert _cells(runtime, JANUARY) == whole


@pytest.mark.parametrize("scored", [True, False])
def test_a_month_without_patients_is_one_of_nobody(scored: bool, tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    runtime = runtime_at(tmp_path, lakehouse=polars_lakehouse)
    if not scored:
        _write(polars_lakehouse, SILVER_PATIENTS, JANUARY, [{"patient_key": _key(1), "age": 30, "bmi": 22.0}])
    assert {row["members"] for row in _cells(runtime, JANUARY).values()} == {0}
