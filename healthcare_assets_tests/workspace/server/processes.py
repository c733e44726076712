"""The processes of a job: started in a group of their own, and ended with all that they started."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

MARK = "EMULATED_TASK_RUN"
"""The variable by which a process of a task is known, even one that has left its group."""
SECONDS_TO_GO_WILLINGLY = 0.2
OUTPUT_KEPT = 5_000_000


async def start(
    argv: Sequence[str], *, environment: Mapping[str, str], task_run: int, folder: Path
) -> asyncio.subprocess.Process:
    """The process, which writes `stdout` and `stderr` into the folder and works in its `work`."""
    work = folder / "work"
    work.mkdir(parents=True)
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        return await asyncio.create_subprocess_exec(
            *argv,
            env={**environment, MARK: f"{os.getpid()}-{task_run}"},
            cwd=work,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


async def end(process: asyncio.subprocess.Process, task_run: int) -> None:
    """The process and everything that it started are gone afterwards."""
    _signal_group(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), SECONDS_TO_GO_WILLINGLY)
    _signal_group(process.pid, signal.SIGKILL)
    while left := [pid for pid, run in alive().items() if run == task_run]:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.005)
    await process.wait()


def alive() -> dict[int, int]:
    """The living processes of this server's tasks: process id → task run."""
    found = {}
    mark = f"{MARK}={os.getpid()}-".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is somebody else's
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                if entry.startswith(mark):
                    found[int(folder.name)] = int(entry.removeprefix(mark))
    return found


def tail(file: Path) -> str:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - OUTPUT_KEPT))
        return stream.read().decode(errors="replace")


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
