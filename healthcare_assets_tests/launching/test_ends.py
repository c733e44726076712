"""How a step in a workspace ends when somebody or something ends it: cancelled, too late, vanished, orphaned."""

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from databricks_steps.databricks_launcher import DatabricksStepLauncher
from databricks_steps.workspace import open_workspace
from healthcare_assets.environments import Environment, environment_from
from healthcare_assets_tests.launching.clock import ImpatientClock
from healthcare_assets_tests.launching.dev import Dev, said_of
from healthcare_assets_tests.workspace.emulator import Fault
from healthcare_assets_tests.workspace.running import until

pytestmark = pytest.mark.slow

SUBMIT = r"POST .*/runs/submit"


@pytest.fixture
def kept(dev: Dev) -> Iterator[dg.DagsterInstance]:
    """The storage of orchestrators in processes of their own, opened beside them."""
    dev.dagster_home.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.from_config(str(dev.dagster_home)) as instance:
        yield instance


def _signalled(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    """Ends the process, at the second signal if need be: Python loses one that comes while an object is finalised."""
    process.send_signal(how)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
        process.wait(timeout=60)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_step_is_cancelled_in_the_workspace_and_fails_in_dagster(
    dev: Dev, kept: dg.DagsterInstance, how: signal.Signals
) -> None:
    dev.hold_steps()
    process = dev.orchestrator()
    until(lambda: bool(dev.workspace.live_processes()))
    _signalled(process, how)
    assert dev.workspace.live_processes() == {}
    assert [run.result for run in dev.workspace.runs()] == ["CANCELED"]
    [run] = kept.get_runs()
    assert run.status in {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE}
    kinds = [record.dagster_event.event_type_value for record in kept.all_logs(run.run_id) if record.dagster_event]
    assert "STEP_FAILURE" in kinds
    assert "STEP_SUCCESS" not in kinds
    assert "ASSET_MATERIALIZATION" not in kinds
    assert dev.launches() == []


def test_a_run_that_is_cancelled_in_dagster_alone_ends_in_the_workspace_too(dev: Dev, tmp_path: Path) -> None:
    """As `force termination` does it: the run is marked, and no process is told."""
    dev.hold_steps()
    # On disk: of two threads with a storage in memory one may be refused at any moment.
    storage = tmp_path / "storage"
    storage.mkdir()
    with (
        dg.DagsterInstance.local_temp(str(storage)) as instance,
        dev.meanwhile(
            lambda: bool(dev.workspace.live_processes()),
            lambda: instance.report_run_canceled(instance.get_runs()[0]),
        ),
    ):
        result = dev.materialize("bronze_patients", instance=instance)
    assert not result.success
    assert dev.workspace.live_processes() == {}
    assert [run.result for run in dev.workspace.runs()] == ["CANCELED"]


def test_whatever_exception_ends_the_launcher_ends_the_run_too(
    dev: Dev, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exhausted(ImpatientClock):
        def sleep(self, seconds: float) -> None:
            if dev.workspace.live_processes():
                monkeypatch.setattr(Exhausted, "sleep", ImpatientClock.sleep)
                raise MemoryError("no more of it")
            super().sleep(seconds)

    monkeypatch.setattr(
        "healthcare_assets.definitions.step_launcher",
        lambda: DatabricksStepLauncher(open_workspace=lambda: open_workspace(Exhausted())),
    )
    dev.hold_steps()
    result = dev.materialize("bronze_patients", instance=instance)
    assert not result.success
    assert "no more of it" in said_of(result)
    assert dev.workspace.live_processes() == {}
    assert [run.result for run in dev.workspace.runs()] == ["CANCELED"]


def test_a_step_beyond_its_deadline_is_cancelled_and_fails(
    dev: Dev, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(*arguments: Any) -> Environment:
        environment = environment_from(*arguments)
        assert environment.workspace is not None
        return replace(environment, workspace=replace(environment.workspace, deadline=timedelta(seconds=1)))

    monkeypatch.setattr("databricks_steps.databricks_launcher.environment_from", hurried)
    dev.hold_steps()
    result = dev.materialize("bronze_patients", instance=instance)
    assert not result.success
    assert said_of(result).startswith("The step bronze did not end within 0:00:01") or "TIMEDOUT" in str(
        [run.result for run in dev.workspace.runs()]
    )
    assert dev.workspace.live_processes() == {}


def test_a_step_whose_run_vanished_fails_and_says_so(dev: Dev, instance: dg.DagsterInstance) -> None:
    dev.hold_steps()
    with dev.meanwhile(
        lambda: bool(dev.workspace.live_processes()), lambda: dev.workspace.lose_run(dev.workspace.runs()[0].run_id)
    ):
        result = dev.materialize("bronze_patients", instance=instance)
    assert not result.success
    assert "has vanished: the workspace knows of no such run" in said_of(result)
    assert dev.launches() == []


def test_a_run_that_somebody_cancels_in_the_workspace_fails_the_step(dev: Dev, instance: dg.DagsterInstance) -> None:
    dev.hold_steps()
    with dev.meanwhile(
        lambda: bool(dev.workspace.live_processes()),
        lambda: dev.workspace.client().jobs.cancel_run(dev.workspace.runs()[0].run_id),
    ):
        result = dev.materialize("bronze_patients", instance=instance)
    assert not result.success
    assert said_of(result).startswith("The step bronze failed on Databricks")


def test_a_retry_joins_the_run_that_a_killed_orchestrator_left(dev: Dev, kept: dg.DagsterInstance) -> None:
    dev.killed_orchestrator()
    looks = len(dev.workspace.calls())
    with dev.meanwhile(lambda: len(dev.workspace.calls()) > looks + 8, dev.let_go):
        result = dev.retried(kept)
    assert result.success
    assert [run.result for run in dev.workspace.runs()] == ["SUCCESS"]
    assert dev.workspace.processes_started() == 1
    assert kept.get_latest_materialization_event(dg.AssetKey("bronze_patients")) is not None
    assert dev.launches() == []


def test_a_retry_finds_a_run_whose_submission_was_never_answered(dev: Dev, kept: dg.DagsterInstance) -> None:
    dev.hold_steps()
    dev.workspace.faults(Fault(calls=SUBMIT, answer=503, after_effect=True))
    process = dev.orchestrator()
    until(lambda: bool(dev.workspace.live_processes()))
    dev.kill(process)
    dev.workspace.faults()
    looks = len(dev.workspace.calls())
    with dev.meanwhile(lambda: len(dev.workspace.calls()) > looks + 8, dev.let_go):
        result = dev.retried(kept)
    assert result.success
    assert [run.result for run in dev.workspace.runs()] == ["SUCCESS"]


def test_a_retry_never_joins_a_run_that_has_ended(dev: Dev, kept: dg.DagsterInstance) -> None:
    dev.killed_orchestrator()
    dev.let_go()
    until(lambda: not dev.workspace.live_processes())
    assert dev.retried(kept).success
    assert [run.result for run in dev.workspace.runs()] == ["SUCCESS", "SUCCESS"]
    assert len({run.token for run in dev.workspace.runs()}) == 2
    assert dev.launches() == []


def test_a_retry_with_other_settings_stops_what_was_left_and_starts_its_own(
    dev: Dev, kept: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev.killed_orchestrator()
    dev.before_step.unlink()
    monkeypatch.setenv("HEALTHCARE_OUTCOMES", "outcomes.csv")
    assert dev.retried(kept).success
    assert [run.result for run in dev.workspace.runs()] == ["CANCELED", "SUCCESS"]
