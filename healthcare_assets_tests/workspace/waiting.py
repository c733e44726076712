"""Waiting for what happens in other processes: by asking, not by the clock."""

import time
from collections.abc import Callable

from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs

AT_MOST_SECONDS = 60
BETWEEN = 0.02


def until(true: Callable[[], bool]) -> None:
    """Ask again and again; an error when it never becomes true."""
    deadline = time.monotonic() + AT_MOST_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("It never became true.")
        time.sleep(BETWEEN)


def ended(client: WorkspaceClient, run_id: int) -> jobs.Run:
    """The run, once it has ended."""
    latest = client.jobs.get_run(run_id)

    def over() -> bool:
        nonlocal latest
        latest = client.jobs.get_run(run_id)
        return bool(latest.state and latest.state.result_state)

    until(over)
    return latest
