"""The tables, behind one interface with two implementations: Polars + deltalake, and Spark + Delta.

Frame logic itself is written once, in Narwhals. Only what no neutral expression says is here: reading and writing
tables, the latest record of a key, and mapping Arrow batches through Python.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import narwhals as nw

from healthcare_assets.domain.columns import Column, Table
from healthcare_assets.domain.key_ranges import EVERY_KEY, KeyRange
from healthcare_assets.policy import MaintenanceRules
from healthcare_assets.resources.compaction import Compaction
from healthcare_assets.resources.journal import Journal

if TYPE_CHECKING:
    import pyarrow as pa

Frame = nw.LazyFrame[Any]
Stage = Callable[[KeyRange], tuple[Frame, Frame]]
"""The rows to upsert and the keys to delete of a range of keys."""
TABLE_PROPERTIES = {"delta.dataSkippingNumIndexedCols": "0"}
"""Of every table that is made. By default Delta keeps the least and the greatest value of each column of a file in its
log, which would be some patient's name, and stay there after the file is gone."""
BatchFunction = Callable[["pa.RecordBatch"], "pa.RecordBatch"]


class Lakehouse(Protocol):
    """Reads and writes Delta tables. Every frame is a lazy Narwhals frame; nothing is collected unless asked for."""

    engine: str
    """`polars` or `spark`."""
    keys_at_a_time: int | None
    """How many rows this engine groups or joins by key in memory; None when it divides and spills by itself."""
    journal: Journal
    """What was read and written, for who asks for it."""

    def location(self, table: Table) -> str:
        """Where the table lies: a path, or a catalog name."""
        ...

    def scan(self, table: Table, *, day: date | None = None) -> Frame:
        """The table, or one day of a daily table, whose other days' files are not opened.

        An absent table reads as an empty one with the declared columns. LakehouseError when the table cannot be read,
        or was made with other columns.
        """
        ...

    def days(self, table: Table) -> list[date]:
        """The days that a daily table holds rows for, ascending. Reads no row: the log, or the footers of files."""
        ...

    def version(self, table: Table) -> int | None:
        """The table's latest Delta version; None when there is no table yet."""
        ...

    def replace_day(self, table: Table, day: date, *frames: Frame, note: str | None = None) -> int:
        """Replace the day's rows with those of one frame or more, atomically; returns the rows written.

        The frames are computed in turn, so that no more than one is held at a time.

        Sets the partition column itself, whatever the frame holds there, if it holds it at all. Rows of other days are
        never touched, and writers of different days do not disturb each other. An empty frame leaves the day empty.
        LakehouseError when the frame's columns are not the table's. `note` stays with the commit, see `notes`.
        """
        ...

    def replace(self, table: Table, *frames: Frame, note: str) -> int:
        """Replace all rows of an undated table, as `replace_day` does those of a day; returns the rows written."""
        ...

    def drop_days(self, table: Table, *, before: date) -> list[date]:
        """Delete the rows of a daily table's earlier days, atomically; returns the days that there were."""
        ...

    def notes(self, table: Table) -> list[str]:
        """What `replace_day` and `replace` were told to note, of all commits that the table's log still knows."""
        ...

    def append(self, table: Table, frame: Frame) -> int:
        """Append the frame's rows to an undated table; returns the rows written."""
        ...

    def append_next(self, table: Table, stage: Callable[[], tuple[Frame, int]]) -> None:
        """Append to an undated table what `stage` makes of its present state, and the number that this has in it.

        Numbers ascend from one such append to the next. Of several writers who give the same number one comes first,
        and `stage` is called again for each other one.
        """
        ...

    def update(self, table: Table, stage: Stage, ranges: Sequence[KeyRange] = (EVERY_KEY,)) -> int:
        """Upsert and delete rows of an undated table by its key, atomically; returns the rows upserted and deleted.

        `stage` is called for each range in turn with the table's present state visible to `scan`, and called again
        whenever another writer came first. It returns the rows to upsert (all columns) and the keys to delete (key
        columns), all of them within the range; the ranges together hold every key. A key that the table does not hold
        is no fault, one that is staged twice is a LakehouseError.
        """
        ...

    def latest(
        self, frame: Frame, *, key: Sequence[str], order_by: Sequence[str], count_as: str | None = None
    ) -> Frame:
        """One row a key: the one that is greatest by `order_by`, column by column, where null is less than any value.

        Which row wins a tie is not said: give an order that is total. `count_as` names a column to add: how many of
        the frame's rows the key has.
        """
        ...

    def map_batches(self, frame: Frame, function: BatchFunction, *, columns: Sequence[Column]) -> Frame:
        """Pass the frame through a Python function on Arrow batches, streaming; `columns` declares its result.

        The function must treat each row by itself: where one batch ends and the next begins is the engine's choice.
        """
        ...

    def from_batches(self, batches: "Iterable[pa.RecordBatch]", *, columns: Sequence[Column]) -> Frame:
        """A frame of the batches, which are consumed once, streaming."""
        ...

    def streamed(self, batches: "Iterable[pa.RecordBatch]", *, columns: Sequence[Column]) -> Frame:
        """As `from_batches`, for a frame that is read once: what the batches raise is raised where it is computed."""
        ...

    def once(self, frame: Frame) -> Frame:
        """The frame, computed now and written down, for a plan that reads it more than once: it is not computed again.

        What was written down is gone with the last plan that reads it, or with the process.
        """
        ...

    def divided(self, frame: Frame, ranges: Sequence[KeyRange]) -> list[Frame]:
        """As `once`, a frame for each of the ranges, which follow each other and together hold every key.

        Rows without a key are in the first.
        """
        ...

    def compact(self, table: Table, *, rules: MaintenanceRules) -> Compaction | None:
        """Make few files of many small ones, and delete what no retained version needs; None when there is no table.

        No row changes, other writers are not disturbed, and a second call finds nothing to do.
        """
        ...

    def forget_past(self, table: Table) -> None:
        """Delete every file that the present version does not consist of: no earlier version can be read any more.

        Who reads an earlier version, or writes to the table at this moment, fails.
        """
        ...

    def collect(self, frame: Frame) -> "pa.Table":
        """The frame's rows, in memory: for aggregates and the training sample only."""
        ...
