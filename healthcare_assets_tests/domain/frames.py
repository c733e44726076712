"""Small frames for tests of the domain's logic, on Polars."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import narwhals as nw
import polars as pl

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.tables import BRONZE_PATIENTS, SOURCE_COLUMNS

Frame = nw.LazyFrame[Any]

POLARS_TYPES: Mapping[str, Any] = {
    "string": pl.String,
    "integer": pl.Int64,
    "float": pl.Float64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
    "strings": pl.List(pl.String),
}

DAY = date(2026, 1, 5)

GOOD_RECORD: Mapping[str, str | None] = {
    "patient_id": "MBR0001",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "age": "44",
    "sex": "female",
    "region": "southwest",
    "bmi": "27.9",
    "smoker": "no",
    "children": "2",
    "charges": "7281.51",
    "insurance_plan": "Gold",
    "coverage_start_date": "2021-03-01",
    "timestamp": "2026-01-05T08:00:00Z",
}


def lazy(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> Frame:
    """A lazy frame of the rows; columns that a row does not name are null."""
    data = {name: [row.get(name) for row in rows] for name in schema}
    return nw.from_native(pl.LazyFrame(data, schema=dict(schema)))


def bronze_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `bronze_patients` for records given by their source columns."""
    has_id = any("patient_id" in record for record in records)
    defaults = {"id_expected": has_id, "source_file": "members.csv", "cutoff": date(2026, 1, 6)}
    return [{**defaults, "source_row": number, **record} for number, record in enumerate(records, start=1)]


def bronze(records: Sequence[Mapping[str, Any]]) -> Frame:
    """The records as a bronze frame, as one day's delivery."""
    schema = {c.name: POLARS_TYPES[c.type] for c in BRONZE_PATIENTS.columns if c.name != PARTITION_COLUMN}
    assert set(schema) >= set(SOURCE_COLUMNS)
    return lazy(bronze_rows(records), schema)


def rows(frame: Frame) -> list[dict[str, Any]]:
    """The frame's rows as dictionaries."""
    collected = frame.collect().to_native()
    assert isinstance(collected, pl.DataFrame)
    return collected.to_dicts()
