"""The lakehouse on Spark with Delta Lake: a Spark of this machine, a Spark Connect server, or a Databricks cluster."""

import atexit
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.columns import PARTITION_COLUMN, Column, Table
from healthcare_assets.domain.key_ranges import EVERY_KEY, KeyRange, range_number
from healthcare_assets.errors import LakehouseError
from healthcare_assets.policy import MaintenanceRules
from healthcare_assets.resources import spark_maintenance
from healthcare_assets.resources.arrow_types import (
    arrow_schema,
    declared_batch,
    plain_batch,
    plain_schema,
)
from healthcare_assets.resources.compaction import Compaction
from healthcare_assets.resources.journal import Journal
from healthcare_assets.resources.lakehouse import BatchFunction, Frame, Stage
from healthcare_assets.resources.private_folder import keep_private
from healthcare_assets.resources.scratch import scratch_folder, write_batches
from healthcare_assets.resources.spark_ddl import columns_ddl, create_statement
from healthcare_assets.resources.spark_faults import blame, is_absent, is_conflict, spark_errors
from healthcare_assets.resources.spark_frames import REPEATED, fitted, merge_statement, neutral, staged
from healthcare_assets.resources.table_faults import (
    CommitConflictError,
    check_dated,
    check_no_data_without_log,
    check_stored_columns,
    repeated_keys,
    retry_on_conflict,
    unreadable,
)

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

_RANK, _PART = "__rank", "__part"
_HISTORY = 100  # commits back, among which our own is looked for right after it was made


