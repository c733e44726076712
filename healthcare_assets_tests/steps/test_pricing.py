"""A month's factors on either engine: who counts, with which cost, and what can never have to do with it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.pricing.experience import RATING_COLUMNS
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.tables import PREDICTIONS, REGIONS, RISK_FEATURES, SILVER_PATIENTS
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.steps import pricing
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.members import on_polars, rows_of

MONTH = date(2026, 2, 1)
MIDDLE, END, AFTER = date(2026, 2, 10), date(2026, 2, 28), date(2026, 3, 1)


def _patient(number: int, **given: object) -> dict[str, Any]:
    return {
        "patient_key": f"{number * 7919 % 4096:03x}{number:029x}",
        "age": 18 + number % 60,
        "sex": "female",
        "region": REGIONS[number % 4],
        "bmi": 25.0,
        "smoker": number % 3 == 0,
        "children": number % 6,
        "charges": 1_000.0 + 100.0 * (number % 60) + (number % 7) / 3.0,
        "data_quality_score": 100.0,
        "hipaa_deidentified": True,
        "source_records": 1,
        **given,
    }


def _write(lakehouse: Lakehouse, table: Table, day: date, rows: Sequence[Mapping[str, Any]]) -> None:
    polars = on_polars(lakehouse)
    polars.replace_day(table, day, frame_of(polars, table, rows, without=["partition_date"]))


def _factors(runtime: Runtime, month: date = MONTH) -> list[dict[str, Any]]:
    (report,) = pricing.run(runtime, month)
    assert all(check.passed for check in report.checks)
    return sorted(rows_of(runtime.lakehouse, PRICING_FACTORS), key=lambda row: (row["dimension"], row["level"]))


def _whole(runtime: Runtime) -> dict[str, Any]:
    return next(row for row in _factors(runtime) if row["dimension"] == "all")


def test_a_patient_counts_once_with_the_newest_record_and_the_newest_cost(tmp_path: Path, lakehouse: Lakehouse) -> None:
    runtime = runtime_at(tmp_path, lakehouse=lakehouse)
    many = [_patient(number, charges=100.0) for number in range(20)]
    _write(lakehouse, SILVER_PATIENTS, MONTH - timedelta(days=1), [_patient(99, charges=1e6)])
    _write(lakehouse, SILVER_PATIENTS, MIDDLE, many)
    _write(lakehouse, SILVER_PATIENTS, END, [_patient(0, charges=300.0), _patient(1, charges=None)])
    _write(lakehouse, SILVER_PATIENTS, AFTER, [_patient(number, charges=1e6) for number in range(20)])
    whole = _whole(runtime)
    assert (whole["members"], whole["observed_cost"]) == (19, pytest.approx((18 * 100.0 + 300.0) / 19))
    # A cost that became known in the month is the newest word, and one that comes later is not known yet.
    key = {number: _patient(number)["patient_key"] for number in (1, 2)}
    known = [
        {"patient_key": key[1], "charges": 500.0, "service_date": MIDDLE, "source_records": 1},
        {"patient_key": key[2], "charges": 1e6, "service_date": date(2025, 1, 1), "source_records": 1},
    ]
    _write(lakehouse, OBSERVED_OUTCOMES, END, known)
    _write(
        lakehouse,
        OBSERVED_OUTCOMES,
        AFTER,
        [{"patient_key": key[2], "charges": 1e6, "service_date": MIDDLE, "source_records": 1}],
    )
    whole = _whole(runtime)
    assert (whole["members"], whole["observed_cost"]) == (20, pytest.approx((18 * 100.0 + 300.0 + 500.0) / 20))


def test_what_no_premium_may_depend_on_changes_no_factor(tmp_path: Path, lakehouse: Lakehouse) -> None:
    """Sex, BMI, plan, ZIP code, predictions, scores: everything but what may be rated is drawn anew."""
    runtime = runtime_at(tmp_path, lakehouse=lakehouse)
    patients = [_patient(number) for number in range(300)]
    _write(lakehouse, SILVER_PATIENTS, MIDDLE, patients)
    before = _factors(runtime)
    drawn = np.random.default_rng(5)
    names = [c for c in SILVER_PATIENTS.content_columns if c.name not in ("patient_key", "charges", *RATING_COLUMNS)]
    values: Mapping[str, Callable[[], object]] = {
        "string": lambda: str(drawn.choice(["male", "female", "gold", "123"])),
        "integer": lambda: int(drawn.integers(10**6)),
        "float": lambda: float(drawn.lognormal(3.0, 2.0)),
        "boolean": lambda: bool(drawn.random() < 0.5),
    }
    changed = [row | {c.name: values[c.type]() for c in names} for row in patients]
    _write(lakehouse, SILVER_PATIENTS, MIDDLE, changed)
    scores = {"predicted_charges": 1e6, "charges_lower": 0.0, "charges_upper": 1e7, "risk_score": 99.0}
    _write(lakehouse, PREDICTIONS, MIDDLE, [{"patient_key": row["patient_key"], **scores} for row in patients])
    _write(lakehouse, RISK_FEATURES, MIDDLE, [{"patient_key": row["patient_key"], "age": 90} for row in patients])
    assert _factors(runtime) == before
    polars = runtime_at(tmp_path / "other", lakehouse=PolarsLakehouse(tmp_path / "other" / "lakehouse"))
    _write(polars.lakehouse, SILVER_PATIENTS, MIDDLE, patients)
    assert _factors(polars) == before


def test_a_month_in_ranges_of_patients_is_the_month(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    runtime = runtime_at(tmp_path, lakehouse=polars_lakehouse)
    _write(polars_lakehouse, SILVER_PATIENTS, MIDDLE, [_patient(number) for number in range(300)])
    whole = _factors(runtime)
    polars_lakehouse.keys_at_a_time = 40
    assert _factors(runtime) == whole


def test_a_month_without_patients_has_the_law_s_relativities(tmp_path: Path, lakehouse: Lakehouse) -> None:
    factors = _factors(runtime_at(tmp_path, lakehouse=lakehouse))
    assert len(factors) == 62
    assert {row["members"] for row in factors} == {0}
    assert {row["partition_date"] for row in factors} == {MONTH}
