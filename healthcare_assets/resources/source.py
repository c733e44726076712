"""Where patient records come from: files, a Delta table, or the synthetic population.

A source knows its days and hands over each as batches of `bronze_patients`, every value as the text that was delivered.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.synthetic_shift import SyntheticShift
from healthcare_assets.errors import SourceError
from healthcare_assets.resources import source_paths
from healthcare_assets.resources.csv_reader import open_csv
from healthcare_assets.resources.source_batches import Part, bronze_batches
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, Declared
from healthcare_assets.resources.source_delta import DeltaReader, History, is_delta_table
from healthcare_assets.resources.source_parquet import is_parquet, open_parquet
from healthcare_assets.resources.source_synthetic import synthetic_part

_ONE_DAY = timedelta(days=1)
_SYNTHETIC_DAYS = 7
DEMONSTRATION = SyntheticPopulation(
    members=5_000,
    shifts=(
        SyntheticShift(
            days=frozenset({4, 5}),
            arrivals=500,
            older_by_years=5.0,
            smoker_share=0.5,
            cost_factor=0.5,
            costs_known=True,
        ),
    ),
)
"""After some quiet days a book of business is taken over: half of its members smoke, and they cost half as much."""
_TABLE_NAME = re.compile(r"\w[\w-]*")
_DERIVED_IDS = "The source has no patient_id column: ids are derived from the records."


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The records of one day. `batches` can be read once and has none for a day without records; its schema is
    `source_batches.bronze_schema`. `notes` are sentences for the user."""

    batches: Iterator[pa.RecordBatch]
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """Gives each day's patient records."""

    description: str

    def days(self) -> list[date]:
        """The days that the source has records for, as far as it can tell, ascending."""
        ...

    def read(self, day: date) -> Delivery:
        """The day's records. Raises SourceError, here or while the batches are read, when they cannot be read."""
        ...


def open_source(
    spec: str | None,
    *,
    first_day: date,
    lakehouse_root: Path,
    ingested_at: datetime,
    columns: Declared = PATIENT_COLUMNS,
) -> Source:
    """The source that `HEALTHCARE_SOURCE` names: a CSV, Parquet or Delta path, a glob, a path with `{date}`, the bare
    name of a Delta table under the lakehouse's root; without one, the synthetic source.

    `ingested_at` (with a time zone) bounds what counts as the future, `columns` are those of the source. Raises
    SourceError when nothing is found.
    """
    if spec is None or not spec.strip():
        return SyntheticSource(DEMONSTRATION, first_day=first_day)
    latest_day = (ingested_at + _ONE_DAY).astimezone(UTC).date()
    history = History(first_day=first_day, latest_day=latest_day)
    if _TABLE_NAME.fullmatch(spec.strip()):
        return TableSource(_table_named(spec.strip(), lakehouse_root), history=history, columns=columns)
    pattern = str(Path(spec.strip()).expanduser())
    if not source_paths.is_dated(pattern) and is_delta_table(Path(pattern)):
        return TableSource(Path(pattern), history=history, columns=columns)
    files = FileSource(pattern, first_day=first_day, latest_day=latest_day, columns=columns)
    files.days()
    return files


