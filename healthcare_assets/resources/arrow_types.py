"""Declared columns as Arrow types, and the plain Arrow forms in which both engines hand batches to Python."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.columns import STRUCT_FIELDS, Column, ColumnType
from healthcare_assets.errors import LakehouseError

_SCALARS: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}

ARROW_TYPES: Mapping[str, pa.DataType] = {
    **_SCALARS,
    "strings": pa.list_(pa.string()),
    **{
        kind: pa.list_(pa.struct([(name, _SCALARS[type_]) for name, type_ in fields]))
        for kind, fields in STRUCT_FIELDS.items()
    },
}


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of declared columns, in their order, all nullable."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with one form for each type, whichever engine made it.

    Large and view strings and lists become plain ones, dictionaries their values, timestamps microseconds.
    """
    return pa.schema([(field.name, _plain_type(field.type)) for field in schema])


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the types of `plain_schema`."""
    return batch.cast(plain_schema(batch.schema))


def declared_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns of `schema`, in its order and types.

    LakehouseError when a column is missing, undeclared, or holds values that its declared type cannot.
    """
    if batch.schema == schema:
        return batch
    check_names(batch.schema.names, schema.names, subject="The batch")
    return pa.RecordBatch.from_arrays([_cast(batch, field) for field in schema], schema=schema)


def check_frame(frame: nw.LazyFrame[Any], columns: Sequence[Column], *, subject: str) -> None:
    """LakehouseError unless the frame has exactly these columns, in any order, of types that fit without a guess.

    A text is never read as a number, nor a fraction cut to an integer: integers fit floats, nulls fit everything.
    """
    found = frame.collect_schema()
    check_names(found.names(), [column.name for column in columns], subject=subject)
    wrong = [
        f"{column.name} is {found[column.name]} and not {column.type}"
        for column in columns
        if not _fits(found[column.name], column.type)
    ]
    if wrong:
        raise LakehouseError(f"{subject} has the wrong types: {', '.join(wrong)}. Cast them where the frame is made.")


def check_names(found: Sequence[str], declared: Sequence[str], *, subject: str) -> None:
    """LakehouseError, naming the columns, unless the names found are the declared ones in any order."""
    missing = [name for name in declared if name not in found]
    undeclared = [name for name in found if name not in declared]
    if missing or undeclared:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(undeclared)}"] * bool(undeclared)
        raise LakehouseError(
            f"{subject} does not have the declared columns: it {' and '.join(faults)}. "
            "Select exactly the columns that healthcare_assets/domain/tables.py declares."
        )


def _plain_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_dictionary(type_):
        return _plain_type(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_list_view(type_):
        return pa.list_(_plain_type(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, _plain_type(field.type)) for field in type_])
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", tz=type_.tz and "UTC")
    return type_


def _cast(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    values = batch.column(field.name)
    try:
        return values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Arrow's own message quotes the value, which may be a patient's.
        raise LakehouseError(
            f"Column {field.name} holds {values.type} values that do not fit its declared type {field.type}. "
            "Convert them where the batch is made."
        ) from None


def _fits(found: nw.dtypes.DType, declared: ColumnType) -> bool:
    if isinstance(found, nw.Unknown):  # a column of nothing but null
        return True
    if declared == "float":
        return found.is_numeric()
    if declared == "integer":
        return found.is_integer()
    if isinstance(found, nw.List):
        inner = found.inner
        if isinstance(inner, nw.Struct):
            # Spark casts a struct by position, Polars by name: only the declared order means the same to both.
            return [field.name for field in inner.fields] == [name for name, _ in STRUCT_FIELDS.get(declared, ())]
        return declared == "strings" and isinstance(inner, nw.String | nw.Unknown)
    return isinstance(found, _NEUTRAL_TYPES.get(declared, ()))


_NEUTRAL_TYPES: Mapping[ColumnType, tuple[type[nw.dtypes.DType], ...]] = {
    "string": (nw.String, nw.Categorical, nw.Enum),
    "boolean": (nw.Boolean,),
    "date": (nw.Date,),
    "timestamp": (nw.Datetime,),
}
