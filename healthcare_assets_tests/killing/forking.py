"""A process that has imported what jobs need, and forks one that runs them, and dies, for each order.

Importing takes seven seconds and forking some milliseconds. Polars and delta-rs start threads when they are imported,
and no thread but the main one survives a fork: they are left for the forked process to import, which takes it 0.1 s.
Orders come as lines of JSON on standard input, and each is answered by one on standard output.
"""

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from healthcare_assets_tests.killing import lines
from healthcare_assets_tests.killing.disk import DiskWatch
from healthcare_assets_tests.killing.moments import Moment, Seen, Watch

Run = tuple[str, str | None]
"""A job and its day."""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_ASKED = {"who": "Grace Hopper", "why": "request 4711"}
_OPS = {"erase_patients": "erase", "rotate_pseudonym_key": "re_key"}
"""By job: the op that goes on record with who asked for it."""
_WATCHED = ("lakehouse", "mlflow")
_THREADED = ("polars", "deltalake")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a forked process does: look at what is there, run jobs, look again."""

    home: str
    variables: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    moment: dict[str, Any] | None = None
    seconds: float = 0.0
    """What an undisturbed run takes."""
    watch: bool = False
    """Count what it does, to draw moments from."""
    resume: bool = False
    """Leave out, of the first run's job, what the last run in Dagster's storage has done, as Dagster's retries do."""
    look_before: bool = False
    look_after: bool = False
    since: dict[str, int] | None = None
    """By table: the version after which every version is looked at; None: the newest, then all after those."""
    newest_only: bool = False
    """Look at no other versions: the jobs delete what those consist of."""
    small_files: bool = False
    """Write days in files of some hundred rows, which maintenance then compacts."""
    vacuum: bool = False
    """At the end, delete all that no table consists of, and tell what is left."""


def serve() -> None:
    """Answer orders until there are no more."""
    lines.install()
    _import_what_jobs_need()
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - a Path would be made for each
    _answer({"ready": True, "threads": threads})
    for line in sys.stdin:
        fields = json.loads(line)
        order = Order(**fields | {"runs": [tuple(run) for run in fields["runs"]]})
        answer = _followed(order)
        _import_too(answer.pop("imported", ()))
        _answer(answer)


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _import_what_jobs_need() -> None:
    from healthcare_assets.definitions import defs
    from healthcare_assets.resources.mlflow_client import quietly

    with _without_threads(), quietly():
        import matplotlib.pyplot  # noqa: F401
        import mlflow.sklearn
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
        from mlflow.utils.requirements_utils import _init_modules_to_packages_map

        _init_modules_to_packages_map()  # type: ignore[no-untyped-call]
    defs().get_repository_def()


def _import_too(names: Iterable[str]) -> None:
    """Import, if it can be done here, what a forked process had to import for itself."""
    with _without_threads():
        for name in names:
            if name.partition(".")[0] not in _THREADED and not name.startswith(lines.ROOMS):
                with suppress(ImportError):
                    import_module(name)


@contextmanager
def _without_threads() -> Iterator[None]:
    """Libraries that import Polars or delta-rs where they are there do without for now."""
    sys.modules.update(dict.fromkeys(_THREADED))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in _THREADED:
            del sys.modules[name]


