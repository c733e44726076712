"""Delta tables on this machine's disk as files: write Parquet with Polars, commit which files the table consists of.

Polars' own Parquet sink takes a third of the time and memory of delta-rs' writer, writes the rows once however often
a commit has to be repeated, and says how many there were. A commit is made against exactly the version that was read,
or not at all.
"""

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from healthcare_assets.domain.columns import PARTITION_COLUMN, Table
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import TABLE_PROPERTIES
from healthcare_assets.resources.table_faults import CommitConflictError

if TYPE_CHECKING:
    from deltalake.table import FilePruningPredicateType, FilterType
    from polars.io.partition import SinkedPathsCallbackArgs

ROWS_PER_FILE = 2_000_000
"""About 100 MB of patients: large enough to read fast, small enough for several readers at once."""
ROWS_PER_GROUP = 131_072


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A Parquet file of a table; the path is relative to the table's folder."""

    path: str
    rows: int
    size: int
    """In bytes."""
    day: date | None = None

    @property
    def partition(self) -> dict[str, str | None]:
        return {} if self.day is None else {PARTITION_COLUMN: self.day.isoformat()}


@dataclass(frozen=True, kw_only=True)
class WrittenFiles:
    """Files that no table consists of yet; their paths are relative to `folder`."""

    folder: Path
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


class LocalDeltaTable(DeltaTable):
    """A table in a folder of this machine, its files as paths.

    `deltalake` gives percent-encoded URIs without a scheme, which Polars takes for paths: it then finds no file below a
    folder whose name has a blank or an umlaut.
    """

    def file_uris(
        self,
        partition_filters: "FilterType | None" = None,
        *,
        file_pruning_predicate: "FilePruningPredicateType | None" = None,
    ) -> list[str]:
        uris = super().file_uris(partition_filters, file_pruning_predicate=file_pruning_predicate)
        return [unquote(uri) for uri in uris]


def create(table: Table, folder: Path) -> None:
    """Make the empty table, unless it is there or another process makes it at this moment."""
    with suppress(CommitFailedError):
        DeltaTable.create(
            folder,
            arrow_schema(table.columns),
            mode="ignore",
            partition_by=[PARTITION_COLUMN] if table.daily else None,
            name=table.name,
            description=table.description,
            configuration=TABLE_PROPERTIES,
            commit_properties=CommitProperties(max_commit_retries=0),  # or it would be made a second time, as version 1
        )


def stored_files(delta: DeltaTable) -> list[DataFile]:
    """The files that the table consists of at the version that `delta` has open."""
    adds = pl.DataFrame(delta.get_add_actions(flatten=True))
    day = f"partition.{PARTITION_COLUMN}"
    return [
        DataFile(path=add["path"], rows=add["num_records"] or 0, size=add["size_bytes"], day=add.get(day))
        for add in adds.iter_rows(named=True)
    ]


def damaged_file(root: Path) -> tuple[str, DataFile] | None:
    """A table below `root` and a file of it that is gone, has another size than it was written with, or is unreadable.

    Polars names neither the table nor, for most faults, the file that it failed on.
    """
    for log in sorted(root.glob("*/_delta_log")):
        with suppress(DeltaError):  # a table whose log is damaged says so when it is opened
            for file in stored_files(DeltaTable(log.parent)):
                path = log.parent / file.path
                if not path.is_file() or path.stat().st_size != file.size or not _is_readable(path):
                    return log.parent.name, file
    return None


def _is_readable(path: Path) -> bool:
    """Reads the whole file, for whoever has a fault to explain already."""
    try:
        pl.scan_parquet(path).collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return False
    return True


def write_files(frames: Iterable[pl.LazyFrame], folder: Path, *, day: date | None = None) -> WrittenFiles:
    """Stream the frames, one after the other, into Parquet files in an existing folder; none for those without rows."""
    sinked: list[DataFile] = []

    def note(sink: "SinkedPathsCallbackArgs") -> None:
        sinked.extend(
            DataFile(path=str(Path(file.path).relative_to(folder)), rows=file.num_rows, size=file.num_bytes, day=day)
            for file in sink.paths
        )

    for number, frame in enumerate(frames):
        frame.sink_parquet(
            pl.PartitionBy(folder / str(number), max_rows_per_file=ROWS_PER_FILE, approximate_bytes_per_file=None),
            row_group_size=ROWS_PER_GROUP,
            compression_level=1,  # of zstd: as fast as snappy, and a third smaller
            sinked_paths_callback=note,
            engine="streaming",
            mkdir=True,
        )
    return WrittenFiles(folder=folder, files=tuple(file for file in sinked if file.rows))


def commit(delta: DeltaTable, folder: Path, written: WrittenFiles, *, removed: Sequence[DataFile], note: str) -> int:
    """Move written files into the table, which lies at `folder`, and remove others from it, in one step.

    Returns the table's version after it; `delta` has the one before it open as it had.

    Provided that nobody has written since `delta` was opened: else CommitConflictError, and all is as it was before
    the call, the written files too. Without files nothing is committed.
    """
    if not written.files and not removed:
        return int(delta.version())
    added = [replace(file, path=_path_in_table(file)) for file in written.files]
    for file, target in zip(written.files, added, strict=True):
        (folder / target.path).parent.mkdir(exist_ok=True)
        (written.folder / file.path).rename(folder / target.path)
    try:
        _commit(delta, added=added, removed=removed, note=note)
    except CommitConflictError:
        for file, target in zip(written.files, added, strict=True):
            (folder / target.path).rename(written.folder / file.path)
        raise
    return int(delta.version()) + 1


def _path_in_table(file: DataFile) -> str:
    name = f"part-{uuid4()}.parquet"
    return name if file.day is None else f"{PARTITION_COLUMN}={file.day.isoformat()}/{name}"


def _commit(delta: DeltaTable, *, added: Sequence[DataFile], removed: Sequence[DataFile], note: str) -> None:
    now, data_change = time.time_ns() // 1_000_000, True
    adds = [
        AddAction(
            path=file.path,
            size=file.size,
            partition_values=file.partition,
            modification_time=now,
            data_change=data_change,
            stats=json.dumps({"numRecords": file.rows}),
        )
        for file in added
    ]
    removes = [RemoveAction(file.path, data_change, now, file.size, file.partition) for file in removed]
    try:
        delta.create_write_transaction(
            [*adds, *removes],
            mode="append",
            schema=delta.schema(),
            partition_by=delta.metadata().partition_columns,
            commit_properties=CommitProperties(custom_metadata={"userMetadata": note}, max_commit_retries=0),
        )
    except CommitFailedError as error:
        raise CommitConflictError(str(error)) from error
    except DeltaError as error:
        raise LakehouseError(
            f"The table at {delta.table_uri} cannot be written: {error}. Check that the disk has room and is writable."
        ) from error
