"""Declared tables and columns in Spark's data definition language."""

from collections.abc import Iterable, Mapping

from healthcare_assets.domain.columns import PARTITION_COLUMN, STRUCT_FIELDS, Column, Table
from healthcare_assets.resources.lakehouse import TABLE_PROPERTIES

_SCALARS: Mapping[str, str] = {
    "string": "string",
    "integer": "bigint",
    "float": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
SPARK_TYPES: Mapping[str, str] = {
    **_SCALARS,
    "strings": "array<string>",
    **{
        kind: f"array<struct<{', '.join(f'{name}: {_SCALARS[type_]}' for name, type_ in fields)}>>"
        for kind, fields in STRUCT_FIELDS.items()
    },
}
"""By the declared type of a column."""


def columns_ddl(columns: Iterable[Column]) -> str:
    """The columns as a schema."""
    return ", ".join(f"{column.name} {SPARK_TYPES[column.type]}" for column in columns)


def create_statement(table: Table, address: str, *, in_unity_catalog: bool) -> str:
    """Makes the empty table, unless it is there.

    In Unity Catalog a table of time series gets its primary key, with the day as the time-series column: that is what
    makes it a feature table, in which a look-up for a moment finds what was known then. No other catalog knows keys.
    """
    columns = columns_ddl(table.columns)
    if in_unity_catalog and table.time_series:
        key = (*table.key, PARTITION_COLUMN)
        columns = ", ".join(
            f"{column.name} {SPARK_TYPES[column.type]}{' NOT NULL' if column.name in key else ''}"
            for column in table.columns
        )
        named = ", ".join((*table.key, f"{PARTITION_COLUMN} TIMESERIES"))
        columns += f", CONSTRAINT {table.name}_key PRIMARY KEY ({named})"
    partition = f" PARTITIONED BY ({PARTITION_COLUMN})" if table.daily else ""
    properties = ", ".join(f"'{name}' = '{value}'" for name, value in TABLE_PROPERTIES.items())
    return f"CREATE TABLE IF NOT EXISTS {address} ({columns}) USING delta{partition} TBLPROPERTIES ({properties})"
