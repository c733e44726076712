"""The daily job and the training job in `dev`, on Spark, against `local`, on Polars: the same tables, row for row."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from databricks_steps.launcher import InProcessStepLauncher
from healthcare_assets.domain.audit import AUDIT_TRAIL
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets_tests.launching.conftest import KEY
from healthcare_assets_tests.launching.deliveries import delivered
from healthcare_assets_tests.launching.dev import DAY, Dev
from healthcare_assets_tests.launching.mlflow_server import mlflow_server
from healthcare_assets_tests.workspace.spark_cluster import running_spark

pytestmark = [pytest.mark.spark, pytest.mark.slow]

OF_THE_RUN = {
    "code_version",
    "dagster_run_id",
    "data_versions",
    "decided_at",
    "ingested_at",
    "mlflow_run_id",
    "model_name",
    "move_id",
    "moved_at",
    "predicted_at",
    "trained_on_data_versions",
    "verdict_id",
}
"""Columns that differ between two runs, or with the name of the registered model."""

JOBS = [("daily_patients", DAY), ("training", None), ("daily_scoring", DAY)]


@pytest.fixture
def members(tmp_path: Path) -> str:
    """A day's delivery as a file."""
    return delivered(tmp_path, [date.fromisoformat(DAY)], members=1500)


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    with mlflow_server(folder) as uri:
        yield uri


def _run(dev: Dev, instance: dg.DagsterInstance) -> None:
    for job, day in JOBS:
        result = dev.materialize(instance=instance, job=job, day=day)
        assert result.success, job


def _rows(folder: Path) -> dict[str, list[str]]:
    lakehouse = PolarsLakehouse(folder)
    return {
        table.name: sorted(
            repr(sorted((name, value) for name, value in row.items() if name not in OF_THE_RUN))
            for row in lakehouse.collect(lakehouse.scan(table)).to_pylist()
        )
        for table in TABLES.values()
        if table is not AUDIT_TRAIL  # its moments and hashes are each run's own
    }


def test_the_daily_job_and_the_training_write_the_same_tables(
    dev: Dev, members: str, tracking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHCARE_SOURCE", members)
    monkeypatch.setenv("HEALTHCARE_CATALOG", "spark_catalog")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    monkeypatch.delenv("HEALTHCARE_ENGINE")
    schema = dev.warehouse / "insurance.db"
    schema.mkdir(parents=True)
    with running_spark(dev.folder / "cluster") as spark, dg.DagsterInstance.ephemeral() as instance:
        dev.workspace.give_jobs({"SPARK_REMOTE": spark.remote})
        _run(dev, instance)
        _one_mlflow_run_a_dagster_run(instance, tracking)
        _models_by_alias(tracking)
    runs = dev.workspace.runs()
    assert [run.result for run in runs] == ["SUCCESS"] * len(runs)

    monkeypatch.setenv("HEALTHCARE_ENV", "local")
    monkeypatch.setenv("HEALTHCARE_PSEUDONYM_KEY", KEY)
    monkeypatch.setattr("healthcare_assets.definitions.step_launcher", InProcessStepLauncher)
    with dg.DagsterInstance.ephemeral() as instance:
        _run(dev, instance)
    remote, local = _rows(schema), _rows(tmp_path / "home" / "lakehouse")
    for name, rows in local.items():
        assert remote[name] == rows, name
    written = {
        "bronze_patients",
        "silver_patients",
        "dim_patients",
        "risk_features",
        "predictions",
        "care_management",
        "training_patients",
    }
    assert all(local[name] for name in written)


def _one_mlflow_run_a_dagster_run(instance: dg.DagsterInstance, tracking: str) -> None:
    """Opened by Dagster's resource, continued by the steps, finished at the end; candidates are its children."""
    found = _mlflow(tracking)
    for run in instance.get_runs():
        of_run = [r for r in found if r.data.tags.get("dagster_run_id") == run.run_id]
        if run.job_name == "daily_patients":
            assert of_run == []
            continue
        [mine] = of_run
        assert mine.info.status == "FINISHED"
        assert mine.data.tags["environment"] == "dev"
        if run.job_name == "training":
            assert {"r2", "governance.r2"} <= set(mine.data.metrics) or mine.data.metrics
            children = [r for r in found if r.data.tags.get("mlflow.parentRunId") == mine.info.run_id]
            assert len(children) >= 3


def _mlflow(tracking: str) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments))


def _models_by_alias(tracking: str) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking, registry_uri=tracking)
    champion = client.get_model_version_by_alias("spark_catalog.insurance.health_insurance_cost", "champion")
    assert champion.version == "1"
    assert champion.tags["compliance_status"] == "approved"
