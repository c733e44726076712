"""Where costs come from as they become known: files, a Delta table, or the synthetic population.

Which day a cost belongs to: with `{date}` in the path, the file's; else the day of its known_date; in a source that has
no such column each cost counts as known on its service date.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from healthcare_assets.domain.monitoring.outcomes import DELIVERED_COLUMNS, OUTCOME_SOURCE_COLUMNS
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.errors import SourceError
from healthcare_assets.resources import source_paths
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.source import Delivery, Source, SyntheticSource, open_part
from healthcare_assets.resources.source_batches import Part, Rows, declared_values, numbered
from healthcare_assets.resources.source_columns import OUTCOME_COLUMNS
from healthcare_assets.resources.source_delta import DeltaReader, History, is_delta_table
from healthcare_assets.resources.source_synthetic import synthetic_outcomes_part

_TABLE_NAME = re.compile(r"\w[\w-]*")
_SCHEMA = arrow_schema(DELIVERED_COLUMNS)
_WITHOUT_KNOWN_DATE = (
    "{place} has no known_date column: each cost counts as known on its service date, although costs become known "
    "later; add a known_date column, or deliver a file a day and put {{date}} into the path."
)


class OutcomeSource(Protocol):
    """Gives the costs that became known on a day."""

    description: str

    def read(self, day: date) -> Delivery:
        """The day's costs, as batches of `DELIVERED_COLUMNS`. Raises SourceError, here or while they are read."""
        ...


def open_outcomes(
    spec: str, *, first_day: date, lakehouse_root: Path, ingested_at: datetime
) -> "DatedOutcomes | KnownOutcomes":
    """The source that `HEALTHCARE_OUTCOMES` names: a CSV, Parquet or Delta path, a glob, a path with `{date}`, or the
    bare name of a Delta table under the lakehouse's root.

    `ingested_at` (with a time zone) bounds what counts as the future. Raises SourceError when nothing is found.
    """
    history = History(first_day=first_day, latest_day=(ingested_at + timedelta(days=1)).astimezone(UTC).date())
    spec = spec.strip()
    if _TABLE_NAME.fullmatch(spec):
        path = lakehouse_root / spec
        if not is_delta_table(path):
            raise SourceError(
                f"HEALTHCARE_OUTCOMES is {spec}, and there is no Delta table {path}: "
                "correct the name, or give a file with its ending or a folder with a /."
            )
        return KnownOutcomes(str(path), history)
    pattern = str(Path(spec).expanduser())
    return DatedOutcomes(pattern) if source_paths.is_dated(pattern) else KnownOutcomes(pattern, history)


def outcomes_beside(source: Source) -> "SyntheticOutcomes | NoOutcomes":
    """The costs that come with a source of patient records: the synthetic population's; of any other there are none."""
    if isinstance(source, SyntheticSource):
        return SyntheticOutcomes(source.population, first_day=source.first_day)
    return NoOutcomes()


class DatedOutcomes:
    """Files by a path with `{date}`: what a day's files hold became known on that day."""

    def __init__(self, pattern: str) -> None:
        self.description = f"files {pattern}"
        self._pattern = pattern

    def read(self, day: date) -> Delivery:
        """The costs of the day's files, one file after the other in the order of their names."""
        paths = source_paths.files(self._pattern, day)
        if not paths:
            # There may be none at all yet: the first costs become known weeks after the first records.
            return _nothing(
                f"There is no file {source_paths.of_day(self._pattern, day)}: no cost became known that day."
            )
        return _delivery([open_part(path, OUTCOME_COLUMNS) for path in paths], known_expected=False)


class KnownOutcomes:
    """Files or Delta tables whose records say themselves when they became known."""

    def __init__(self, pattern: str, history: History) -> None:
        self._pattern = pattern
        self._history = history
        self.description = f"Delta table {pattern}" if is_delta_table(Path(pattern)) else f"files {pattern}"
        self._paths()

    def read(self, day: date) -> Delivery:
        """The costs that became known on the day, in the order of the files and their rows.

        What cannot be dated, or is dated before the first day or in the future, belongs to the first day: nothing is
        lost, and what is wrong is refused there.
        """
        return _delivery([self._part(path, day) for path in self._paths()], known_expected=True)

    def _paths(self) -> list[Path]:
        paths = source_paths.files(self._pattern)
        if not paths:
            raise SourceError(f"HEALTHCARE_OUTCOMES is {self._pattern}, and no such file exists: correct the path.")
        return paths

    def _part(self, path: Path, day: date) -> Part:
        if is_delta_table(path):
            return DeltaReader(path, OUTCOME_COLUMNS).part_of(day, self._history)
        part = open_part(path, OUTCOME_COLUMNS)
        dated_by = next(part.header.declared[name] for name in OUTCOME_COLUMNS.dated_by if name in part.header.declared)
        return replace(part, rows=_belonging(part.rows, dated_by, day, self._history))


class SyntheticOutcomes:
    """The costs of a synthetic population's arrivals, two to six weeks after their records."""

    def __init__(self, population: SyntheticPopulation, *, first_day: date) -> None:
        self.description = f"synthetic population of {population.members:,} members"
        self._population = population
        self._first_day = first_day

    def read(self, day: date) -> Delivery:
        """The costs that became known on the day."""
        part = synthetic_outcomes_part(self._population, first_day=self._first_day, day=day)
        return _delivery([part], known_expected=False)


class NoOutcomes:
    """Nothing ever becomes known."""

    description = "none"

    def read(self, day: date) -> Delivery:
        """No costs, and what to do about it."""
        return _nothing(
            f"Nothing says what patients turned out to cost by {day}: set HEALTHCARE_OUTCOMES to the file, glob, "
            "{date} path or table with the columns patient_id, charges and service_date."
        )


def _belonging(rows: Iterable[Rows], dated_by: int, day: date, history: History) -> Iterator[Rows]:
    """The rows whose date, in the column at the position, makes them the day's."""
    for some in rows:
        belongs = (history.days_of(some.columns[dated_by]) == day).to_arrow()
        yield Rows(
            columns=tuple(column.filter(belongs) for column in some.columns),
            malformed=None if some.malformed is None else some.malformed.filter(belongs),
            raw=None if some.raw is None else some.raw.filter(belongs),
        )


def _delivery(parts: list[Part], *, known_expected: bool) -> Delivery:
    """`known_expected`: whether a known_date, where there is such a column, says to which day a record belongs."""
    notes = [note for part in parts for note in part.notes]
    if known_expected:
        without = [part.name for part in parts if "known_date" not in part.header.declared]
        notes.extend(_WITHOUT_KNOWN_DATE.format(place=name) for name in without)
    return Delivery(batches=_batches(parts, known_expected=known_expected), notes=tuple(notes))


def _batches(parts: list[Part], *, known_expected: bool) -> Iterator[pa.RecordBatch]:
    for part, rows, source_row in numbered(parts):
        values = declared_values(part, rows, OUTCOME_SOURCE_COLUMNS)
        expected = known_expected and "known_date" in part.header.declared
        values["known_expected"] = pa.array(np.full(len(source_row), expected))
        values["source_row"] = source_row
        yield pa.RecordBatch.from_arrays([values[name] for name in _SCHEMA.names], schema=_SCHEMA)


def _nothing(note: str) -> Delivery:
    return Delivery(batches=iter(()), notes=(note,))
