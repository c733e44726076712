"""Reading a Delta table: whole, or one day of it when it is a history.

The table is read by deltalake's own query engine, in one partition: so it streams in flat memory, in the same order
every time, and it reads what other readers do not: deletion vectors, which Databricks writes by default, and renamed
columns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import narwhals as nw
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from healthcare_assets.domain import parsing
from healthcare_assets.errors import SourceError
from healthcare_assets.resources.source_batches import Part, Rows
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, Declared, match_header
from healthcare_assets.resources.source_text import as_text

BATCH_ROWS = 50_000
_ONE_PARTITION = {"datafusion.execution.target_partitions": "1", "datafusion.execution.batch_size": str(BATCH_ROWS)}


def is_delta_table(path: Path) -> bool:
    """Whether the path is a folder that holds a Delta table."""
    return (path / "_delta_log").is_dir()


@dataclass(frozen=True, kw_only=True)
class History:
    """Which day (UTC) a record of a dated source belongs to: the day of its timestamp, if that lies between the first
    day and the latest; the first day otherwise, and for a record without a readable timestamp."""

    first_day: date
    latest_day: date

    def days_of(self, timestamps: pa.Array) -> pl.Series:
        """The day of each record, by its timestamp in whatever type."""
        written = _days_written(timestamps)
        in_range = written.is_between(self.first_day, self.latest_day).fill_null(value=False)
        return pl.select(pl.when(in_range).then(written).otherwise(self.first_day)).to_series()


class DeltaReader:
    """The present version of a Delta table.

    Raises SourceError when the table cannot be read or lacks required columns.
    """

    def __init__(self, path: Path, declared: Declared = PATIENT_COLUMNS) -> None:
        self._path = path
        with _readable(path):
            self._table = DeltaTable(path)
            self._schema = pa.schema(self._table.schema().to_arrow())
        self._header = match_header(self._schema.names, place=f"Delta table {path}", declared=declared)
        positions = self._header.declared
        position = next((positions[name] for name in declared.dated_by if name in positions), None)
        self._timestamp = None if position is None else self._schema.field(position)

    @property
    def is_history(self) -> bool:
        """Whether the table has a timestamp column, so that its records belong to days."""
        return self._timestamp is not None

    def days(self, history: History) -> list[date]:
        """The days that the table has records for, ascending."""
        found: set[date] = set()
        for batch in self._batches(_quoted(self._dated().name)):
            found.update(history.days_of(batch.column(0)).unique().to_list())
        return sorted(found)

    def part(self) -> Part:
        """All rows; they are read when they are asked for."""
        return self._part(_rows(batch) for batch in self._batches("*"))

    def part_of(self, day: date, history: History) -> Part:
        """The rows that belong to the day; they are read when they are asked for."""
        return self._part(self._rows_of(day, history))

    def _part(self, rows: Iterator[Rows]) -> Part:
        return Part(name=str(self._path), header=self._header, rows=rows)

    def _rows_of(self, day: date, history: History) -> Iterator[Rows]:
        timestamp = self._dated()
        for batch in self._batches("*", where="" if day == history.first_day else _written_on(day, timestamp)):
            belongs = history.days_of(batch.column(timestamp.name)) == day
            if belongs.any():
                yield _rows(batch, belongs.to_arrow())

    def _batches(self, columns: str, *, where: str = "") -> Iterator[pa.RecordBatch]:
        with _readable(self._path):
            query = QueryBuilder(_ONE_PARTITION).register("records", self._table)
            found = query.execute(f"SELECT {columns} FROM records {where}")  # noqa: S608  # names are quoted
            yield from pa.RecordBatchReader.from_stream(found)

    def _dated(self) -> pa.Field:
        if self._timestamp is None:
            raise SourceError(f"Delta table {self._path} has no timestamp column: its records belong to no day.")
        return self._timestamp


def _rows(batch: pa.RecordBatch, chosen: pa.Array | None = None) -> Rows:
    columns = (as_text(column) for column in batch.columns)
    return Rows(columns=tuple(columns if chosen is None else (column.filter(chosen) for column in columns)))


def _days_written(timestamps: pa.Array) -> pl.Series:
    """The day (UTC) of each timestamp, null where it is unreadable. Text is read as cleaning reads it."""
    if pa.types.is_date(timestamps.type):
        return pl.Series("written", timestamps, dtype=pl.Date)
    if pa.types.is_timestamp(timestamps.type):
        instants = timestamps.cast(pa.timestamp(timestamps.type.unit))
        return pl.Series("written", instants).dt.date()
    text = nw.from_native(pl.LazyFrame({"written": pl.Series(as_text(timestamps))}))
    frame: pl.LazyFrame = parsing.with_instant(
        text.with_columns(parsing.text("written").alias("written")), "written"
    ).to_native()
    instant, day = pl.from_epoch("written_instant", time_unit="us"), pl.from_epoch("written_days", time_unit="d")
    return frame.select(pl.coalesce(instant.dt.date(), day).alias("written")).collect().to_series()


def _written_on(day: date, timestamp: pa.Field) -> str:
    """Leaves files and rows of other days unread, where the column's type allows to compare it."""
    if not (pa.types.is_date(timestamp.type) or pa.types.is_timestamp(timestamp.type)):
        return ""
    kind = "Date32" if pa.types.is_date(timestamp.type) else _SQL_TYPES[timestamp.type.tz]
    first, behind = (f"arrow_cast('{moment}', '{kind}')" for moment in (day, day + timedelta(days=1)))
    return f"WHERE {_quoted(timestamp.name)} >= {first} AND {_quoted(timestamp.name)} < {behind}"


_SQL_TYPES = {None: "Timestamp(Microsecond, None)", "UTC": 'Timestamp(Microsecond, Some("UTC"))'}
"""Delta knows no other timestamps."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise SourceError(
            f"Delta table {path} cannot be read ({type(error).__name__}): check that its files are there and that it "
            "uses no feature newer than deltalake knows."
        ) from error
