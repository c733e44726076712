"""The environment `dev` in the emulated workspace, as a test handles it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from healthcare_assets.definitions import defs
from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets_tests.workspace.emulator import Workspace
from healthcare_assets_tests.workspace.running import until
from healthcare_assets_tests.workspace.spark_cluster import warehouse_of

DAY = "2026-01-01"


@dataclass(frozen=True)
class Dev:
    """The environment as a test sees it."""

    workspace: Workspace
    folder: Path
    variables: Mapping[str, str]

    @property
    def volume(self) -> Path:
        return Path(self.variables["HEALTHCARE_VOLUME"])

    @property
    def warehouse(self) -> Path:
        """Where the Spark of the jobs keeps the tables of its catalog."""
        return warehouse_of(self.folder / "cluster")

    @property
    def before_step(self) -> Path:
        """What is written here is run by each job before its step."""
        return self.folder / "before_step.py"

    @property
    def hold(self) -> Path:
        return self.folder / "hold"

    def hold_steps(self) -> None:
        """Each step waits at its beginning until `let_go`, and never so long that a test hangs."""
        self.hold.touch()
        self.before_step.write_text(
            "import os, time\nuntil = time.monotonic() + 150\n"
            f"while os.path.exists({str(self.hold)!r}) and time.monotonic() < until: time.sleep(0.02)\n"
        )

    def let_go(self) -> None:
        self.hold.unlink(missing_ok=True)

    def launches(self) -> list[str]:
        """The folders of staged files that are there."""
        return sorted(path.name for path in (self.volume / "launches").glob("*"))

    @property
    def dagster_home(self) -> Path:
        """Of orchestrators in processes of their own."""
        return self.volume.parent / "dagster"

    def materialize(
        self,
        *assets: str,
        instance: dg.DagsterInstance,
        job: str = "daily_patients",
        day: str | None = DAY,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run assets of a job, or all of them, as the code location defines them."""
        of_job = defs().resolve_job_def(job)
        selection = [dg.AssetKey(asset) for asset in assets] or None
        return of_job.execute_in_process(
            instance=instance, partition_key=day, asset_selection=selection, raise_on_error=False, tags=dict(tags or {})
        )

    def orchestrator(self) -> "subprocess.Popen[bytes]":
        """A process that materialises bronze_patients, with a Dagster storage that outlives it."""
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "healthcare_assets_tests.launching.orchestrator", DAY],
            cwd=PROJECT_ROOT,
            env={**os.environ, "DAGSTER_HOME": str(self.dagster_home), "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def killed_orchestrator(self) -> None:
        """An orchestrator that was killed in the middle of the step, which goes on in the workspace."""
        self.hold_steps()
        process = self.orchestrator()
        until(lambda: bool(self.workspace.live_processes()))
        self.kill(process)

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()

    def retried(self, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
        """The dead run, executed again as Dagster's run retries do it."""
        [dead] = instance.get_runs()
        instance.report_run_failed(dead)
        tags = {"dagster/parent_run_id": dead.run_id, "dagster/root_run_id": dead.run_id}
        return self.materialize("bronze_patients", instance=instance, tags=tags)

    @contextmanager
    def meanwhile(self, happens: Callable[[], bool], act: Callable[[], Any]) -> Iterator[None]:
        """As soon as the one is true, the other is done, beside what the test does in here."""
        failed: list[BaseException] = []

        def wait_and_act() -> None:
            try:
                until(happens)
                act()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failed.append(error)
                self.let_go()

        thread = threading.Thread(target=wait_and_act)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if failed:
            raise failed[0]


def failure_of(result: dg.ExecuteInProcessResult) -> Any:
    """What Dagster stores of the step that failed."""
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return failed.step_failure_data


def said_of(result: dg.ExecuteInProcessResult) -> str:
    """What Dagster says of the step that failed."""
    described = failure_of(result).user_failure_data
    return str(described.description if described else failure_of(result).error)
