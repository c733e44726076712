"""Upserts and deletes by key in an undated Delta table on this machine's disk.

The staged rows are written down once, so that every step sees the same; then the files that hold one of their keys,
and no others, are written anew without these keys and with the upserted rows. Measured: 100k staged rows into 1M take
half the time of delta-rs' MERGE, into 4M a third of its time and half of its memory.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import narwhals as nw
import polars as pl
from deltalake import DeltaTable

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.resources import delta_files
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.table_faults import repeated_keys

DELETED = "__deleted"
"""Marks the staged rows that only name a key to delete."""
_FILE = "__file"


def merge(
    table: Table, folder: Path, delta: DeltaTable, *, staged: Iterable[tuple[KeyRange, pl.LazyFrame]], scratch: Path
) -> int:
    """Merge the staged rows into the table as `delta` has it open; returns the rows upserted and deleted.

    `staged` gives each range of keys with its rows, which have the table's columns and `DELETED`; the ranges together
    hold every key. CommitConflictError when another commit came first. LakehouseError when a key is staged twice.
    """
    stored = {str(folder / file.path): file for file in delta_files.stored_files(delta)}
    parts: list[tuple[KeyRange, pl.LazyFrame]] = []
    upserted, deleted_from = 0, dict[str, int]()
    for number, (keys, rows) in enumerate(staged):
        file = scratch / f"staged-{number}.parquet"
        rows.sink_parquet(file, engine="streaming", compression_level=1, row_group_size=delta_files.ROWS_PER_GROUP)
        part = pl.scan_parquet(file)
        upserted += _checked_upserts(table, part)
        for path, deleted in _touched(table, part, keys, list(stored)).items():
            deleted_from[path] = deleted_from.get(path, 0) + deleted
        parts.append((keys, part))
    written = delta_files.write_files(
        (
            pl.concat([_kept(table, part, keys, list(deleted_from)), _upserts(part).select(table.column_names)])
            for keys, part in parts
        ),
        scratch,
    )
    delta_files.commit(delta, folder, written, removed=[stored[path] for path in deleted_from], note="update")
    return upserted + sum(deleted_from.values())


def _upserts(staged: pl.LazyFrame) -> pl.LazyFrame:
    return staged.filter(~pl.col(DELETED))


def _kept(table: Table, staged: pl.LazyFrame, keys: KeyRange, paths: Sequence[str]) -> pl.LazyFrame:
    """What the files hold of the range besides the staged keys."""
    others = _scan(table, keys, paths).join(staged, on=table.key, how="anti", nulls_equal=True)
    return others.select(table.column_names)


def _touched(table: Table, staged: pl.LazyFrame, keys: KeyRange, paths: Sequence[str]) -> dict[str, int]:
    """The files that hold a staged key, each with the number of its rows that are to be deleted."""
    hits = _scan(table, keys, paths).select(*table.key, _FILE).join(staged, on=table.key, nulls_equal=True)
    counts = hits.group_by(_FILE).agg(pl.col(DELETED).sum()).collect(engine="streaming")
    return dict(counts.iter_rows())


def _scan(table: Table, keys: KeyRange, paths: Sequence[str]) -> pl.LazyFrame:
    """The files' rows in the range; `_FILE` says from which. No file reads as no row."""
    schema = pl.Schema(arrow_schema(table.columns))
    if not paths:
        return pl.LazyFrame(schema={**schema, _FILE: pl.String})
    # Spark may write timestamps with nanoseconds.
    casts = pl.ScanCastOptions(datetime_cast=["nanosecond-downcast", "convert-timezone"])
    files = pl.scan_parquet(list(paths), schema=schema, cast_options=casts, include_file_paths=_FILE)
    rows: pl.LazyFrame = keys.of(nw.from_native(files)).to_native()
    return rows


def _checked_upserts(table: Table, staged: pl.LazyFrame) -> int:
    """How many rows there are to upsert, once it is sure that no key is staged twice."""
    repeated = staged.group_by(table.key).len().filter(pl.col("len") > 1)
    if repeated.head(1).collect(engine="streaming").height:
        raise repeated_keys(table)
    upserts: int = _upserts(staged).select(pl.len()).collect(engine="streaming").item()
    return upserts
