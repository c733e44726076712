"""Typed columns as the text that bronze keeps and cleaning reads back without loss."""

import base64
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

_EXACT_WHOLE_LIMIT = 1e15
"""Below it a whole double is written without an exponent, as an id that lost its integer type must be."""


def as_text(values: pa.Array) -> pa.Array:
    """The array as strings: `true`, `19`, `27.9`, `NaN`, `2026-01-31`, `2026-01-31T10:00:00.123456`.

    An instant with a zone is written in UTC with a `Z` behind it. Nested values are JSON; bytes that are no UTF-8 text
    are base64.
    """
    values = _plain(values)
    kind = values.type
    if pt.is_float16(kind):  # which Arrow cannot write as text
        return _float_text(values.cast(pa.float32()))
    if pt.is_floating(kind):
        return _float_text(values)
    if pt.is_timestamp(kind):
        return _timestamp_text(values)
    if _is_binary(kind):
        return pa.array([_readable(value) for value in values.to_pylist()], pa.string())
    if pt.is_nested(kind):
        return pa.array([None if value is None else _json(value) for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _plain(values: pa.Array) -> pa.Array:
    """The values behind an extension type or a dictionary."""
    if isinstance(values, pa.ExtensionArray):
        return _plain(values.storage)
    return _plain(values.dictionary_decode()) if isinstance(values, pa.DictionaryArray) else values


def _is_binary(kind: pa.DataType) -> bool:
    tests = (pt.is_binary, pt.is_large_binary, pt.is_binary_view, pt.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _float_text(values: pa.Array) -> pa.Array:
    is_whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), _EXACT_WHOLE_LIMIT))
    whole = pc.if_else(is_whole, values, pa.scalar(None, values.type)).cast(pa.int64()).cast(pa.string())
    shortest = pc.if_else(pc.is_nan(values), "NaN", values.cast(pa.string()))
    return pc.coalesce(whole, shortest)


def _timestamp_text(values: pa.Array) -> pa.Array:
    """Without its zone an Arrow instant is the UTC wall clock."""
    text = values.cast(pa.timestamp(values.type.unit)).cast(pa.string())
    text = pc.replace_substring_regex(text, r"^(-?\d+-\d\d-\d\d) ", r"\1T")
    return text if values.type.tz is None else pc.binary_join_element_wise(text, "Z", "")


def _readable(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _json(value: Any) -> str:  # noqa: ANN401  # whatever a nested Arrow type turns into
    return json.dumps(value, ensure_ascii=False, default=_json_leaf)


def _json_leaf(value: object) -> str | None:
    return _readable(value) if isinstance(value, bytes) else str(value)