def _followed(order: Order) -> dict[str, Any]:
    """Fork, wait for the end, or be it: returns the exit status, the seconds, and what was looked at."""
    home = Path(order.home)
    moment = Moment(**order.moment) if order.moment else None
    answer_file = home.with_name(f"{home.name}.answer")
    answer_file.unlink(missing_ok=True)
    disk = DiskWatch(home / name for name in _WATCHED)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _forked(order, moment, answer_file)
    _wait(pid, disk, moment, seconds=order.seconds)
    _, status = os.waitpid(pid, 0)
    disk.read()
    found = json.loads(answer_file.read_text(encoding="utf-8")) if answer_file.exists() else {}
    if order.watch and "seen" in found:
        found["seen"]["disk"] = dict(disk.seen)
    disk.close()
    return {"status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - began, **found}


def _wait(pid: int, disk: DiskWatch, moment: Moment | None, *, seconds: float) -> None:
    """Until the process has ended; ended by us when a moment comes that is seen from outside."""
    ended = os.pidfd_open(pid)
    polled = select.poll()
    for descriptor in (ended, disk.fd):
        polled.register(descriptor, select.POLLIN)
    until = (moment.what, moment.pass_) if moment is not None and moment.kind == "disk" else None
    deadline = time.monotonic() + seconds * float(moment.what) if moment and moment.kind == "time" else None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = {descriptor for descriptor, _ in polled.poll(None if left is None else left * 1000)}
        if ended in ready:
            break
        due = deadline is not None and time.monotonic() >= deadline
        if (disk.fd in ready and disk.read(until=until)) or due:
            os.killpg(pid, signal.SIGKILL)
            until = deadline = None
    os.close(ended)


def _forked(order: Order, moment: Moment | None, answer_file: Path) -> NoReturn:
    """The forked process: does what is ordered and leaves without any tidying of the parent's."""
    os.setsid()
    log = os.open(f"{order.home}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        os.environ.update(order.variables)
        answer = _done(order, moment)
        unfinished = answer_file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(answer), encoding="utf-8")
        unfinished.rename(answer_file)
        status = 0 if answer["failed"] is None else 3
    except BaseException:  # noqa: BLE001 - there is no caller to raise to: the log says what it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _done(order: Order, moment: Moment | None) -> dict[str, Any]:
    import dagster as dg

    from healthcare_assets.dagster_home import prepare
    from healthcare_assets.definitions import defs
    from healthcare_assets.environments import settings_from

    known = set(sys.modules)
    _lighten(small_files=order.small_files)
    answer: dict[str, Any] = {"failed": None}
    home, since = Path(order.home), order.since
    if order.look_before:
        answer["before"] = _looked(home, order.since)
        if since is None and not order.newest_only:
            since = {name: max(map(int, versions)) for name, versions in answer["before"]["tables"].items()}
    if order.runs:
        prepare(settings_from())
        with dg.DagsterInstance.get() as instance:
            watch = Watch(home, moment) if moment is not None or order.watch else None
            began = time.monotonic()
            for job, day in order.runs:
                answer["failed"] = _ran(defs(), instance, job, day, resume=order.resume)
                if answer["failed"]:
                    break
            if watch is not None:
                seen: Seen = watch.stop()
                seen.seconds = time.monotonic() - began
                answer["seen"] = vars(seen)
    if order.look_after:
        answer["after"] = _looked(home, since)
    if order.vacuum:
        from healthcare_assets_tests.killing.looking import unneeded_files

        answer["unneeded"] = unneeded_files(home / "lakehouse")
    answer["imported"] = sorted(sys.modules.keys() - known)
    return answer


def _looked(home: Path, since: dict[str, int] | None) -> dict[str, Any]:
    from healthcare_assets_tests.killing.looking import look

    return look(home, since)


def _ran(definitions: Any, instance: Any, job: str, day: str | None, *, resume: bool) -> str | None:
    """Run the job; returns what failed, if anything did."""
    from healthcare_assets.walkthrough import _failure

    selection = _left_to_do(definitions, instance, job, day) if resume else None
    asked = {"ops": {_OPS[job]: {"config": _ASKED}}} if job in _OPS else {}
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=day,
        run_config={**_QUIET, **asked},
        asset_selection=selection,
        raise_on_error=False,
    )
    return None if result.success else f"{job} of {day}: {_failure(result, None)}"


def _left_to_do(definitions: Any, instance: Any, job: str, day: str | None) -> list[Any] | None:
    """The assets whose steps a run that was killed has not finished; None: all of them, since none was killed."""
    import dagster as dg

    wanted = definitions.resolve_job_def(job).asset_layer.executable_asset_keys
    of_day = {} if day is None else {"dagster/partition": day}
    last = next(iter(instance.get_runs(dg.RunsFilter(job_name=job, tags=of_day), limit=1)), None)
    if last is None or last.status == dg.DagsterRunStatus.SUCCESS:
        return None
    kinds = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.ASSET_MATERIALIZATION}
    events = [log.dagster_event for log in instance.all_logs(last.run_id, of_type=kinds)]
    finished = {event.step_key for event in events if event.event_type == dg.DagsterEventType.STEP_SUCCESS}
    done = {event.asset_key for event in events if event.step_key in finished and event.asset_key is not None}
    # When all steps are done only the run's own end is missing, and doing them once more does no harm.
    return sorted(wanted - done) or None


def _lighten(*, small_files: bool) -> None:
    """What makes a trial a matter of seconds: one candidate, intervals from few resamples, a plot that is none."""
    from functools import partial

    from healthcare_assets.domain.candidates import CANDIDATES, GLM
    from healthcare_assets.domain.training import train
    from healthcare_assets.policy import POLICY
    from healthcare_assets.resources import delta_files

    fast = tuple(candidate for candidate in CANDIDATES if candidate.name == GLM)
    instead: dict[str, dict[str, Any]] = {
        "healthcare_assets.domain.model_card": {"group_calibration_plot": lambda *_, **__: b"no plot"},
        "healthcare_assets.resources.training_run": {"evaluation_plots": lambda *_, **__: {"none": b"no plot"}},
        "healthcare_assets.steps.training": {"train": partial(train, candidates=fast)},
    }
    for module, replaced in instead.items():
        vars(import_module(module)).update(replaced)
    # The policy is the default of many functions: another one would not reach them all.
    object.__setattr__(POLICY.training, "bootstrap_resamples", 50)
    if small_files:
        delta_files.ROWS_PER_FILE = 400


if __name__ == "__main__":
    serve()
