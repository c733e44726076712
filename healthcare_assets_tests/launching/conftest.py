"""The environment `dev` in an emulated workspace: its volume, its clusters, its secret, as the bundle makes them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from databricks_steps.clusters import warm_cluster
from healthcare_assets.compute import WarmCluster
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets_tests.launching.dev import Dev
from healthcare_assets_tests.launching.orchestrator import impatient_launcher
from healthcare_assets_tests.workspace.emulator import Workspace, running_workspace
from healthcare_assets_tests.workspace.fixtures import require_emulator
from healthcare_assets_tests.workspace.spark_cluster import spark_conf, warehouse_of

KEY = "a secret of the tests, long enough"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Path]]:
    """A workspace with what the bundle makes in `dev`; the engine of its jobs is the order's."""
    folder = tmp_path_factory.mktemp("workspace")
    of_jobs = {
        **spark_conf(folder / "cluster"),
        "BEFORE_STEP": str(folder / "before_step.py"),
        "PYTHONWARNINGS": "ignore",
    }
    require_emulator()
    with running_workspace(folder, job_environment=of_jobs) as workspace:
        client = workspace.client()
        dev = ENVIRONMENTS["dev"]
        assert dev.workspace is not None
        daily = dev.workspace.compute["daily"]
        assert isinstance(daily, WarmCluster)
        client.api_client.do("POST", "/api/2.1/clusters/create", body=warm_cluster(dev, "daily", daily))
        client.secrets.create_scope(dev.workspace.secret_scope)
        client.secrets.put_secret(dev.workspace.secret_scope, "pseudonym_key", string_value=KEY)
        yield workspace, folder


@pytest.fixture
def dev(server: tuple[Workspace, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dev]:
    """The environment for one test: the workspace empty, the volume new, the steps on Polars, which starts quickly."""
    workspace, folder = server
    for variable in ("HEALTHCARE_SOURCE", "HEALTHCARE_OUTCOMES", "HEALTHCARE_FIRST_DAY", "HEALTHCARE_PSEUDONYM_KEY"):
        monkeypatch.delenv(variable, raising=False)
    variables = {
        **workspace.login,
        "HEALTHCARE_ENV": "dev",
        "HEALTHCARE_ENGINE": "polars",
        "HEALTHCARE_HOME": str(tmp_path / "home"),
        "HEALTHCARE_VOLUME": str(workspace.volume_root / tmp_path.name / "dev"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("healthcare_assets.definitions.step_launcher", impatient_launcher)
    yield Dev(workspace=workspace, folder=folder, variables=variables)
    (folder / "before_step.py").unlink(missing_ok=True)
    (folder / "hold").unlink(missing_ok=True)
    workspace.reset()
    shutil.rmtree(warehouse_of(folder / "cluster"), ignore_errors=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
