"""What is told of an error that nobody foresaw: its kinds and places, and nothing of what it says.

Polars, Arrow, Spark and Python itself quote the value that they could not handle: of a step or a request it may be a
patient's. What Dagster stores of a failed step is kept longer than that patient's records, and is read by more people.
"""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

_OURS = Path(__file__).resolve().parents[1]


def is_fault(error: BaseException) -> bool:
    """Whether it is an error, a panic of a Rust library included, and no interruption."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def summary(error: BaseException) -> str:
    """Kind and place in half a sentence: `ComputeError at healthcare_assets/steps/silver.py:54 in run`."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_OURS)]
    if not frames:
        return _kind(error)
    frame = (ours or frames)[-1]
    path = Path(frame.filename)
    place = path.relative_to(_OURS.parent) if ours else path.name
    return f"{_kind(error)} at {place}:{frame.lineno} in {frame.name}"


def places(error: BaseException) -> str:
    """As a traceback, from the first cause on, each error by its kind alone."""
    parts = []
    for one in _chain(error):
        parts += ["Traceback (what an error says is left out: it may quote a record)\n"]
        parts += [*traceback.format_tb(one.__traceback__), f"{_kind(one)}\n", "\n"]
    return "".join(parts).rstrip()


def _chain(error: BaseException) -> Iterator[BaseException]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before)
    yield error


def _kind(error: BaseException) -> str:
    """Its class, with the condition that the operating system or Spark has a name for."""
    condition = None
    if isinstance(error, OSError) and error.errno is not None:
        condition = os.strerror(error.errno)
    elif callable(named := getattr(error, "getCondition", None)):
        condition = named()
    return f"{type(error).__name__} ({condition})" if condition else type(error).__name__
