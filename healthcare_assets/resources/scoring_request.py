"""A request as it comes in, in any of the forms of MLflow's scoring protocol, read into patient records.

MLflow reads the same forms, but not safely enough for patients: what it cannot read it quotes in its answer, one
missing value in `instances` moves the values of later records up, and a request without a content type ends in a 500.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from healthcare_assets.domain.serving import RECORD_COLUMNS, REFERENCE, Record, cell_text
from healthcare_assets.errors import RequestError
from healthcare_assets.policy import POLICY, ServingRules

_DIGITS_15 = 50
"""Bits."""
_FORM = (
    'Send {"dataframe_records": [{"age": 42, ...}]}, or the same records as dataframe_split, instances or inputs, '
    "and exactly one of them."
)


def read_request(body: bytes, content_type: str, *, rules: ServingRules = POLICY.serving) -> list[Record]:
    """The records of a request's body, reduced to what is read of one: CSV when its type says `text/csv`, else JSON.

    RequestError, which quotes nothing of the body, when it has none of the forms.
    """
    if len(body) > rules.maximum_body_bytes:
        raise RequestError(
            f"The request is larger than {rules.maximum_body_bytes // 1024**2} MB: send its records in parts."
        )
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError("The request is not UTF-8 text.") from None
    is_csv = content_type.partition(";")[0].strip().lower() == "text/csv"
    return [_reduced(record) for record in (_of_csv(text) if is_csv else _of_json(text))]


def _reduced(record: Record) -> Record:
    """Identifiers go no further, and no value is left that a frame's column of numbers could bend or break."""
    reduced: dict[str, object] = {name: cell_text(record[name]) for name in RECORD_COLUMNS if name in record}
    if REFERENCE in record:
        reference = record[REFERENCE]
        is_large = isinstance(reference, int) and reference.bit_length() > _DIGITS_15
        # An empty list is refused like anything that is no reference.
        reduced[REFERENCE] = [] if is_large or isinstance(reference, list | dict) else reference
    return reduced


def _of_json(text: str) -> list[Record]:
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise RequestError(f"The request is not JSON (line {error.lineno}, column {error.colno}). {_FORM}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists within lists
        raise RequestError(f"The request holds JSON that no record is made of. {_FORM}") from None
    if not isinstance(content, dict):
        raise RequestError(f"The request is JSON, but no object. {_FORM}")
    named = [name for name in _READERS if name in content]
    if len(named) != 1:
        raise RequestError(f"The request names {' and '.join(named) or 'no records'}. {_FORM}")
    return _READERS[named[0]](content[named[0]])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise RequestError("The request has an object that names a column twice.")
    return members


def _of_objects(form: str) -> Callable[[Any], list[Record]]:
    def read(content: object) -> list[Record]:
        if not isinstance(content, list):
            raise RequestError(f"{form} is not a list of records.")
        other = next((position for position, record in enumerate(content, start=1) if not isinstance(record, dict)), 0)
        if other:
            raise RequestError(f"Record {other} of {form} is not an object of columns and values.")
        return content

    return read


def _of_split(content: object) -> list[Record]:
    if not isinstance(content, dict) or not {"columns", "data"} <= set(content) <= {"columns", "data", "index"}:
        raise RequestError('dataframe_split is not an object of "columns" and "data".')
    columns, rows = content["columns"], content["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise RequestError('The "columns" of dataframe_split are not a list of names.')
    if not isinstance(rows, list):
        raise RequestError('The "data" of dataframe_split are not a list of rows.')
    return _of_rows(columns, rows, form="dataframe_split")


def _of_inputs(content: object) -> list[Record]:
    """A list of records, an object of columns with a list of values each, or a single record."""
    if not isinstance(content, dict):
        return _of_objects("inputs")(content)
    if not any(isinstance(values, list) for values in content.values()):
        return [content]
    columns: Mapping[str, Any] = content
    if not all(isinstance(values, list) for values in columns.values()) or len({len(v) for v in columns.values()}) > 1:
        raise RequestError("The columns of inputs are not lists of one length.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _of_csv(text: str) -> list[Record]:
    try:
        rows = [row for row in csv.reader(StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        raise RequestError(
            "The request is not CSV: give a header with the columns' names, and a line a record."
        ) from None
    if not rows:
        raise RequestError("The request is empty: give a header with the columns' names, and a line a record.")
    columns, *records = rows
    return _of_rows([name.strip() for name in columns], records, form="the CSV")


def _of_rows(columns: Sequence[str], rows: Iterable[Any], *, form: str) -> list[Record]:
    if len(set(columns)) < len(columns):
        raise RequestError(f"A column is named twice in {form}.")
    records: list[Record] = []
    for position, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(columns):
            raise RequestError(f"Record {position} of {form} has not one value for each of the {len(columns)} columns.")
        records.append(dict(zip(columns, row, strict=True)))
    return records


_READERS: Mapping[str, Callable[[Any], list[Record]]] = {
    "dataframe_records": _of_objects("dataframe_records"),
    "dataframe_split": _of_split,
    "instances": _of_objects("instances"),
    "inputs": _of_inputs,
}
