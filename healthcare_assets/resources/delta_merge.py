"""Upserts and deletes by key in an undated Delta table on this machine's disk.

The staged rows are written down once, so that every step sees the same; then the files that hold one of their keys,
and no others, are written anew without these keys and with the upserted rows. Measured: 100k staged rows into 1M take
half the time of delta-rs' MERGE, into 4M a third of its time and half of its memory.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from healthcare_assets.domain.columns import Table
from healthcare_assets.resources import delta_files
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.table_faults import repeated_keys

DELETED = "__deleted"
"""Marks the staged rows that only name a key to delete."""
_FILE = "__file"


def merge(table: Table, folder: Path, delta: DeltaTable, *, staged: pl.LazyFrame, scratch: Path) -> int:
    """Merge the staged rows into the table as `delta` has it open; returns the rows upserted and deleted.

    `staged` has the table's columns and `DELETED`. CommitConflictError when another commit came first.
    LakehouseError when a key is staged twice.
    """
    staged_file = scratch / "staged.parquet"
    staged.sink_parquet(staged_file, engine="streaming", row_group_size=delta_files.ROWS_PER_GROUP)
    staged = pl.scan_parquet(staged_file)
    upserts = staged.filter(~pl.col(DELETED)).select(table.column_names)
    _check_keys(table, staged)
    stored = {str(folder / file.path): file for file in delta_files.stored_files(delta)}
    deleted_from = _touched(table, staged, list(stored))
    kept = _scan(table, list(deleted_from)).join(staged, on=table.key, how="anti", nulls_equal=True)
    written = delta_files.write_files(pl.concat([kept.select(table.column_names), upserts]), scratch)
    upserted: int = upserts.select(pl.len()).collect().item()
    delta_files.commit(delta, folder, written, removed=[stored[path] for path in deleted_from], note="update")
    return upserted + sum(deleted_from.values())


def _touched(table: Table, staged: pl.LazyFrame, paths: Sequence[str]) -> dict[str, int]:
    """The files that hold a staged key, each with the number of its rows that are to be deleted."""
    hits = _scan(table, paths).select(*table.key, _FILE).join(staged, on=table.key, nulls_equal=True)
    counts = hits.group_by(_FILE).agg(pl.col(DELETED).sum()).collect(engine="streaming")
    return dict(counts.iter_rows())


def _scan(table: Table, paths: Sequence[str]) -> pl.LazyFrame:
    """The files' rows; `_FILE` says from which. No file reads as no row."""
    schema = pl.Schema(arrow_schema(table.columns))
    if not paths:
        return pl.LazyFrame(schema={**schema, _FILE: pl.String})
    # Spark may write timestamps with nanoseconds.
    casts = pl.ScanCastOptions(datetime_cast=["nanosecond-downcast", "convert-timezone"])
    return pl.scan_parquet(list(paths), schema=schema, cast_options=casts, include_file_paths=_FILE)


def _check_keys(table: Table, staged: pl.LazyFrame) -> None:
    repeated = staged.group_by(table.key).len().filter(pl.col("len") > 1)
    if repeated.head(1).collect(engine="streaming").height:
        raise repeated_keys(table)
