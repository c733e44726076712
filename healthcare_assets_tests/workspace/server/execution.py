"""Runs executed: each task in a process of its own, after those that it depends on."""

import asyncio
import itertools
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from healthcare_assets_tests.workspace.server import libraries, processes
from healthcare_assets_tests.workspace.server.compute import ClusterError, Compute
from healthcare_assets_tests.workspace.server.graph import conclude, dependencies, excluded, stopped
from healthcare_assets_tests.workspace.server.libraries import LibraryError
from healthcare_assets_tests.workspace.server.records import Attempt, Json, Run

_WHEEL_ENTRY = Path(__file__).parents[1] / "on_cluster" / "wheel_entry.py"
_REFERENCE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_RUNNABLE = ("spark_python_task", "python_wheel_task")


@dataclass(frozen=True)
class Site:
    """This workspace: where it answers, where its files lie, and what its machines' environment is."""

    host: str
    data: Path
    python: str
    environment: Mapping[str, str]

    def find_file(self, path: str) -> Path | None:
        """The file at a path of a volume, of DBFS or of the workspace; other files of this machine are not there."""
        plain = path.removeprefix("dbfs:").removeprefix("/dbfs")
        if not plain.startswith("/"):
            return None
        inside = plain.lstrip("/")
        candidates = [
            Path(plain),
            self.data / "dbfs" / inside,
            self.data / "workspace" / inside,
            self.data / "workspace" / inside.removeprefix("Workspace/"),
            self.data / "workspace" / "Workspace" / inside,
        ]
        own = (file for file in candidates if file.is_file() and file.resolve().is_relative_to(self.data))
        return next(own, None)


class TaskError(Exception):
    """A task that cannot be run as it is."""


