"""Why the launcher is our own: what the library does where ours is tested. When one of these fails, the library
has got better, and the launcher may get smaller."""

import io
import signal
import threading
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from databricks.sdk.service.compute import Environment
from databricks.sdk.service.jobs import JobEnvironment, SparkPythonTask, SubmitTask

from healthcare_assets_tests.launching.dev import Dev
from healthcare_assets_tests.workspace.emulator import Fault

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def materialize(dev: Dev, instance: dg.DagsterInstance) -> Callable[[], dg.ExecuteInProcessResult]:
    """An asset whose step the library's client runs."""
    from dagster_databricks.pipes import PipesDatabricksServerlessClient

    client = dev.workspace.client(retry_timeout_seconds=5)
    script = str(dev.volume / "step.py")
    client.files.upload(script, io.BytesIO(b"print('done')\n"), overwrite=True)
    library = PipesDatabricksServerlessClient(client, volume_path=str(dev.volume), poll_interval_seconds=0.1)

    @dg.asset
    def launched(context: dg.AssetExecutionContext) -> Any:
        task = SubmitTask("step", spark_python_task=SparkPythonTask(script), environment_key="step")
        environment = JobEnvironment("step", spec=Environment(client="2"))
        return library.run(
            context=context, task=task, submit_args={"environments": [environment]}
        ).get_materialize_result()

    return lambda: dg.materialize([launched], instance=instance, raise_on_error=False)


def test_a_lost_answer_starts_a_second_run(dev: Dev, materialize: Callable[[], dg.ExecuteInProcessResult]) -> None:
    dev.workspace.faults(Fault(calls=r"POST .*/runs/submit", answer=503, times=1, after_effect=True))
    materialize()
    assert len(dev.workspace.runs()) == 2


def test_one_fault_while_polling_fails_the_step_and_leaves_its_run_going(
    dev: Dev, materialize: Callable[[], dg.ExecuteInProcessResult]
) -> None:
    dev.hold_steps()
    dev.workspace.faults(Fault(calls=r"GET .*/runs/get\b", answer=500, times=1))
    assert not materialize().success
    assert [run.result for run in dev.workspace.runs()] == [None]


def test_a_cancelled_step_is_recorded_as_a_success(
    dev: Dev, materialize: Callable[[], dg.ExecuteInProcessResult]
) -> None:
    dev.hold_steps()
    main = threading.main_thread().ident
    assert main is not None

    def is_followed() -> bool:
        return bool(dev.workspace.live_processes()) and any("runs/get" in call.call for call in dev.workspace.calls())

    with dev.meanwhile(is_followed, lambda: signal.pthread_kill(main, signal.SIGINT)):
        assert materialize().success
    assert [run.result for run in dev.workspace.runs()] == ["CANCELED"]
