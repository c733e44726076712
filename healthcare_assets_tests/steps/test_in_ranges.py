"""A day that is too large to be held is taken a range of keys at a time, and its tables are the same."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.tables import (
    DIM_PATIENTS,
    QUARANTINED_PATIENTS,
    RISK_FEATURES,
    SILVER_PATIENTS,
)
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets.steps import bronze, dimension, features, silver
from healthcare_assets_tests.runtimes import runtime_at

DAYS = [date(2026, 1, 1), date(2026, 1, 2)]


def _tables(folder: Path, keys_at_a_time: int) -> tuple[list[list[dict[str, Any]]], list[str], Lakehouse]:
    """Two days' tables and what their checks say."""
    lakehouse = PolarsLakehouse(folder)
    lakehouse.keys_at_a_time = keys_at_a_time
    runtime = runtime_at(folder, lakehouse=lakehouse)
    vars(runtime)["source"] = SyntheticSource(SyntheticPopulation(members=400), first_day=DAYS[0] - timedelta(days=1))
    said = [
        check.description
        for day in DAYS
        for step in (bronze, silver, dimension, features)
        for asset in step.run(runtime, day)
        for check in asset.checks
        if check.passed
    ]
    tables = (SILVER_PATIENTS, QUARANTINED_PATIENTS, DIM_PATIENTS, RISK_FEATURES)
    rows = [sorted(lakehouse.collect(lakehouse.scan(table)).to_pylist(), key=repr) for table in tables]
    return rows, said, lakehouse


def test_a_day_in_ranges_is_the_day(tmp_path: Path) -> None:
    whole, said_of_whole, _ = _tables(tmp_path / "whole", 2_000_000)
    parts, said_of_parts, lakehouse = _tables(tmp_path / "parts", 50)
    assert parts == whole
    assert all(rows for rows in whole)
    assert said_of_parts == said_of_whole
    assert len(list(Path(lakehouse.location(RISK_FEATURES)).rglob("*.parquet"))) >= 2 * len(DAYS)
