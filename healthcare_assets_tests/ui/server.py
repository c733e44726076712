"""Dagster's UI as `make dev` opens it, over a small home with a day that went well and one that a check stopped."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from healthcare_assets.dagster_home import prepare
from healthcare_assets.definitions import defs
from healthcare_assets.environments import settings_from
from healthcare_assets_tests.canary.processes import answered, running, until
from healthcare_assets_tests.loopback import free_port
from healthcare_assets_tests.steps.members import write_members

WHOLE, STOPPED, DELIVERED = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)
"""A day up to its features; one of whose records a quarter is refused; and one that lies ready and was never run."""
_MEMBERS = 40


@contextmanager
def dagster_ui(home: Path) -> Iterator[str]:
    """The address of the UI on this machine. Whatever it started is gone afterwards."""
    variables = {
        "HEALTHCARE_HOME": str(home),
        "HEALTHCARE_SOURCE": str(home / "members-{date}.csv"),
        "DAGSTER_HOME": str(home / "dagster"),
        "PYTHONWARNINGS": "ignore",
    }
    _deliver(home)
    prepare(settings_from(variables))
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", "workspace.yaml", "--host", "127.0.0.1"]
    with running([*command, "--port", str(port)], variables=variables, said=home / "dagster.log"):
        _run(variables, home / "dagster")  # while the server gets ready
        until(lambda: answered(f"http://127.0.0.1:{port}/server_info"), f"Dagster, {home / 'dagster.log'}")
        yield f"http://127.0.0.1:{port}"


def _deliver(home: Path) -> None:
    members = [{"patient_id": f"MBR{number:04}", "age": str(20 + number)} for number in range(_MEMBERS)]
    impossible = [{**member, "age": "200"} for member in members[: _MEMBERS // 4]]
    for day, delivery in ((WHOLE, members), (STOPPED, impossible + members[_MEMBERS // 4 :]), (DELIVERED, members)):
        write_members(home, day, *delivery)


def _run(variables: Mapping[str, str], dagster_home: Path) -> None:
    job = defs().resolve_job_def("daily_patients")
    with pytest.MonkeyPatch.context() as changed, dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        for name, value in variables.items():
            changed.setenv(name, value)
        for day in (WHOLE, STOPPED):
            run = job.execute_in_process(instance=instance, partition_key=day.isoformat(), raise_on_error=False)
            assert run.success == (day == WHOLE), day
