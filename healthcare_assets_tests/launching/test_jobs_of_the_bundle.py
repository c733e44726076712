"""The bundle's seven jobs, run by the workspace itself on Spark: the graph goes round without any Dagster."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from databricks_steps import run_step
from databricks_steps.bundle_jobs import JOBS, SETTINGS, WHEEL, Job, job_resource
from databricks_steps.wheel import build_wheel
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.steps.catalogue import STEPS
from healthcare_assets_tests.launching.deliveries import delivered
from healthcare_assets_tests.launching.dev import DAY, Dev
from healthcare_assets_tests.launching.installed import not_installed_for
from healthcare_assets_tests.launching.mlflow_server import mlflow_server
from healthcare_assets_tests.workspace.running import ended, output, results
from healthcare_assets_tests.workspace.spark_cluster import running_spark

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

pytestmark = [pytest.mark.spark, pytest.mark.slow]

MEMBERS = 1500
_LONGEST_JOB_SECONDS = 1000
"""Nine steps one after the other, each a process of its own, on a busy machine."""
NEXT_DAY = (date.fromisoformat(DAY) + timedelta(days=1)).isoformat()

HIDDEN = {step: sorted(not_installed_for(step)) for step in STEPS}
HIDING = """
import json, sys
from importlib.machinery import PathFinder

_STEP = [value for option, value in zip(sys.argv, sys.argv[1:]) if option == "--step"]

class _Installed(PathFinder):
    hidden = frozenset(json.loads({hidden!r}).get(next(iter(_STEP), None), ()))

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        there = fullname.partition(".")[0] not in cls.hidden
        return PathFinder.find_spec(fullname, path, target) if there else None

sys.meta_path[sys.meta_path.index(PathFinder)] = _Installed
"""
"""Run before a step: what would not be installed for it on a cluster cannot be imported."""


class Deployment:
    """The jobs in the workspace, as the bundle describes them, with the bundle's files and variables filled in."""

    def __init__(self, dev: Dev, settings: dict[str, str], wheel: Path) -> None:
        self._dev = dev
        self._client: WorkspaceClient = dev.workspace.client()
        self._settings = settings
        self._files = {
            "../run_step.py": self._kept("run_step.py", Path(run_step.__file__)),
            WHEEL: self._kept(wheel.name, wheel),
        }
        self._ids = {name: self._created(job) for name, job in JOBS.items()}

    def run(self, name: str, day: str) -> "Run":
        started = self._client.jobs.run_now(self._ids[name], job_parameters={"day": day})
        run = ended(self._client, int(started.run_id), at_most=_LONGEST_JOB_SECONDS)
        said = {task: output(self._client, run, task).logs for task, how in results(run).items() if how != "SUCCESS"}
        assert not said, "\n".join(f"{task}: {text}" for task, text in said.items())
        return run

    def _created(self, job: Job) -> int:
        described = json.dumps(job_resource(ENVIRONMENTS["dev"], job))
        for setting, variable in SETTINGS.items():
            described = described.replace(f"${{var.{variable}}}", self._settings.get(setting, ""))
        described = described.replace("${var.schedules}", "PAUSED")
        for path, kept in self._files.items():
            described = described.replace(json.dumps(path), json.dumps(kept))
        assert not re.search(r"\$\{", described), "a variable of the bundle without a value"
        body: dict[str, Any] = json.loads(described)
        for task in body["tasks"]:
            # Where the emulator has its volumes and the registry is; Databricks has places for both.
            for setting in ("HEALTHCARE_VOLUME", "MLFLOW_TRACKING_URI"):
                task["spark_python_task"]["parameters"] += ["--set", f"{setting}={self._settings[setting]}"]
        made = self._client.api_client.do("POST", "/api/2.2/jobs/create", body=body)
        assert isinstance(made, dict)
        return int(made["job_id"])

    def _kept(self, name: str, path: Path) -> str:
        """The path of the file in the workspace."""
        there = f"{self._dev.volume}/bundle/{name}"
        with path.open("rb") as content:
            self._client.files.upload(there, content, overwrite=True)
        return there


@pytest.fixture
def deployment(dev: Dev, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    monkeypatch.delenv("HEALTHCARE_ENV")
    (dev.warehouse / "insurance.db").mkdir(parents=True)
    dev.before_step.write_text(HIDING.format(hidden=json.dumps(HIDDEN)))
    days = [date.fromisoformat(DAY), date.fromisoformat(NEXT_DAY)]
    with mlflow_server(folder) as tracking, running_spark(dev.folder / "cluster") as spark:
        dev.workspace.give_jobs({"SPARK_REMOTE": spark.remote})
        settings = {
            "HEALTHCARE_CATALOG": "spark_catalog",
            "HEALTHCARE_SOURCE": delivered(tmp_path, days, members=MEMBERS),
            "HEALTHCARE_FIRST_DAY": DAY,
            "HEALTHCARE_VOLUME": str(dev.volume),
            "MLFLOW_TRACKING_URI": tracking,
        }
        yield Deployment(dev, settings, build_wheel(tmp_path))


def test_the_eight_jobs_run_the_graph_without_dagster(deployment: Deployment, dev: Dev) -> None:
    """A first model comes of a day, is judged, scores the next day, which is monitored; then all of it in one job."""
    deployment.run("feature_engineering", DAY)
    deployment.run("training", DAY)
    deployment.run("governance", DAY)
    deployment.run("batch_inference", NEXT_DAY)
    deployment.run("monitoring", NEXT_DAY)
    lakehouse = PolarsLakehouse(dev.warehouse / "insurance.db")
    next_day = date.fromisoformat(NEXT_DAY)
    patients = {row["patient_key"] for row in _rows(lakehouse, "risk_features", next_day)}
    predictions = _rows(lakehouse, "predictions", next_day)
    assert {row["patient_key"] for row in predictions} == patients != set()
    assert {row["model_version"] for row in predictions} == {"1"}
    listed = {row["patient_key"] for row in _rows(lakehouse, "care_management", next_day)}
    assert listed <= patients
    assert (dev.volume / "home" / "exports" / f"care_management-{NEXT_DAY}.csv").is_file()
    assert lakehouse.days(TABLES["predictions"]) == lakehouse.days(TABLES["drift_report"]) == [next_day]
    client = dev.workspace.client()
    assert client.quality_monitors.get("spark_catalog.insurance.predictions").inference_log

    run = deployment.run("training_pipeline", NEXT_DAY)
    assert set(results(run)) == set(JOBS["training_pipeline"].steps)
    assert [row["decision"] for row in _rows(lakehouse, "governance_verdict")].count("approved") >= 1
    endpoint = client.serving_endpoints.get("health-insurance-cost-dev")
    assert endpoint.config is not None
    [served] = endpoint.config.served_entities or []
    assert served.entity_name == "spark_catalog.insurance.health_insurance_cost_serving"
    deployment.run("monthly_insight", NEXT_DAY)
    month = next_day.replace(day=1)
    assert lakehouse.days(TABLES["pricing_factors"]) == lakehouse.days(TABLES["population_health"]) == [month]
    deployment.run("table_maintenance", NEXT_DAY)
    assert {row["patient_key"] for row in _rows(lakehouse, "predictions", next_day)} == patients
    # One start of a cluster for a job, whatever the number of its steps.
    assert len([start for start in dev.workspace.cluster_starts() if start.run_id is not None]) == len(JOBS)


def _rows(lakehouse: PolarsLakehouse, table: str, day: date | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lakehouse.collect(lakehouse.scan(TABLES[table], day=day)).to_pylist()
    return rows
