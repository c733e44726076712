"""Frames of the contract as Spark's own: with the declared columns and types, ready to be written or merged."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import narwhals as nw

from healthcare_assets.domain.columns import Column, Table
from healthcare_assets.resources.arrow_types import check_frame
from healthcare_assets.resources.lakehouse import Frame
from healthcare_assets.resources.spark_ddl import SPARK_TYPES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

DELETED = "__deleted"
"""Marks the staged rows that only name a key to delete."""
REPEATED = "a key is staged more than once"
"""What Spark fails with then."""


def staged(table: Table, upserts: Frame, deletes: Frame) -> "DataFrame":
    """The rows to upsert and the keys to delete, marked; Spark fails on a key that is there twice."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    keys = [column for column in table.columns if column.name in table.key]
    rows = fitted(upserts, table.columns, subject=f"The frame for {table.name}")
    removed = fitted(deletes, keys, subject=f"The keys to delete of {table.name}")
    staged = rows.withColumn(DELETED, sf.lit(False)).unionByName(  # noqa: FBT003
        removed.withColumn(DELETED, sf.lit(True)),  # noqa: FBT003
        allowMissingColumns=True,
    )
    times = sf.count(sf.lit(1)).over(Window.partitionBy(*table.key))
    return staged.withColumn(
        DELETED, sf.when(times == 1, sf.col(DELETED)).otherwise(sf.raise_error(sf.lit(REPEATED)).cast("boolean"))
    )


def merge_statement(table: Table, address: str, view: str) -> str:
    same_key = " AND ".join(f"stored.{name} <=> staged.{name}" for name in table.key)
    assignments = ", ".join(f"stored.{name} = staged.{name}" for name in table.column_names)
    names = ", ".join(table.column_names)
    values = ", ".join(f"staged.{name}" for name in table.column_names)
    return f"""
        MERGE INTO {address} AS stored USING {view} AS staged ON {same_key}
        WHEN MATCHED AND staged.{DELETED} THEN DELETE
        WHEN MATCHED THEN UPDATE SET {assignments}
        WHEN NOT MATCHED AND NOT staged.{DELETED} THEN INSERT ({names}) VALUES ({values})
    """  # noqa: S608 (names of declared tables and columns)


def fitted(frame: Frame, columns: Sequence[Column], *, subject: str) -> "DataFrame":
    """The frame with exactly these columns, in their order and declared types."""
    from pyspark.sql import functions as sf

    check_frame(frame, columns, subject=subject)
    native: DataFrame = frame.to_native()
    return native.select(*(sf.col(column.name).cast(SPARK_TYPES[column.type]) for column in columns))


def neutral(native: "DataFrame") -> Frame:
    frame: Frame = nw.from_native(native)
    return frame
