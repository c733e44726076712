"""The whole chain on Polars and on a JVM Spark, from the same records: the same tables, row for row."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.domain.audit import AUDIT_TRAIL
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets.steps import (
    bronze,
    care,
    dimension,
    features,
    governance,
    monitoring,
    outcomes,
    population,
    pricing,
    scoring,
    silver,
    training,
)
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.runtimes import runtime_at

pytestmark = [pytest.mark.spark, pytest.mark.slow]

OF_THE_RUN = {
    "verdict_id",
    "move_id",
    "moved_at",
    "mlflow_run_id",
    "data_versions",  # an engine makes a table in a commit of its own, or with its first rows
    "trained_on_data_versions",
}
"""Columns that differ from one run to the next on one engine too."""
OF_THE_TRAIL = {"recorded_at", "read", "written", "detail", "previous_hash", "entry_hash"}
"""And those of the audit trail: moments, versions, ids of moves, and the hashes that follow from them."""

DAYS = [date(2026, 1, 1), date(2026, 1, 2)]
WATCHED = [date(2026, 1, 2), date(2026, 1, 31)]
"""On the second, costs of the second day's arrivals become known, and costs of who has never been seen."""


def _chain(runtime: Runtime) -> Iterator[Any]:
    for day in DAYS:
        for step in (bronze, silver, dimension, features):
            yield step.run(runtime, day)
        if day == DAYS[0]:
            yield training.run(runtime)
            yield governance.run(runtime)
        for step in (scoring, care):
            yield step.run(runtime, day)
    for day in WATCHED:
        for step in (outcomes, monitoring):
            yield step.run(runtime, day)
    for step in (pricing, population):
        yield step.run(runtime, DAYS[0])


def test_both_engines_write_the_same_tables(
    tmp_path: Path, polars_lakehouse: Lakehouse, spark_lakehouse: Lakehouse
) -> None:
    tables: dict[str, dict[str, Any]] = {}
    digests = {}
    for lakehouse in (polars_lakehouse, spark_lakehouse):
        runtime = runtime_at(tmp_path / lakehouse.engine, lakehouse=lakehouse)
        population = SyntheticPopulation(members=1500, arrivals_per_day=60, changes_per_day=30)
        runtime.__dict__["source"] = SyntheticSource(population, first_day=DAYS[0])
        reports = [asset for report in _chain(runtime) for asset in report]
        failed = [c for asset in reports for c in asset.checks if not c.passed]
        assert {c.name for c in failed} == {"feature_drift", "prediction_drift", "prediction_volume"}
        assert {c.metadata.get("status") for c in failed if c.name != "prediction_volume"} == {"insufficient data"}
        digests[lakehouse.engine] = next(a.metadata["dataset_digest"] for a in reports if a.asset == "trained_model")
        tables[lakehouse.engine] = {
            table.name: sorted(
                repr(sorted((name, value) for name, value in row.items() if name not in left_out))
                for row in lakehouse.collect(lakehouse.scan(table)).to_pylist()
            )
            for table in TABLES.values()
            for left_out in [OF_THE_RUN | OF_THE_TRAIL if table is AUDIT_TRAIL else OF_THE_RUN]
        }
    assert digests["polars"] == digests["spark"]
    for name, rows in tables["polars"].items():
        assert rows == tables["spark"][name], name
        assert rows
    on_polars, on_spark = (
        {file.name: file.read_bytes() for file in (tmp_path / engine / "exports").iterdir()} for engine in tables
    )
    assert on_polars == on_spark
    assert len(on_polars) == len(DAYS)
