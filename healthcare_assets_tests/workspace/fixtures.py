"""The emulated Databricks workspace as fixtures: one server for the whole run, emptied for each test."""

import os
from collections.abc import Iterator

import pytest

from healthcare_assets_tests.workspace.emulator import Workspace, missing, running_workspace


def require_emulator() -> None:
    """Leave the test out on a machine without the emulator, and say so; in CI that is a failure."""
    lacking = missing()
    if lacking:
        reason = f"no tests on a Databricks workspace on this machine: {lacking}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and in CI they must run")
        pytest.skip(reason)


@pytest.fixture(scope="session")
def workspace_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace that lasts; see `workspace`."""
    require_emulator()
    with running_workspace(tmp_path_factory.mktemp("workspace"), job_environment={}) as workspace:
        yield workspace


@pytest.fixture
def workspace(workspace_server: Workspace) -> Iterator[Workspace]:
    """An emulated Databricks workspace without jobs, runs or faults; nothing of a job is left after the test."""
    yield workspace_server
    workspace_server.reset()
