"""Small tables, and what fills and reads them through either lakehouse."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from healthcare_assets.domain.columns import CRITERION_FIELDS, Column, ColumnType, Table
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Frame, Lakehouse

Row = Mapping[str, Any]


def columns(**types: ColumnType) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=type_, description="") for name, type_ in types.items())


VISITS = Table(
    name="visits",
    description="A daily table with a column of each type.",
    columns=columns(
        patient="string",
        number="integer",
        cost="float",
        urgent="boolean",
        seen="date",
        written="timestamp",
        reasons="strings",
        criteria="criteria",
        partition_date="date",
    ),
    key=("number",),
)
VERSIONS = Table(
    name="versions",
    description="An undated table with a key.",
    columns=columns(patient="string", since="date", note="string", rows="integer"),
    daily=False,
    key=("patient", "since"),
)
MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
CRITERION = dict.fromkeys(name for name, _ in CRITERION_FIELDS) | {"name": "r2", "value": 0.5, "passed": False}
VISIT: Row = {
    "patient": "Zoë",
    "number": 2**53 + 1,
    "cost": 0.1,
    "urgent": True,
    "seen": date(1901, 2, 3),
    "written": datetime(2026, 1, 5, 23, 59, 59, 123456, tzinfo=UTC),
    "reasons": ["a", "b"],
    "criteria": [CRITERION],
}


def frame_of(lakehouse: Lakehouse, table: Table, rows: Sequence[Row], *, without: Sequence[str] = ()) -> Frame:
    chosen = [column for column in table.columns if column.name not in without]
    batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=arrow_schema(chosen))
    return lakehouse.from_batches([batch], columns=chosen)


def visits(lakehouse: Lakehouse, *numbers: int) -> Frame:
    return frame_of(lakehouse, VISITS, [{"number": n} for n in numbers], without=["partition_date"])


def version(
    patient: str | None, since: date = MONDAY, note: str | None = None, rows: int | None = None
) -> dict[str, Any]:
    return {"patient": patient, "since": since, "note": note, "rows": rows}


def rows_of(lakehouse: Lakehouse, frame: Frame) -> list[dict[str, Any]]:
    """In the order of their texts, since no engine promises one."""
    return sorted(lakehouse.collect(frame).to_pylist(), key=str)


def numbers_by_day(lakehouse: Lakehouse) -> dict[date, list[int]]:
    found: dict[date, list[int]] = {}
    for row in rows_of(lakehouse, lakehouse.scan(VISITS).select("partition_date", "number")):
        found.setdefault(row["partition_date"], []).append(row["number"])
    return found


def update(lakehouse: Lakehouse, upserts: Sequence[Row], deletes: Sequence[Row] = ()) -> int:
    def stage(_: KeyRange) -> tuple[Frame, Frame]:
        keys = frame_of(lakehouse, VERSIONS, deletes, without=["note", "rows"])
        return frame_of(lakehouse, VERSIONS, upserts), keys

    return lakehouse.update(VERSIONS, stage)
