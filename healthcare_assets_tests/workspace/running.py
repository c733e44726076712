"""Runs for tests of a workspace: submitted, waited for by asking rather than by the clock, and looked at."""

import time
from collections.abc import Callable
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service import compute, jobs

CLUSTER = compute.ClusterSpec(spark_version="16.4.x-scala2.12", num_workers=1, node_type_id="i3.xlarge")
Script = Callable[[str], str]
"""The fixture `script`: uploads a script into a volume, and gives its path."""
AT_MOST_SECONDS = 120
BETWEEN = 0.02
_MACHINES = {"new_cluster", "existing_cluster_id", "environment_key", "job_cluster_key"}


def until(true: Callable[[], bool], *, at_most: float = AT_MOST_SECONDS) -> None:
    """Ask again and again; an error when it does not become true in so many seconds."""
    deadline = time.monotonic() + at_most
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("It never became true.")
        time.sleep(BETWEEN)


def ended(client: WorkspaceClient, run_id: int, *, at_most: float = AT_MOST_SECONDS) -> jobs.Run:
    """The run, once it has ended."""
    latest = client.jobs.get_run(run_id)

    def over() -> bool:
        nonlocal latest
        latest = client.jobs.get_run(run_id)
        return bool(latest.state and latest.state.result_state)

    until(over, at_most=at_most)
    return latest


def python_task(script: str, *parameters: str, **more: Any) -> jobs.SubmitTask:
    """A task for runs/submit that runs a script, on a cluster of its own unless `more` says where."""
    machine = {} if _MACHINES & more.keys() else {"new_cluster": CLUSTER}
    python = jobs.SparkPythonTask(python_file=script, parameters=list(parameters))
    return jobs.SubmitTask(**{"task_key": "step", "spark_python_task": python, **machine, **more})


def submit(client: WorkspaceClient, *tasks: jobs.SubmitTask, **more: Any) -> int:
    """The id of a run of these tasks."""
    return int(client.jobs.submit(**{"run_name": "a step", "tasks": list(tasks), **more}).run_id)


def submitted(client: WorkspaceClient, script: str, *parameters: str, **more: Any) -> jobs.Run:
    """A run of one script, once it has ended; `more` are settings of its task."""
    return ended(client, submit(client, python_task(script, *parameters, **more)))


def output(client: WorkspaceClient, run: jobs.Run, key: str = "step") -> jobs.RunOutput:
    """Of a task of the run."""
    (run_id,) = (task.run_id for task in run.tasks or [] if task.task_key == key)
    assert run_id is not None
    return client.jobs.get_run_output(run_id)


def printed(client: WorkspaceClient, run: jobs.Run, key: str = "step") -> list[str]:
    """The lines that a task of the run printed."""
    return (output(client, run, key).logs or "").splitlines()


def result(state: jobs.RunState | None) -> str | None:
    return state.result_state.value if state and state.result_state else None


def life_cycle(state: jobs.RunState | None) -> str | None:
    return state.life_cycle_state.value if state and state.life_cycle_state else None


def results(run: jobs.Run) -> dict[str, str | None]:
    """Of the tasks of a run."""
    return {task.task_key: result(task.state) for task in run.tasks or []}


def message(run: jobs.Run) -> str:
    return run.state.state_message or "" if run.state else ""
