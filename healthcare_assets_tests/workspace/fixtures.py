"""The emulated Databricks workspace as fixtures: one server for the whole run, emptied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthcare_assets_tests.machine import leave_out, require_spark
from healthcare_assets_tests.workspace.emulator import Workspace, missing, running_workspace
from healthcare_assets_tests.workspace.spark_cluster import WarmSpark, running_spark, spark_conf, warehouse_of


@pytest.fixture(scope="session")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Spark of the workspace's jobs keeps what it has."""
    return tmp_path_factory.mktemp("cluster")


def require_emulator() -> None:
    """Leave the test out on a machine without the emulator, and say so; in CI that is a failure."""
    lacking = missing()
    if lacking:
        leave_out("tests on a Databricks workspace", lacking=lacking)


@pytest.fixture(scope="session")
def workspace_server(tmp_path_factory: pytest.TempPathFactory, cluster_folder: Path) -> Iterator[Workspace]:
    """A workspace that lasts; see `workspace`."""
    require_emulator()
    environment = spark_conf(cluster_folder)
    with running_workspace(tmp_path_factory.mktemp("workspace"), job_environment=environment) as workspace:
        yield workspace


@pytest.fixture
def workspace(workspace_server: Workspace, cluster_folder: Path) -> Iterator[Workspace]:
    """An emulated Databricks workspace without jobs, runs, faults or tables; a test leaves nothing of a job behind."""
    yield workspace_server
    workspace_server.reset()
    shutil.rmtree(warehouse_of(cluster_folder), ignore_errors=True)


@pytest.fixture(scope="session")
def spark_server(cluster_folder: Path) -> Iterator[WarmSpark]:
    """A Spark that lasts; see `warm_spark`."""
    require_spark()
    with running_spark(cluster_folder) as spark:
        yield spark


@pytest.fixture
def warm_spark(workspace: Workspace, spark_server: WarmSpark) -> Iterator[WarmSpark]:
    """Jobs of the workspace find a Spark that is up. Without this each starts its own, as on a cluster of its own."""
    workspace.give_jobs({"SPARK_REMOTE": spark_server.remote})
    yield spark_server
    workspace.reset()
    spark_server.forget()


@pytest.fixture
def warehouse(workspace: Workspace, cluster_folder: Path) -> Path:
    """Where the jobs' table `spark_catalog.<schema>.<table>` lies: `<schema>.db/<table>` in here."""
    return warehouse_of(cluster_folder)


@pytest.fixture
def hasty_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Databricks SDK of this process tries again at once, and not after the seconds that it would wait."""
    from databricks.sdk.clock import RealClock

    monkeypatch.setattr(RealClock, "sleep", lambda *_: None)