class SparkLakehouse:
    """Delta tables below a folder or URI `root`, or in a Unity Catalog schema when `root` is `<catalog>.<schema>`.

    `scratch` is a folder that this process and Spark both reach, such as one in a volume; a root on this machine's disk
    has its own.
    """

    engine: str = "spark"
    keys_at_a_time: int | None = None

    def __init__(self, session: "SparkSession", root: str, *, scratch: Path | None = None) -> None:
        self.session = session
        self.root = root
        self.journal = Journal()
        self._scratch = Path(root) / ".scratch" if scratch is None and root.startswith("/") else scratch

    def location(self, table: Table) -> str:
        return f"{self.root}/{table.name}" if "/" in self.root else f"{self.root}.{table.name}"

    def scan(self, table: Table, *, day: date | None = None) -> Frame:
        from pyspark.sql import functions as sf

        stored = self._stored(table)
        self.journal.has_read(table.name, lambda: self.version(table))
        if stored is None:
            stored = self.session.createDataFrame([], columns_ddl(table.columns))
        frame = stored.select(*table.column_names)
        return neutral(frame if day is None else frame.filter(sf.col(PARTITION_COLUMN) == sf.lit(day)))

    def days(self, table: Table) -> list[date]:
        check_dated(table, daily=True, operation="days")
        stored = self._stored(table)
        rows = [] if stored is None else stored.select(PARTITION_COLUMN).distinct().collect()
        return sorted(row[PARTITION_COLUMN] for row in rows)

    def version(self, table: Table) -> int | None:
        if self._stored(table) is None:
            return None
        (latest,) = self.session.sql(f"DESCRIBE HISTORY {self._address(table)} LIMIT 1").select("version").collect()
        return int(latest["version"])

    def replace_day(self, table: Table, day: date, *frames: Frame, note: str | None = None) -> int:
        from pyspark.sql import functions as sf

        check_dated(table, daily=True, operation="replace_day")
        columns = table.content_columns
        contents = [neutral(frame.to_native().drop(PARTITION_COLUMN)) for frame in frames]
        rows = fitted(nw.concat(contents), columns, subject=f"The frame for {table.name}")
        dated = rows.withColumn(PARTITION_COLUMN, sf.lit(day)).select(*table.column_names)
        return self._write(table, dated, replaced=sf.col(PARTITION_COLUMN) == sf.lit(day), note=note)

    def replace(self, table: Table, *frames: Frame, note: str) -> int:
        from pyspark.sql import functions as sf

        check_dated(table, daily=False, operation="replace")
        rows = fitted(nw.concat(frames), table.columns, subject=f"The frame for {table.name}")
        return self._write(table, rows, replaced=sf.lit(True), note=note)  # noqa: FBT003

    def append(self, table: Table, frame: Frame) -> int:
        check_dated(table, daily=False, operation="append")
        return self._write(table, fitted(frame, table.columns, subject=f"The frame for {table.name}"), replaced=None)

    def append_next(self, table: Table, stage: Callable[[], tuple[Frame, int]]) -> None:
        check_dated(table, daily=False, operation="append_next")

        def attempt() -> None:
            with self._blaming():
                self._make(table)
                frame, number = stage()
                mark = uuid4().hex
                rows = fitted(frame, table.columns, subject=f"The frame for {table.name}")
                # Delta takes a number of an application once: it leaves out a second write, or fails it as a conflict.
                once = {"userMetadata": mark, "txnAppId": table.name, "txnVersion": str(number)}
                rows.writeTo(self._address(table)).options(**once).append()
                if not self._rows_written(table, mark):
                    raise CommitConflictError(f"{table.name} has a number {number} already")

        retry_on_conflict(table, self.location(table), attempt)

    def drop_days(self, table: Table, *, before: date) -> list[date]:
        check_dated(table, daily=True, operation="drop_days")
        dropped = [day for day in self.days(table) if day < before]
        earlier = f"{PARTITION_COLUMN} < DATE '{before.isoformat()}'"

        def attempt() -> None:
            with self._blaming():
                self.session.sql(f"DELETE FROM {self._address(table)} WHERE {earlier}").collect()  # noqa: S608 (a date)

        if dropped:
            retry_on_conflict(table, self.location(table), attempt)
            self.journal.has_written(table.name, lambda: self.version(table))
        return dropped

    def update(self, table: Table, stage: Stage, ranges: Sequence[KeyRange] = (EVERY_KEY,)) -> int:
        check_dated(table, daily=False, operation="update")
        return retry_on_conflict(table, self.location(table), lambda: self._update_once(table, stage, ranges))

    def latest(
        self, frame: Frame, *, key: Sequence[str], order_by: Sequence[str], count_as: str | None = None
    ) -> Frame:
        from pyspark.sql import Window
        from pyspark.sql import functions as sf

        rows: DataFrame = frame.to_native()
        of_key = Window.partitionBy(*key)
        if count_as is not None:
            rows = rows.withColumn(count_as, sf.count(sf.lit(1)).over(of_key))
        greatest_first = of_key.orderBy(*(sf.col(name).desc_nulls_last() for name in order_by))
        ranked = rows.withColumn(_RANK, sf.row_number().over(greatest_first))
        return neutral(ranked.filter(sf.col(_RANK) == 1).drop(_RANK))

    def map_batches(self, frame: Frame, function: BatchFunction, *, columns: Sequence[Column]) -> Frame:
        declared = arrow_schema(columns)

        def mapped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                if batch.num_rows:
                    yield declared_batch(function(plain_batch(batch)), declared)

        native: DataFrame = frame.to_native()
        return neutral(native.mapInArrow(mapped, columns_ddl(columns)))

    def from_batches(self, batches: Iterable[pa.RecordBatch], *, columns: Sequence[Column]) -> Frame:
        file = self._staging / f"{uuid4().hex}.parquet"
        write_batches(batches, file, arrow_schema(columns))
        return neutral(self.session.read.schema(columns_ddl(columns)).parquet(str(file)))

    def streamed(self, batches: Iterable[pa.RecordBatch], *, columns: Sequence[Column]) -> Frame:
        return self.from_batches(batches, columns=columns)

    def once(self, frame: Frame) -> Frame:
        native: DataFrame = frame.to_native()
        folder = str(self._staging / f"{uuid4().hex}.parquet")
        with self._blaming():
            native.write.parquet(folder)
        return neutral(self.session.read.schema(native.schema).parquet(folder))

    def divided(self, frame: Frame, ranges: Sequence[KeyRange]) -> list[Frame]:
        rows = self.once(frame.with_columns(range_number(ranges).alias(_PART)))
        return [rows.filter(nw.col(_PART) == number).drop(_PART) for number in range(len(ranges))]

    def compact(self, table: Table, *, rules: MaintenanceRules) -> Compaction | None:
        def attempt() -> Compaction | None:
            with self._blaming():
                if self._stored(table) is None:
                    return None
                compaction = spark_maintenance.compact(self.session, self._address(table), rules=rules)
                self.journal.has_written(table.name, lambda: self.version(table))
                return compaction

        return retry_on_conflict(table, self.location(table), attempt)

    def collect(self, frame: Frame) -> pa.Table:
        with self._blaming():
            rows = frame.to_native().toArrow()
        return rows.cast(plain_schema(rows.schema))

    @property
    def _in_unity_catalog(self) -> bool:
        """Spark's own session catalog has names of two parts, and is no Unity Catalog."""
        return "/" not in self.root and not self.root.startswith("spark_catalog.")

    def _address(self, table: Table) -> str:
        """The table in a SQL statement."""
        return f"delta.`{self.location(table)}`" if "/" in self.root else self.location(table)

    @cached_property
    def _staging(self) -> Path:
        """A folder that lasts as long as the process, since nobody knows when Spark is done with a frame."""
        if self._scratch is None:
            raise LakehouseError(f"The lakehouse {self.root} has no scratch folder: name one, such as a volume's path.")
        stack = ExitStack()
        atexit.register(stack.close)
        return stack.enter_context(scratch_folder(self._scratch))

    def _stored(self, table: Table) -> "DataFrame | None":
        """The table as stored at present, or None when there is none."""
        from pyspark.sql.pandas.types import to_arrow_schema

        try:
            stored = self.session.table(self._address(table))
            schema = stored.schema
        except spark_errors() as error:
            if not is_absent(error):
                raise unreadable(table.name, self.location(table), str(error)) from error
            check_no_data_without_log(table, Path(self.location(table)))
            return None
        if not schema.fields:  # another writer is making the table at this moment
            return None
        check_stored_columns(table, self.location(table), to_arrow_schema(schema, timezone="UTC"))
        return stored

    def _make(self, table: Table) -> None:
        """Make the empty table, unless it is there. A race of two is a conflict for the second."""
        if self.root.startswith("/"):
            keep_private(table, Path(self.location(table)))
        if self._stored(table) is None:
            self.session.sql(create_statement(table, self._address(table), in_unity_catalog=self._in_unity_catalog))
            if self._stored(table) is None:  # what is there already is not yet a table
                raise CommitConflictError(f"{table.name} is in the making")

    def notes(self, table: Table) -> list[str]:
        with self._blaming():
            if self._stored(table) is None:
                return []
            return spark_maintenance.notes(self.session, self._address(table))

    def forget_past(self, table: Table) -> None:
        if self._stored(table) is not None:
            with self._blaming():
                spark_maintenance.forget_past(self.session, self._address(table))
            self.journal.has_written(table.name, lambda: self.version(table))

    def _write(
        self, table: Table, rows: "DataFrame", *, replaced: "SparkColumn | None", note: str | None = None
    ) -> int:
        def attempt() -> int:
            with self._blaming():
                self._make(table)
                mark = f"{uuid4().hex}{spark_maintenance.NOTE}{note or ''}"
                writer = rows.writeTo(self._address(table)).option("userMetadata", mark)
                if replaced is None:
                    writer.append()
                else:
                    writer.overwrite(replaced)
                return self._rows_written(table, mark)

        return retry_on_conflict(table, self.location(table), attempt)

    def _rows_written(self, table: Table, mark: str) -> int:
        """What Delta counted as it made the commit that bears the mark; nothing in nothing's place makes none."""
        history = self.session.sql(f"DESCRIBE HISTORY {self._address(table)} LIMIT {_HISTORY}")
        commits = history.filter(history["userMetadata"] == mark).select("version", "operationMetrics").collect()
        if not commits:
            return 0
        self.journal.has_written(table.name, lambda: int(commits[0]["version"]))
        return int(commits[0]["operationMetrics"].get("numOutputRows", 0))

    def _update_once(self, table: Table, stage: Stage, ranges: Sequence[KeyRange]) -> int:
        """One MERGE, which reads the table in the same transaction as the stage does, and the stage's rows once."""
        view = f"staged_{uuid4().hex}"
        with self._blaming():
            self._make(table)
            upserts, deletes = (nw.concat(frames) for frames in zip(*(stage(keys) for keys in ranges), strict=True))
            staged(table, upserts, deletes).createOrReplaceTempView(view)
            try:
                changed = self.session.sql(merge_statement(table, self._address(table), view)).collect()
            except spark_errors() as error:
                if REPEATED in str(error):
                    raise repeated_keys(table) from error
                raise
            finally:
                self.session.catalog.dropTempView(view)
        self.journal.has_written(table.name, lambda: self.version(table))
        return int(changed[0]["num_affected_rows"])

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        """A lost race is told as a conflict, a fault in a file of a table as that table's."""
        try:
            yield
        except spark_errors() as error:
            if is_conflict(error):
                raise CommitConflictError(str(error)) from error
            told = blame(error, self.root)
            if told is None:
                raise
            raise told from error