@dataclass
class Runner:
    """Executes runs, and remembers them."""

    site: Site
    compute: Compute = field(default_factory=Compute)
    runs: dict[int, Run] = field(default_factory=dict)
    processes_started: int = 0
    more_environment: dict[str, str] = field(default_factory=dict)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))
    _going: set["asyncio.Task[None]"] = field(default_factory=set)

    def start(self, run: Run) -> None:
        self.runs[run.run_id] = run
        for spec in run.tasks:
            run.attempts.append(Attempt(next(self.ids), spec))
            run.attempts[-1].state.life_cycle = "BLOCKED" if spec.get("depends_on") else "PENDING"
        going = asyncio.create_task(self._execute(run))
        self._going.add(going)
        going.add_done_callback(self._going.discard)

    async def stop_all(self) -> None:
        """Every run is stopped, with its processes."""
        for run in self.runs.values():
            run.stop_it("CANCELED")
        await asyncio.gather(*self._going)

    async def _turn(self, run: Run) -> None:
        """Wait until the job may have one run more; a run that is stopped waits no longer."""
        while run.queued_behind and run.stop_as is None:
            going = [other for other in run.queued_behind if not other.state.ended]
            if len(going) < run.at_most:
                break
            run.state.life_cycle = "QUEUED"
            waits = [asyncio.create_task(event.wait()) for event in (run.stop, *(other.over for other in going))]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _execute(self, run: Run) -> None:
        await self._turn(run)
        first = {attempt.key: attempt for attempt in run.attempts}
        deadline = None
        if run.timeout:
            deadline = asyncio.get_running_loop().call_later(run.timeout, run.stop_it, "TIMEDOUT")
        tries = list(run.attempts)
        faults = await asyncio.gather(*(self._task(run, attempt, first) for attempt in tries), return_exceptions=True)
        for attempt, fault in zip(tries, faults, strict=True):
            if fault is not None:  # of the emulator itself
                attempt.state.finish("FAILED", f"The emulator: {fault!r}", life_cycle="INTERNAL_ERROR")
        if deadline is not None:
            deadline.cancel()
        conclude(run)
        run.over.set()

    async def _task(self, run: Run, first: Attempt, all_first: Mapping[str, Attempt]) -> None:
        """The task after its dependencies, as often as it may be tried."""
        upstream = [all_first[key] for key in dependencies(first.spec) if key in all_first]
        try:
            await asyncio.gather(*(attempt.done.wait() for attempt in upstream))
            newest = {attempt.key: attempt for attempt in run.latest()}
            instead = excluded(first.spec, [newest[attempt.key] for attempt in upstream])
            if instead and run.stop_as is None:
                first.state.finish(instead, "Upstream tasks did not end as this task wants it.")
                return
            attempt = first
            await self._attempt(run, attempt)
            while _again(attempt) and run.stop_as is None:
                with suppress(TimeoutError):
                    pause = attempt.spec.get("min_retry_interval_millis", 0) / 1000
                    await asyncio.wait_for(run.stop.wait(), pause)
                attempt = Attempt(next(self.ids), attempt.spec, number=attempt.number + 1)
                run.attempts.append(attempt)
                await self._attempt(run, attempt)
        finally:
            first.done.set()

    async def _attempt(self, run: Run, attempt: Attempt) -> None:
        if run.stop_as is not None:
            attempt.state.finish(run.stop_as, stopped(run.stop_as))
            return
        try:
            place = await self.compute.place(run, attempt.spec)
            path = self._libraries(run, attempt.spec, place.wheels)
            argv = self._command(run, attempt)
        except ClusterError as error:
            attempt.state.finish("FAILED", str(error), life_cycle="INTERNAL_ERROR", code="CLUSTER_ERROR")
        except LibraryError as error:
            code = "LIBRARY_INSTALLATION_ERROR"
            attempt.state.finish("FAILED", str(error), life_cycle="INTERNAL_ERROR", code=code)
        except TaskError as error:
            attempt.state.finish("FAILED", str(error), life_cycle="INTERNAL_ERROR")
        else:
            environment = {**self.site.environment, **self.more_environment, **place.environment}
            path += [Path(entry) for entry in environment.get("PYTHONPATH", "").split(":") if entry]
            environment["PYTHONPATH"] = ":".join(map(str, path))
            await self._process(run, attempt, argv, environment)

    async def _process(self, run: Run, attempt: Attempt, argv: list[str], environment: Mapping[str, str]) -> None:
        if run.stop_as is not None:
            attempt.state.finish(run.stop_as, stopped(run.stop_as))
            return
        folder = self.site.data / "runs" / str(attempt.run_id)
        process = await processes.start(argv, environment=environment, task_run=attempt.run_id, folder=folder)
        self.processes_started += 1
        attempt.argv, attempt.pid, attempt.state.life_cycle = argv, process.pid, "RUNNING"
        if run.stop_as is None:
            run.state.life_cycle = "RUNNING"
        ended, interrupted = asyncio.create_task(process.wait()), asyncio.create_task(run.stop.wait())
        limit = attempt.spec.get("timeout_seconds") or None
        await asyncio.wait({ended, interrupted}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        natural = ended.done()
        if not natural:
            attempt.state.life_cycle = "TERMINATING"
        await processes.end(process, attempt.run_id)
        await ended
        interrupted.cancel()
        attempt.exit_code = process.returncode
        attempt.output = _output(folder, failed=process.returncode != 0)
        if not natural:
            result = run.stop_as or "TIMEDOUT"
            attempt.state.finish(result, stopped(result))
        elif process.returncode == 0:
            attempt.state.finish("SUCCESS")
        else:
            attempt.state.finish("FAILED", "Workload failed, see run output for details")
        shutil.rmtree(folder)

    def _libraries(self, run: Run, task: Json, installed: dict[str, str]) -> list[Path]:
        """The folders of the task's wheels. A cluster that is up keeps the wheel that it has got from a path."""
        find = self.site.find_file
        wheels = libraries.wheels_of_libraries(task.get("libraries") or [])
        if "environment_key" in task:
            spec = run.environments[task["environment_key"]].get("spec") or {}
            wheels += libraries.wheels_of_dependencies(spec.get("dependencies") or [], find)
        cache = self.site.data / "libraries"
        for wheel in wheels:
            if wheel not in installed:
                content = libraries.content_of(wheel, find)
                libraries.unpacked(wheel, content, find, cache)
                installed[wheel] = content
        return [cache / installed[wheel] for wheel in wheels]

    def _command(self, run: Run, attempt: Attempt) -> list[str]:
        task = attempt.spec
        if "spark_python_task" in task:
            script = self.site.find_file(task["spark_python_task"]["python_file"])
            if script is None:
                name = task["spark_python_task"]["python_file"]
                raise TaskError(f"Cannot read the python file {name}. Please check driver logs for more details.")
            parameters = task["spark_python_task"].get("parameters") or []
            return [self.site.python, str(script), *_substituted(parameters, run, attempt)]
        if "python_wheel_task" in task:
            wheel = task["python_wheel_task"]
            named = {**(wheel.get("named_parameters") or {})}
            if named:
                named |= run.parameters
            parameters = [*(wheel.get("parameters") or []), *(f"--{name}={value}" for name, value in named.items())]
            entry = [str(_WHEEL_ENTRY), wheel["package_name"], wheel["entry_point"]]
            return [self.site.python, *entry, *_substituted(parameters, run, attempt)]
        kinds = [name for name in task if name.endswith("_task")] or ["a task without a type"]
        raise TaskError(f"This workspace runs {' and '.join(_RUNNABLE)}, not {', '.join(kinds)}.")


def _again(attempt: Attempt) -> bool:
    retries = attempt.spec.get("max_retries", 0)
    worth = attempt.state.result == "FAILED" or (
        attempt.state.result == "TIMEDOUT" and bool(attempt.spec.get("retry_on_timeout"))
    )
    return worth and (retries < 0 or attempt.number < retries)


def _output(folder: Path, *, failed: bool) -> Json:
    stdout, stderr = processes.tail(folder / "stdout"), processes.tail(folder / "stderr")
    output: Json = {"logs": stdout + stderr, "logs_truncated": len(stdout + stderr) >= processes.OUTPUT_KEPT}
    if failed:
        trace = stderr[max(0, stderr.rfind("Traceback (most recent call last)")) :].strip()
        output |= {"error": trace.rpartition("\n")[2] or "Workload failed", "error_trace": trace}
    return output


def _substituted(parameters: Iterable[str], run: Run, attempt: Attempt) -> list[str]:
    started = datetime.fromtimestamp(run.state.start / 1000, UTC)
    known = {
        "job.id": str(run.job_id or 0),
        "job.name": run.name,
        "job.run_id": str(run.run_id),
        "job.start_time.iso_date": started.date().isoformat(),
        "job.start_time.iso_datetime": started.isoformat(),
        "task.name": attempt.key,
        "task.run_id": str(attempt.run_id),
        **{f"job.parameters.{name}": value for name, value in run.parameters.items()},
    }
    return [_REFERENCE.sub(lambda found: known.get(found[1], found[0]), parameter) for parameter in parameters]
