"""Requests to the scoring server with marks where they may be, and where they do not belong."""

import json
from collections.abc import Mapping
from typing import Any

from healthcare_assets_tests.canary.deliveries import misplaced
from healthcare_assets_tests.canary.marks import Person

_SOMEBODY = Person(4713)
_RECORD: Mapping[str, Any] = {
    "patient_id": _SOMEBODY.patient_id,
    "first_name": _SOMEBODY.first_name,
    "last_name": _SOMEBODY.last_name,
    "birth_date": _SOMEBODY.birth_date(1961),
    "sex": "F",
    "region": "South-West",
    "bmi": "36.2",
    "smoker": True,
    "children": 2,
    "zip_code": _SOMEBODY.zip_code,
    **_SOMEBODY.undeclared,
}
_IS_READ = {"age", "birth_date", "sex", "region", "bmi", "smoker", "children"}
JSON, CSV = "application/json", "text/csv"


def _json(form: str, content: Any) -> tuple[str, bytes, str]:
    return "/invocations", json.dumps({form: content}).encode(), JSON


ANSWERED: tuple[tuple[str, bytes, str], ...] = (
    _json("dataframe_records", [dict(_RECORD)]),
    _json("dataframe_split", {"columns": list(_RECORD), "data": [list(_RECORD.values())]}),
    _json("instances", [dict(_RECORD)]),
    ("/invocations", json.dumps({"dataframe_records": [dict(_RECORD)]}).encode(), _SOMEBODY.email),
)
"""Path, body and content type of requests that get an answer."""

REFUSED: tuple[tuple[str, bytes, str], ...] = (
    *(_json("dataframe_records", [{**_RECORD, **slip}]) for slip in misplaced(_SOMEBODY) if _IS_READ & slip.keys()),
    _json("dataframe_records", [_SOMEBODY.note]),
    _json("dataframe_records", {_SOMEBODY.email: _SOMEBODY.ssn}),
    _json("dataframe_split", {"columns": [_SOMEBODY.last_name] * 2, "data": [[1, 2]]}),
    _json("inputs", {"age": [_SOMEBODY.ssn], _SOMEBODY.email: [1, 2]}),
    _json(_SOMEBODY.last_name, [dict(_RECORD)]),
    ("/invocations", b'{"dataframe_records": [{"last_name": "' + _SOMEBODY.last_name.encode(), JSON),
    ("/invocations", _SOMEBODY.note.encode(), JSON),
    ("/invocations", b"age,sex\n" + _SOMEBODY.ssn.encode() + b',"' + _SOMEBODY.last_name.encode(), CSV),
    ("/invocations", ("age,sex\n" + _SOMEBODY.note).encode("utf-16"), JSON),
    (f"/invocations/{_SOMEBODY.patient_id}", b"{}", JSON),
    (f"/{_SOMEBODY.last_name}?ssn={_SOMEBODY.ssn}", b"{}", JSON),
)
"""Of requests that get none."""

REQUESTS = (*ANSWERED, *REFUSED)
