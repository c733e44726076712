"""The files that a source's path stands for: one, those that a glob matches, or those of a day."""

import glob
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from healthcare_assets.errors import SourceError
from healthcare_assets.resources.source_delta import is_delta_table

DAY = "{date}"
"""Stands in a path for the day, written YYYY-MM-DD."""

_ANY_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_DAY_TEXT = re.compile(r"(?=(\d{4}-\d{2}-\d{2}))")


def is_dated(pattern: str) -> bool:
    """Whether the path has a place for the day."""
    return DAY in pattern


def of_day(pattern: str, day: date) -> str:
    """The dated pattern with the day in its place."""
    return pattern.replace(DAY, day.isoformat())


def files(pattern: str, day: date | None = None) -> list[Path]:
    """The files and Delta tables that the path or glob names, sorted; for a dated pattern, those of the day.

    Raises SourceError when the path is any other folder.
    """
    path = Path(pattern if day is None else of_day(pattern, day))
    if not path.exists():
        return [found for found in _matches(str(path)) if found.is_file() or is_delta_table(found)]
    if path.is_dir() and not is_delta_table(path):
        raise SourceError(
            f"{path} is a folder and no Delta table: name its files with a glob such as {path / '*.csv'}."
        )
    return [path]


def days(pattern: str) -> list[date]:
    """The days for which a dated pattern names a file, ascending."""
    candidates: set[date] = set()
    for shape in (pattern, glob.escape(pattern)):  # brackets may be part of a name
        for found in _matches(shape.replace(DAY, _ANY_DAY)):
            candidates.update(_days_in(str(found)))
    return sorted(day for day in candidates if files(pattern, day))


def _matches(pattern: str) -> list[Path]:
    """Names that begin with `_` or `.` are left out: Spark and Hadoop keep their marks there."""
    found = (Path(path) for path in glob.iglob(pattern, recursive=True))  # noqa: PTH207  # Path.glob refuses absolute patterns
    return sorted(path for path in found if not path.name.startswith(("_", ".")))


def _days_in(text: str) -> Iterator[date]:
    for match in _DAY_TEXT.finditer(text):
        try:
            yield date.fromisoformat(match.group(1))
        except ValueError:
            continue
