"""What a table is made of: columns with their types, and the structs in those that hold lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal[
    "string", "integer", "float", "boolean", "date", "timestamp", "strings", "criteria", "reason_codes"
]
"""Integers are 64 bit, floats are double, timestamps are UTC microseconds, `strings` is a list of strings,
`criteria` and `reason_codes` are lists of structs (see `STRUCT_FIELDS`)."""

PARTITION_COLUMN = "partition_date"

CRITERION_FIELDS: tuple[tuple[str, ColumnType], ...] = (
    ("name", "string"),
    ("value", "float"),
    ("lower", "float"),
    ("upper", "float"),
    ("threshold", "float"),
    ("comparison", "string"),
    ("passed", "boolean"),
    ("detail", "string"),
)
"""Fields of `governance.Criterion`."""

REASON_CODE_FIELDS: tuple[tuple[str, ColumnType], ...] = (
    ("attribute", "string"),
    ("dollars", "float"),
    ("text", "string"),
)
"""Fields of what `reason_codes.reason_codes` gives."""

STRUCT_FIELDS: Mapping[str, tuple[tuple[str, ColumnType], ...]] = {
    "criteria": CRITERION_FIELDS,
    "reason_codes": REASON_CODE_FIELDS,
}
"""What each entry of a column of these types consists of."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table. A daily table is partitioned by `partition_date`; `key` names the columns that identify a row
    (within a day, for a daily table). A table with a partition a month is a daily one too: a month is known by its
    first day."""

    name: str
    description: str
    columns: tuple[Column, ...]
    daily: bool = True
    key: tuple[str, ...] = ()
    time_series: bool = False
    """Whether the rows of a key are its values over time, looked up as of a day."""
    identifying: bool = False
    """Whether it holds identifiers: on a disk nobody but the user that writes it may read it."""

    @property
    def content_columns(self) -> tuple[Column, ...]:
        """All but the day, which the lakehouse sets itself."""
        return tuple(column for column in self.columns if column.name != PARTITION_COLUMN)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def column(name: str, type_: ColumnType, description: str, *, nullable: bool = False) -> Column:
    """A column in one line."""
    return Column(name=name, type=type_, description=description, nullable=nullable)


DAY = column(PARTITION_COLUMN, "date", "The day (UTC) that the row belongs to.")
MONTH = column(PARTITION_COLUMN, "date", "The first day (UTC) of the month that the row belongs to.")
PATIENT_KEY = column(
    "patient_key", "string", "Pseudonym of the patient: keyed HMAC-SHA-256 of the normalised id, 32 hex digits."
)
