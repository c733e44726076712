"""Who is at work on a home: steps beside each other, or one that needs the tables for itself."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from healthcare_assets.errors import LakehouseError

_LOCK = "at_work.lock"


@contextmanager
def beside_others(home: Path, *, waits: Callable[[], None]) -> Iterator[None]:
    """At work on the home; before that, `waits` is called once where somebody is alone, and their end is waited for.

    The lock dies with its process, however that ends.
    """
    with (home / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Nobody else at work on the home meanwhile. LakehouseError while somebody is: what they write could bring back
    what goes."""
    with (home / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LakehouseError(
                f"Others are at work on the tables in {home}: run this again when they have ended."
            ) from error
        yield
