"""Processes of the canary: what they are started with, what they say, and what anybody on the machine sees of them."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

ROOT = Path(__file__).parents[2]
_PAUSE_S = 0.05
_PATIENCE_S = 300
_TO_STOP_S = 120
_LISTENING = "0A"


@dataclass
class Seen:
    """What was to be seen of this process's descendants."""

    command_lines: set[bytes] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    """At which they listened, as /proc has them: `0100007F:1F90` is 127.0.0.1:8080."""

    def look(self) -> None:
        listening = _listening()
        for process in _descendants(os.getpid()):
            with suppress(OSError):  # it has ended meanwhile
                self.command_lines.add((process / "cmdline").read_bytes().replace(b"\0", b" "))
                held = {str(entry.readlink()) for entry in (process / "fd").iterdir()}
                self.addresses |= {address for socket, address in listening.items() if socket in held}

    @property
    def beyond_loopback(self) -> set[str]:
        """Addresses that another machine may reach."""
        loopback = ("0100007F:", "00000000000000000000000001000000:", "0000000000000000FFFF00000100007F:")
        return {address for address in self.addresses if not address.startswith(loopback)}


@contextmanager
def watched() -> Iterator[Seen]:
    """Looks at the descendants of this process until it is left."""
    seen, done = Seen(), threading.Event()

    def watch() -> None:
        while not done.wait(_PAUSE_S):
            seen.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def run(module: str, *, variables: Mapping[str, str], said: Path, stdin: str = "") -> int:
    """Run the module in a process of its own; everything that it says is added to the file. Returns its status."""
    with said.open("ab") as file:
        return subprocess.run(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment(variables),
            input=stdin.encode(),
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode


@contextmanager
def running(
    command: Sequence[str], *, variables: Mapping[str, str], said: Path, stop: signal.Signals = signal.SIGINT
) -> Iterator[None]:
    """The command in a process of its own, told to stop on leaving; everything that it says is added to the file."""
    with said.open("ab") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(variables), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield
    finally:
        process.send_signal(stop)
        process.wait(timeout=_TO_STOP_S)
        with suppress(ProcessLookupError):  # nothing that it started is left
            os.killpg(process.pid, signal.SIGKILL)


def until(look: Callable[[], Found | None], what: str) -> Found:
    """What the look finds at last."""
    waiting, deadline = threading.Event(), time.monotonic() + _PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} has not come within {_PATIENCE_S} s"
        waiting.wait(_PAUSE_S)
    return found


def answered(request: urllib.request.Request | str) -> tuple[int, bytes] | None:
    """Status and body of the answer; None where nobody answers."""
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - of this machine
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (urllib.error.URLError, ConnectionError):
        return None


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what says where things lie."""
    ours = ("HEALTHCARE_", "DAGSTER_", "DATABRICKS_", "MLFLOW_", "PYTEST_")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **variables}


def _descendants(process: int) -> Iterator[Path]:
    children: Sequence[str] = ()
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):
            children = [*children, *(task / "children").read_text().split()]
    for child in children:
        yield Path(f"/proc/{child}")
        with suppress(OSError):
            yield from _descendants(int(child))


def _listening() -> dict[str, str]:
    """Addresses by the sockets that listen at them, as a file descriptor's link names them."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                found[f"socket:[{fields[9]}]"] = fields[1]
    return found
