"""A Databricks workspace on this machine, for tests: its real REST API, its jobs as real processes, faults on demand.

with running_workspace(tmp_path, job_environment={}) as workspace:
    workspace.client().jobs.submit(...)
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

TOKEN = "dapi-of-the-emulator"  # noqa: S105 (it opens nothing)
SECONDS_TO_START = 60
EVERY_CALL = "^"
_ROOT = Path(__file__).parents[2]
_ENVIRONMENT = Path(sys.prefix) / "share" / "emulator"
_OF_THE_MACHINE = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "USER")
"""What a job sees of the environment of the tests. A cluster does not have the variables of whoever submits."""
_OF_THE_PROCESSOR = "OPENBLAS_"
"""Which of its kernels linear algebra uses: another one's last bit is another, so a machine that says so says it to
all of its processes."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with calls of the API."""

    calls: str = EVERY_CALL
    """A regular expression that is looked for in "<METHOD> <path>", such as "POST .*/runs/submit"."""
    answer: int | Literal["drop"] | None = 503
    """A status; "drop": the connection is reset; None: the right answer."""
    probability: float = 1.0
    times: int | None = None
    """How often at most."""
    skip: int = 0
    """How many calls that it would have struck it lets pass first."""
    after_effect: bool = False
    """Whether what was asked for happens nonetheless."""
    delay: float = 0.0
    """Seconds before the answer."""
    retry_after: int | None = 0
    """The header of that name, in seconds."""


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """One try of a task."""

    key: str
    run_id: int
    attempt: int
    life_cycle: str
    result: str | None
    message: str
    pid: int | None
    """None when no process was started for it."""
    exit_code: int | None
    argv: list[str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that was really made, however its answer went."""

    run_id: int
    job_id: int | None
    name: str
    token: str | None
    """The idempotency token that made it."""
    life_cycle: str
    result: str | None
    message: str
    tasks: list[TaskRun]


@dataclass(frozen=True)
class ClusterStart:
    """A cluster that came up: an existing one by its id, one of a run by `<run name>/<its key>`."""

    cluster: str
    run_id: int | None


@dataclass(frozen=True)
class Call:
    """A call of the API. `status` is what was answered, None for no answer; `fault` what went wrong on purpose."""

    call: str
    status: int | None
    fault: int | str | None


class Workspace:
    """A running workspace."""

    def __init__(self, host: str, folder: Path, log: Path) -> None:
        self.host = host
        self.token = TOKEN
        self.volume_root = folder / "volumes"
        """The volumes: the same path for the Files API, for a job's process and for the tests."""
        self.log = log
        """What the server printed."""

    @property
    def login(self) -> dict[str, str]:
        """The variables by which the Databricks SDK finds the workspace."""
        return {"DATABRICKS_HOST": self.host, "DATABRICKS_TOKEN": self.token}

    def client(self, **settings: Any) -> "WorkspaceClient":
        """A client of the real SDK; `settings` are those of its Config, such as `http_timeout_seconds`."""
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config

        return WorkspaceClient(config=Config(host=self.host, token=self.token, auth_type="pat", **settings))

    def faults(self, *faults: Fault, seed: int = 0) -> None:
        """These faults from now on instead of those before; none without any."""
        self._ask("faults", {"faults": [asdict(fault) for fault in faults], "seed": seed})

    def lose_run(self, run_id: int, *, kill: bool = True) -> None:
        """The workspace knows the run no more; its processes end, unless they are to go on unseen."""
        self._ask("lose_run", {"run_id": run_id, "kill": kill})

    def give_jobs(self, environment: Mapping[str, str]) -> None:
        """The processes of jobs have these variables besides, until the next `reset`."""
        self._ask("environment", dict(environment))

    def slow_clusters(self, seconds: float) -> None:
        """Clusters take so long to come up. Their runs are PENDING meanwhile."""
        self._ask("clusters", {"start_seconds": seconds})

    def reset(self) -> None:
        """Stop and forget all jobs, runs, endpoints and monitors, end the faults, empty the logs.

        Files, secrets and clusters stay.
        """
        self._ask("reset", {})

    def runs(self) -> list[Run]:
        """All runs that were made, oldest first."""
        return [
            Run(**{**run, "tasks": [TaskRun(**task) for task in run["tasks"]]}) for run in self._ask("report")["runs"]
        ]

    def calls(self) -> list[Call]:
        return [Call(**call) for call in self._ask("report")["calls"]]

    def cluster_starts(self) -> list[ClusterStart]:
        return [ClusterStart(**start) for start in self._ask("report")["cluster_starts"]]

    def processes_started(self) -> int:
        """How many tasks were given a process."""
        return int(self._ask("report")["processes_started"])

    def live_processes(self) -> dict[int, int]:
        """Process id → task run, of every living process of a job, with all that it started."""
        return dict(self._ask("report")["live_processes"])

    def _ask(self, what: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.host}/_emulator/{what}", data=data), timeout=SECONDS_TO_START) as answer:  # noqa: S310 (this machine)
            return json.load(answer)


def missing() -> str | None:
    """What this machine lacks for a workspace, None when it has everything."""
    if not any(_ENVIRONMENT.glob(".ready-*")):
        return "the Databricks emulator is not installed (make emulator)"
    if not Path("/proc/self/environ").exists():
        return "it has no /proc to find the processes of a job in"
    return None


@contextmanager
def running_workspace(folder: Path, *, job_environment: Mapping[str, str]) -> Iterator[Workspace]:
    """A workspace whose everything lies in the folder. Its jobs' processes have these variables of their own.

    Whatever its jobs have started is gone afterwards.
    """
    folder = folder.resolve()
    data = folder / "data"
    _make_volumes(folder, data)
    machine = {
        name: value
        for name, value in os.environ.items()
        if name in _OF_THE_MACHINE or name.startswith(_OF_THE_PROCESSOR)
    }
    settings = folder / "settings.json"
    settings.write_text(
        json.dumps(
            {
                "data": str(data),
                "token": TOKEN,
                "python": sys.executable,
                "environment": {
                    **machine,
                    "PATH": os.pathsep.join([str(Path(sys.executable).parent), machine.get("PATH", os.defpath)]),
                    **job_environment,
                },
            }
        )
    )
    log = folder / "server.log"
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as report, log.open("wb") as output:
        try:
            server = subprocess.Popen(
                [
                    str(_ENVIRONMENT / "bin" / "python"),
                    *("-m", "healthcare_assets_tests.workspace.server"),
                    *("--settings", str(settings), "--report-to", str(writing)),
                ],
                cwd=_ROOT,
                env={**machine, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
            )
        finally:
            os.close(writing)
        with server:
            try:
                ready, _, _ = select.select([report], [], [], SECONDS_TO_START)
                said = report.read() if ready else b""
                if not said:
                    raise RuntimeError(f"The emulated workspace did not start: {log.read_text()}")
                yield Workspace(f"http://127.0.0.1:{json.loads(said)['port']}", folder, log)
            finally:
                _end(server)


def _make_volumes(folder: Path, data: Path) -> None:
    """The server keeps what lies at a path P below its own `dbfs`/P. A link at P shows it to everyone else."""
    volumes = folder / "volumes"
    kept = data / "dbfs" / volumes.relative_to("/")
    kept.mkdir(parents=True)
    volumes.symlink_to(kept)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """The server ends its jobs and itself when its standard input does."""
    if server.stdin is not None:
        server.stdin.close()
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        raise
