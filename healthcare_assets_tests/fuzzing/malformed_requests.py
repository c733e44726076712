"""Requests that no record can be read from, by number: the same number gives the same request."""

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from healthcare_assets_tests.fuzzing.source_files import NEEDED

Request = tuple[bytes, str | None]
"""The body and its content type."""

_JSON = "application/json"
_NEVER_VALID: Sequence[Any] = ("?", "", "Annabelle", -1, 10**9, 1e999, [], {}, [[]], {"age": 1}, "\x00", "1;2", "NaN")
"""In a column that a prediction needs: neither a number in its range nor a value of its list."""
_FORMS = ("dataframe_records", "dataframe_split", "instances", "inputs")


def malformed_request(number: int, record: Mapping[str, Any]) -> Request:
    """The request with the number; `record` is one that is answered."""
    random = Random(number)  # noqa: S311 - it has to come again
    return random.choice(_KINDS)(random, dict(record))


def _no_json(random: Random, record: dict[str, Any]) -> Request:
    """A good request with bytes of it changed until nothing reads it."""
    body = bytearray(json.dumps({"dataframe_records": [record]}).encode())
    while _is_json(body):
        at = random.randrange(len(body))
        if random.random() < 0.5:
            body[at] = random.randrange(256)
        else:
            del body[at : at + random.randint(1, 9)]
    return bytes(body), random.choice((_JSON, None, "text/plain", "application/x-www-form-urlencoded"))


def _noise(random: Random, _record: dict[str, Any]) -> Request:
    return b"\xff" + random.randbytes(random.randint(0, 300)), random.choice((_JSON, "text/csv", None))


def _other_json(random: Random, record: dict[str, Any]) -> Request:
    """JSON, and no request."""
    content: Any = random.choice(
        (
            None,
            True,
            random.random(),
            "text",
            [record],
            record,
            {},
            {"records": [record]},
            {name: [record] for name in random.sample(_FORMS, 2)},
            {"dataframe_records": random.choice((None, 1, "x", {}, [], [None], [1], ["x"], [[record]], [[]]))},
            {"dataframe_split": random.choice((None, [], {}, {"columns": list(record)}, {"data": []}))},
            {"instances": random.choice((record, None, [record, 1]))},
            {"inputs": random.choice((None, 1, "x", [], {"age": [1, 2], "sex": ["m"]}, [1]))},
        )
    )
    return json.dumps(content).encode(), _JSON


def _wrong_value(random: Random, record: dict[str, Any]) -> Request:
    """One record of several has a value that cannot be."""
    wrong = record | {random.choice(NEEDED): random.choice(_NEVER_VALID)}
    records = [record] * random.randint(0, 3)
    records.insert(random.randint(0, len(records)), wrong)
    return json.dumps({random.choice(("dataframe_records", "instances", "inputs")): records}).encode(), _JSON


def _missing(random: Random, record: dict[str, Any]) -> Request:
    record.pop(random.choice(NEEDED))
    return json.dumps({random.choice(("dataframe_records", "instances", "inputs")): [record]}).encode(), _JSON


def _ragged(random: Random, record: dict[str, Any]) -> Request:
    columns, row = list(record), list(record.values())
    rows = [row, row[: random.randrange(len(row))], row]
    random.shuffle(rows)
    return json.dumps({"dataframe_split": {"columns": columns, "data": rows}}).encode(), _JSON


def _named_twice(random: Random, record: dict[str, Any]) -> Request:
    columns = [*record, random.choice(list(record))]
    return json.dumps({"dataframe_split": {"columns": columns, "data": [["1"] * len(columns)]}}).encode(), _JSON


def _csv(random: Random, record: dict[str, Any]) -> Request:
    lines = [",".join(record), ",".join("" if value is None else str(value) for value in record.values())]
    lines[random.randrange(2)] += random.choice((',"', ",more", ',"a"b', ",,,"))
    return "\n".join(lines).encode(), "text/csv"


def _is_json(body: bytearray) -> bool:
    try:
        json.loads(bytes(body))
    except ValueError:
        return False
    return True


_KINDS: Sequence[Callable[[Random, dict[str, Any]], Request]] = (
    _no_json,
    _noise,
    _other_json,
    _wrong_value,
    _missing,
    _ragged,
    _named_twice,
    _csv,
)
