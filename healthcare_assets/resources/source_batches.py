"""From the rows of any source to batches of bronze_patients."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_assets.domain.tables import BRONZE_PATIENTS, SOURCE_COLUMNS
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.source_columns import Header


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some consecutive rows of a source: a text array for each column of its header, all of one length.

    A row that could not be split is null in every column; `malformed` says why, `raw` holds what it was as a JSON
    object. Both are null for every other row, or None when there is no such row.
    """

    columns: tuple[pa.Array, ...]
    malformed: pa.Array | None = None
    raw: pa.Array | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file or table of a delivery, its header already checked; the rows are read when they are asked for."""

    name: str
    header: Header
    rows: Iterator[Rows]
    notes: tuple[str, ...] = ()


def bronze_schema() -> pa.Schema:
    """The Arrow schema of bronze_patients without its partition column."""
    return arrow_schema(BRONZE_PATIENTS.content_columns)


def bronze_batches(parts: Iterable[Part], *, cutoff: date) -> Iterator[pa.RecordBatch]:
    """The rows of all parts, in order, in `bronze_schema`; `source_row` counts through them from 1."""
    schema = bronze_schema()
    for part, rows, source_row in numbered(parts):
        count = len(source_row)
        values = declared_values(part, rows, SOURCE_COLUMNS)
        labelled = {label: rows.columns[position] for label, position in part.header.undeclared.items()}
        others = json_objects(labelled, count)
        values["other_columns"] = others if rows.raw is None else pc.if_else(pc.is_valid(rows.raw), rows.raw, others)
        values["id_expected"] = pa.repeat(pa.scalar(part.header.has_ids), count)
        values["source_file"] = pa.repeat(pa.scalar(part.name), count)
        values["source_row"] = source_row
        values["cutoff"] = pa.repeat(pa.scalar(cutoff, schema.field("cutoff").type), count)
        yield pa.RecordBatch.from_arrays([values[name] for name in schema.names], schema=schema)


def numbered(parts: Iterable[Part]) -> Iterator[tuple[Part, Rows, pa.Array]]:
    """The rows of all parts, in order, with their positions, which count through the parts from 1; never no rows."""
    rows_before = 0
    for part in parts:
        for rows in part.rows:
            count = len(rows.columns[0])
            if count:
                yield part, rows, pa.array(np.arange(rows_before + 1, rows_before + count + 1))
            rows_before += count


def declared_values(part: Part, rows: Rows, names: Sequence[str]) -> dict[str, pa.Array]:
    """The columns of these names, null where the part has none, and `malformed`."""
    absent = pa.nulls(len(rows.columns[0]), pa.string())
    declared = part.header.declared
    values = {name: blank_as_null(rows.columns[declared[name]]) if name in declared else absent for name in names}
    values["malformed"] = absent if rows.malformed is None else rows.malformed
    return values


def blank_as_null(text: pa.Array) -> pa.Array:
    """The text array with empty and blank-only values null; every other value untouched."""
    blank = pc.or_(pc.equal(text, ""), pc.utf8_is_space(text))
    if not pc.any(blank).as_py():
        return text
    return pc.if_else(blank, pa.scalar(None, pa.string()), text)


def json_objects(columns: Mapping[str, pa.Array], count: int) -> pa.Array:
    """A JSON object a row of the text columns by their labels; null without any column."""
    if not columns:
        return pa.nulls(count, pa.string())
    frame = pl.DataFrame({label: pl.from_arrow(blank_as_null(column)) for label, column in columns.items()})
    encoded = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return encoded.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())
