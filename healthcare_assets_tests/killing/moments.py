"""The moment at which a process dies: drawn by a seed among what an undisturbed run was seen doing.

Three kinds are counted inside the process, where each is certain to the line: the lines of the product that it runs,
its writing statements and commits in a SQLite database, and the files that Python opens for writing, renames and
removes below HEALTHCARE_HOME. What Polars and delta-rs write raises nothing in Python: it is counted from outside, by
the kernel's notes on folders (`disk.py`). The last kind is a share of the time that the undisturbed run took.
"""

import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from healthcare_assets_tests.killing import lines

Kind = Literal["line", "statement", "file", "disk", "time"]

# By weight: lines lie between any two effects of a step, and the kernel's notes between any two writes of a file.
_WEIGHTS: dict[Kind, int] = {"line": 7, "disk": 6, "statement": 4, "file": 1, "time": 2}
# Dagster writes ten statements for each one of MLflow's, and what matters most lies in MLflow.
_DAGSTER_SHARE = 0.25
_CHANGES_OF_FILES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"})
_READING = ("SELECT", "PRAGMA", "EXPLAIN")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The `pass_`-th time (from 1) that `what` happens; of kind time, `what` is the share of an undisturbed run."""

    kind: Kind
    what: str
    pass_: int = 1

    def __str__(self) -> str:
        if self.kind == "time":
            return f"at {float(self.what):.0%} of the time"
        return f"at {self.kind} {self.what}, pass {self.pass_}"


@dataclass(kw_only=True)
class Seen:
    """What an undisturbed run was seen doing: each thing, and how often."""

    line: Counter[str] = field(default_factory=Counter)
    statement: Counter[str] = field(default_factory=Counter)
    file: Counter[str] = field(default_factory=Counter)
    disk: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def draw(self, random: Random) -> Moment:
        """A moment within such a run."""
        kinds = [kind for kind in _WEIGHTS if kind == "time" or getattr(self, kind)]
        kind = random.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]
        if kind == "time":
            return Moment(kind=kind, what=f"{random.uniform(0.02, 0.98):.3f}")
        happened: Counter[str] = getattr(self, kind)
        if kind == "statement":
            databases = sorted(happened)
            weights = [_DAGSTER_SHARE if "dagster" in name else 1.0 for name in databases]
            what = random.choices(databases, weights)[0]
        else:
            what = random.choice(sorted(happened))
        return Moment(kind=kind, what=what, pass_=random.randint(1, happened[what]))


def die() -> None:
    """Kill this process and all that it has started."""
    os.killpg(0, signal.SIGKILL)


class Watch:
    """Counts what this process does from now on, and kills it when the moment has come, if there is one."""

    def __init__(self, home: Path, moment: Moment | None) -> None:
        self.seen = Seen()
        self._home = str(home) + os.sep
        self._moment = moment
        wanted = None if moment is None else moment.kind
        if wanted in (None, "statement"):
            self._count_statements()
        if wanted in (None, "file"):
            sys.addaudithook(self._audited)
        if wanted in (None, "line"):
            lines.listen(lambda where: self._note("line", where))

    def stop(self) -> Seen:
        """No longer count; what was seen so far."""
        lines.listen(None)
        self._home = os.devnull + os.sep
        self._moment = None
        return self.seen

    def _note(self, kind: Kind, what: str) -> None:
        happened: Counter[str] = getattr(self.seen, kind)
        happened[what] += 1
        due = self._moment
        if due is not None and (due.kind, due.what, due.pass_) == (kind, what, happened[what]):
            die()

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = (
                any(letter in mode for letter in "wax+") if mode else bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))
            )
        elif event in _CHANGES_OF_FILES:
            path, writes = arguments[0], True
        else:
            return
        if writes and isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self._home):
            self._note("file", f"{event} in {os.fsdecode(path).removeprefix(self._home).partition(os.sep)[0]}")

    def _count_statements(self) -> None:
        from sqlalchemy import Engine, event

        def statement(connection: Any, _: Any, sql: str, *__: Any) -> None:
            if not sql.lstrip().upper().startswith(_READING):
                self._note("statement", _database(connection))

        def commit(connection: Any) -> None:
            self._note("statement", _database(connection))

        event.listen(Engine, "before_cursor_execute", statement)
        event.listen(Engine, "commit", commit)


def _database(connection: Any) -> str:
    """By its folder: Dagster has a database a run."""
    return Path(connection.engine.url.database or "memory").parts[-2:][0]
