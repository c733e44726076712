"""Frames of the contract as Polars' own: with the declared columns and types, ready to be written."""

from collections.abc import Sequence

import narwhals as nw
import polars as pl
import pyarrow as pa

from healthcare_assets.domain.columns import PARTITION_COLUMN, Column, Table
from healthcare_assets.resources.arrow_types import arrow_schema, check_frame
from healthcare_assets.resources.delta_merge import DELETED
from healthcare_assets.resources.lakehouse import Frame


def polars_schema(columns: Sequence[Column]) -> pl.Schema:
    return pl.Schema(arrow_schema(columns))


def fitted(table: Table, frame: Frame) -> pl.LazyFrame:
    """The frame with the table's declared columns and types; a daily table's partition column lies in no file."""
    columns = [column for column in table.columns if not (table.daily and column.name == PARTITION_COLUMN)]
    native: pl.LazyFrame = frame.to_native()
    if table.daily:
        native = native.drop(PARTITION_COLUMN, strict=False)
    check_frame(nw.from_native(native), columns, subject=f"The frame for {table.name}")
    return native.select(pl.col(name).cast(type_) for name, type_ in polars_schema(columns).items())


def staged(table: Table, upserts: Frame, deletes: Frame) -> pl.LazyFrame:
    """The rows to upsert and the keys to delete in one frame, told apart by `DELETED`."""
    return pl.concat(
        [
            fitted(table, upserts).with_columns(pl.lit(False).alias(DELETED)),  # noqa: FBT003
            _fitted_key(table, deletes).with_columns(pl.lit(True).alias(DELETED)),  # noqa: FBT003
        ],
        how="diagonal",
    )


def _fitted_key(table: Table, frame: Frame) -> pl.LazyFrame:
    columns = [column for column in table.columns if column.name in table.key]
    check_frame(frame, columns, subject=f"The keys to delete of {table.name}")
    native: pl.LazyFrame = frame.to_native()
    return native.select(pl.col(name).cast(type_) for name, type_ in polars_schema(columns).items())


def one_batch(chunk: pl.DataFrame) -> pa.RecordBatch:
    return chunk.to_arrow().combine_chunks().to_batches()[0]
