"""The step of the workspace's monitor: nothing where there is no workspace, and all of it where there is one."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from databricks_steps.launcher import InProcessStepLauncher
from healthcare_assets.defs.assets.predictions_quality_monitor import predictions_quality_monitor
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets.steps import quality_monitor
from healthcare_assets_tests.loopback import serving
from healthcare_assets_tests.resources.test_quality_monitor import OURS, Workspace
from healthcare_assets_tests.runtimes import runtime_at

DAY = date(2026, 1, 6)
NOTHING = "no Unity Catalog here (HEALTHCARE_ENV=local): nothing to create"


def test_locally_it_says_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    said: list[str] = []
    [report] = quality_monitor.run(runtime_at(tmp_path, log=said.append), DAY)
    assert report.metadata == {"monitor": NOTHING}
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_locally_the_sdk_is_not_even_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import date; from pathlib import Path;"
        "from healthcare_assets.steps import quality_monitor;"
        "from healthcare_assets_tests.runtimes import runtime_at;"
        f"quality_monitor.run(runtime_at(Path({str(tmp_path)!r})), date(2026, 1, 6));"
        "print('databricks.sdk' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=True, text=True)
    assert run.stdout.split() == ["False"]


def test_the_asset_materialises_locally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    monkeypatch.delenv("HEALTHCARE_ENV", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [predictions_quality_monitor],
            partition_key=DAY.isoformat(),
            resources={"steps": InProcessStepLauncher()},
            instance=instance,
        )
        [shown] = result.asset_materializations_for_node("predictions_quality_monitor")
    assert shown.metadata["monitor"].value == NOTHING


def test_in_a_workspace_the_monitor_is_made_for_the_schema_s_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = runtime_at(tmp_path)
    dev = ENVIRONMENTS["dev"]
    assert dev.workspace is not None
    environment = replace(dev, workspace=replace(dev.workspace, catalog="main", schema="health"))
    runtime = replace(local, settings=replace(local.settings, environment=environment))
    workspace = Workspace()
    with serving(workspace) as port:
        monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("DATABRICKS_TOKEN", "x")
        [report] = quality_monitor.run(runtime, DAY)
    assert workspace.monitor is not None
    assert workspace.monitor.items() >= OURS.items()
    assert report.location == "main.health.predictions"
    assert report.metadata == {
        "monitor": "created",
        "refresh_id": "1",
        "refresh_state": "PENDING",
        "dashboard_id": "d1",
        "profile_table": "main.health.predictions_profile_metrics",
        "drift_table": "main.health.predictions_drift_metrics",
    }