class FileSource:
    """Files by path or glob. With `{date}` in the path each day has its own; else all are the first day's delivery."""

    def __init__(self, pattern: str, *, first_day: date, latest_day: date, columns: Declared = PATIENT_COLUMNS) -> None:
        self.description = f"files {pattern}"
        self._pattern = pattern
        self._first_day = first_day
        self._latest_day = latest_day
        self._columns = columns

    def days(self) -> list[date]:
        """The days with a file. Raises SourceError when there is no file at all."""
        if source_paths.is_dated(self._pattern):
            days = source_paths.days(self._pattern)
        else:
            days = [self._first_day] if source_paths.files(self._pattern) else []
        if not days:
            raise SourceError(f"HEALTHCARE_SOURCE is {self._pattern}, and no such file exists: correct the path.")
        return days

    def read(self, day: date) -> Delivery:
        """The records of the day's files, one file after the other in the order of their names."""
        days = self.days()
        if source_paths.is_dated(self._pattern):
            if day not in days:
                return _nothing(f"There is no file {source_paths.of_day(self._pattern, day)}: the day has no records.")
            return _delivery(self._opened(source_paths.files(self._pattern, day)), latest_day=day + _ONE_DAY)
        if day != self._first_day:
            return _nothing(f"{self._pattern} is one delivery and belongs to {self._first_day}: {day} has no records.")
        return _delivery(self._opened(source_paths.files(self._pattern)), latest_day=self._latest_day)

    def _opened(self, paths: Sequence[Path]) -> list[Part]:
        return [open_part(path, self._columns) for path in paths]


class TableSource:
    """A Delta table. With a timestamp column it is a history, of which each day has its part."""

    def __init__(self, path: Path, *, history: History, columns: Declared = PATIENT_COLUMNS) -> None:
        self.description = f"Delta table {path}"
        self._path = path
        self._columns = columns
        self._history = history

    def days(self) -> list[date]:
        """The days that records belong to; the first day for a table without timestamps."""
        table = DeltaReader(self._path, self._columns)
        return table.days(self._history) if table.is_history else [self._history.first_day]

    def read(self, day: date) -> Delivery:
        """The records that belong to the day, in the order of the table."""
        table = DeltaReader(self._path, self._columns)
        first_day = self._history.first_day
        if table.is_history:
            return _delivery([table.part_of(day, self._history)], latest_day=day + _ONE_DAY)
        if day != first_day:
            return _nothing(
                f"{self.description} has no timestamp column and belongs to {first_day}: {day} has no records."
            )
        return _delivery([table.part()], latest_day=self._history.latest_day)


class SyntheticSource:
    """A synthetic population: all its members on the first day, arrivals and changes on every later one."""

    def __init__(self, population: SyntheticPopulation, *, first_day: date) -> None:
        self.description = f"synthetic population of {population.members:,} members"
        self.population = population
        self.first_day = first_day

    def days(self) -> list[date]:
        """The first few days; records can be read for any later day as well."""
        return [self.first_day + offset * _ONE_DAY for offset in range(_SYNTHETIC_DAYS)]

    def read(self, day: date) -> Delivery:
        """The day's records; none before the first day."""
        if day < self.first_day:
            return _nothing(f"The synthetic population begins on {self.first_day}: {day} has no records.")
        part = synthetic_part(self.population, first_day=self.first_day, day=day)
        return _delivery([part], latest_day=day + _ONE_DAY)


def _table_named(name: str, lakehouse_root: Path) -> Path:
    path = lakehouse_root / name
    if not is_delta_table(path):
        raise SourceError(
            f"HEALTHCARE_SOURCE is {name}, and there is no Delta table {path}: "
            "correct the name, or give a file with its ending or a folder with a /."
        )
    return path


def open_part(path: Path, declared: Declared) -> Part:
    """The file or Delta table, its header checked against the declared columns; SourceError when it does not do."""
    if is_delta_table(path):
        return DeltaReader(path, declared).part()
    return open_parquet(path, declared) if is_parquet(path) else open_csv(path, declared)


def _delivery(parts: Sequence[Part], *, latest_day: date) -> Delivery:
    notes = [note for part in parts for note in part.notes]
    without_ids = [part.name for part in parts if not part.header.has_ids]
    if without_ids and len(without_ids) == len(parts):
        notes.append(_DERIVED_IDS)
    else:
        notes.extend(f"{name} has no patient_id column: ids are derived from its records." for name in without_ids)
    return Delivery(batches=bronze_batches(parts, cutoff=latest_day), notes=tuple(notes))


def _nothing(note: str) -> Delivery:
    return Delivery(batches=iter(()), notes=(note,))
