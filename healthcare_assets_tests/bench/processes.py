"""What the processes of a Spark on this machine take: its driver, the JVM, and the Python workers below it.

A child's time is in nobody's own count before it has ended, and that of a worker whom Spark ends for idleness in
nobody's at all: the kernel is asked for each process, several times a second (Linux).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

_PROC = Path("/proc")
_INTERVAL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of processor time, in user and system mode, since the processes began."""

    driver: float
    """Of this process, which plans, and reads the source."""
    jvm: float
    """Of the JVMs below it, with their compiler and their garbage collection."""
    workers: float
    """Of all other processes below it: the Python functions of `map_batches`."""

    def since(self, before: "Spent") -> "Spent":
        return Spent(
            driver=self.driver - before.driver, jvm=self.jvm - before.jvm, workers=self.workers - before.workers
        )


class Processes:
    """This process and all below it, those too that have ended since it began to look."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, float]] = {}
        self._lock = Lock()

    def spent(self) -> Spent:
        """What they have taken so far. RuntimeError where the kernel does not tell."""
        self._look()
        driver = self._known[os.getpid()][1]
        jvm = sum(seconds for name, seconds in self._known.values() if name == "java")
        return Spent(driver=driver, jvm=jvm, workers=sum(s for _, s in self._known.values()) - driver - jvm)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at them again and again while the block runs."""
        done = Event()

        def watch() -> None:
            while not done.wait(_INTERVAL_SECONDS):
                self._look()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _look(self) -> None:
        with self._lock:
            for pid in [os.getpid(), *_below(os.getpid())]:
                try:
                    self._known[pid] = _name_and_seconds(pid)
                except FileNotFoundError:  # it has just ended
                    continue


def _below(pid: int) -> list[int]:
    """The children, and theirs."""
    if not (_PROC / "self" / "task").exists():
        raise RuntimeError("The processor time of living children is known on Linux only: measure there.")
    children: list[int] = []
    for path in _PROC.glob(f"{pid}/task/*/children"):
        try:
            children += [int(number) for number in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):  # the thread has just ended
            continue
    return children + [number for child in children for number in _below(child)]


def _name_and_seconds(pid: int) -> tuple[str, float]:
    # The name stands in parentheses, and may hold some itself.
    before, _, after = (_PROC / str(pid) / "stat").read_text().rpartition(")")
    user, system = (int(ticks) for ticks in after.split()[11:13])
    return before.partition("(")[2], (user + system) / os.sysconf("SC_CLK_TCK")
