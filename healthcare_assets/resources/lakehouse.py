"""The tables, behind one interface with two implementations: Polars + deltalake, and Spark + Delta.

Frame logic itself is written once, in Narwhals. Only what no neutral expression says is here: reading and writing
tables, the latest record of a key, and mapping Arrow batches through Python.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from healthcare_assets.domain.tables import Column, Table

if TYPE_CHECKING:
    import narwhals as nw
    import pyarrow as pa

    Frame = nw.LazyFrame[Any]
    BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]


class Lakehouse(Protocol):
    """Reads and writes Delta tables. Every frame is a lazy Narwhals frame; nothing is collected unless asked for."""

    engine: str
    """`polars` or `spark`."""

    def location(self, table: Table) -> str:
        """Where the table lies: a path, or a catalog name."""
        ...

    def scan(self, table: Table, *, day: date | None = None) -> "Frame":
        """The table, or one day of a daily table. An absent table reads as an empty one with the declared columns."""
        ...

    def days(self, table: Table) -> list[date]:
        """The days that a daily table holds rows for, ascending. Reads no data file."""
        ...

    def replace_day(self, table: Table, day: date, frame: "Frame") -> int:
        """Replace the day's rows with the frame's, atomically; returns the rows written.

        Sets the partition column itself. Rows of other days are never touched, and writers of different days do not
        disturb each other. An empty frame leaves the day empty.
        Raises LakehouseError when the frame's columns are not the table's.
        """
        ...

    def append(self, table: Table, frame: "Frame") -> int:
        """Append the frame's rows; returns the rows written."""
        ...

    def update(self, table: Table, stage: "Callable[[], tuple[Frame, Frame]]") -> int:
        """Upsert and delete rows of an undated table by its key, atomically; returns the rows staged.

        `stage` is called with the table's present state visible to `scan`, and called again whenever another writer
        came first. It returns the rows to upsert (all columns) and the keys to delete (key columns).
        """
        ...

    def latest(self, frame: "Frame", *, key: Sequence[str], order_by: Sequence[str]) -> "Frame":
        """One row a key: the one that is greatest by `order_by` (descending, nulls last, ties broken by no means:
        give an order that is total)."""
        ...

    def map_batches(self, frame: "Frame", function: "BatchFunction", *, columns: Sequence[Column]) -> "Frame":
        """Pass the frame through a Python function on Arrow batches, streaming; `columns` declares its result.

        The function must treat each row by itself: where one batch ends and the next begins is the engine's choice.
        """
        ...

    def from_batches(self, batches: "Iterable[pa.RecordBatch]", *, columns: Sequence[Column]) -> "Frame":
        """A frame of the batches, which are consumed once, streaming."""
        ...

    def collect(self, frame: "Frame") -> "pa.Table":
        """The frame's rows, in memory: for aggregates and the training sample only."""
        ...
