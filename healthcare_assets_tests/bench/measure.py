"""What a piece of work takes: wall-clock time, processor time, and the most memory that it held at a time."""

import os
import resource
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET_PEAK = Path("/proc/self/clear_refs")
_KIB = 1024


@dataclass(kw_only=True)
class Taken:
    """What one piece of work took."""

    name: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    """Of this process and of those that it waited for, in user and system mode."""
    peak_mb: float = 0.0
    """The largest resident set of this process meanwhile, in MB (10⁶ bytes)."""


@contextmanager
def measured(name: str) -> Iterator[Taken]:
    """Fills in what the block takes."""
    taken = Taken(name=name)
    _reset_peak()
    cpu, wall = _cpu_seconds(), time.perf_counter()
    yield taken
    taken.wall_s = time.perf_counter() - wall
    taken.cpu_s = _cpu_seconds() - cpu
    taken.peak_mb = peak_mb()


def peak_mb() -> float:
    """The largest resident set since the last `measured` began; since the process began where the kernel keeps no such
    mark."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * _KIB / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB / 1e6


def median_of(repeated: Sequence[Sequence[Taken]]) -> list[Taken]:
    """Stage by stage, the medians of several runs of the same stages."""
    return [
        Taken(
            name=stages[0].name,
            wall_s=statistics.median(stage.wall_s for stage in stages),
            cpu_s=statistics.median(stage.cpu_s for stage in stages),
            peak_mb=statistics.median(stage.peak_mb for stage in stages),
        )
        for stages in zip(*repeated, strict=True)
    ]


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


def say(sentence: str) -> None:
    """How far it is; what was measured goes to the standard output."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - for who waits


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _reset_peak() -> None:
    if _RESET_PEAK.exists():
        _RESET_PEAK.write_text("5")
