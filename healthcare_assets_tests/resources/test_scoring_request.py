"""The forms in which a request may come, and what is said of one that has none of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.errors import RequestError
from healthcare_assets.policy import ServingRules
from healthcare_assets.resources.scoring_request import read_request

RECORDS: list[dict[str, Any]] = [{"age": 19, "sex": "female", "bmi": 27.9}, {"age": "33", "sex": "M", "bmi": None}]
READ = [{"age": "19", "sex": "female", "bmi": "27.9"}, {"age": "33", "sex": "M", "bmi": None}]
COLUMNS, ROWS = ["age", "sex", "bmi"], [[19, "female", 27.9], ["33", "M", None]]

FORMS: dict[str, Any] = {
    "records": {"dataframe_records": RECORDS},
    "split": {"dataframe_split": {"columns": COLUMNS, "data": ROWS}},
    "split with an index": {"dataframe_split": {"index": [7, 9], "columns": COLUMNS, "data": ROWS}},
    "instances": {"instances": RECORDS},
    "inputs, a row each": {"inputs": RECORDS},
    "inputs, a column each": {"inputs": {"age": [19, "33"], "sex": ["female", "M"], "bmi": [27.9, None]}},
    "with what is not read": {"dataframe_records": RECORDS, "params": {"a": 1}, "client_request_id": "x"},
}


def _read(content: Any) -> list[Any]:
    return list(read_request(json.dumps(content).encode(), "application/json"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_records(form: str) -> None:
    assert _read(FORMS[form]) == READ


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "Text/CSV"])
def test_csv_is_read_as_text(content_type: str) -> None:
    body = '\ufeffage, sex,bmi\r\n19,"female",27.9\r\n\r\n33,M,\r\n'.encode()
    assert read_request(body, content_type) == [
        {"age": "19", "sex": "female", "bmi": "27.9"},
        {"age": "33", "sex": "M", "bmi": ""},
    ]


def test_a_single_record_may_be_the_inputs() -> None:
    assert _read({"inputs": RECORDS[0]}) == READ[:1]


def test_a_record_keeps_its_place_when_another_lacks_a_value() -> None:
    """MLflow itself collects the values of `instances` by column, and would move the second patient's up."""
    lacking = [{"age": 19, "sex": "female"}, {"age": 33, "bmi": 22.7}]
    assert _read({"instances": lacking}) == [{"age": "19", "sex": "female"}, {"age": "33", "bmi": "22.7"}]


def test_identifiers_and_what_is_nested_are_left_behind() -> None:
    record = {"patient_id": "P1", "first_name": "Ann", "age": {"years": 19}, "bmi": [1], "reference": "a", "x": 1}
    assert _read({"inputs": [record]}) == [{"age": "[]", "bmi": "[]", "reference": "a"}]


@pytest.mark.parametrize(
    ("given", "kept"), [("a", "a"), (17, 17), (None, None), (1.5, 1.5), ({"a": 1}, []), (10**400, []), (-(10**19), [])]
)
def test_a_reference_stays_as_it_is_or_is_none(given: Any, kept: Any) -> None:
    assert _read({"inputs": [{"reference": given}]}) == [{"reference": kept}]


@pytest.mark.parametrize("content_type", ["", "application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_whatever_it_calls_itself_it_is_read_as_json(content_type: str) -> None:
    assert read_request(json.dumps(FORMS["records"]).encode(), content_type) == READ


_SEND = 'Send {"dataframe_records": [{"age": 42, ...}]}, or the same records as dataframe_split, instances or inputs'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", f"The request is not JSON (line 1, column 1). {_SEND}"),
        ("{'age': 19}", "The request is not JSON (line 1, column 2)."),
        ('{"inputs": [', "The request is not JSON"),
        ('{"inputs": [{"age": 1' + "0" * 5000 + "}]}", "The request holds JSON that no record is made of."),
        ("[" * 100_000, "The request holds JSON that no record is made of."),
        ('{"inputs": [{"age": 19, "age": 20}]}', "The request has an object that names a column twice."),
        ("19", "The request is JSON, but no object."),
        ('[{"age": 19}]', "The request is JSON, but no object."),
        ("null", "The request is JSON, but no object."),
        ("{}", f"The request names no records. {_SEND}"),
        ('{"age": 19}', "The request names no records."),
        ('{"messages": []}', "The request names no records."),
        ('{"inputs": [], "instances": []}', "The request names instances and inputs."),
        ('{"dataframe_records": {"age": 19}}', "dataframe_records is not a list of records."),
        ('{"dataframe_records": "x"}', "dataframe_records is not a list of records."),
        ('{"dataframe_records": [{}, [19]]}', "Record 2 of dataframe_records is not an object of columns and values."),
        ('{"instances": [19]}', "Record 1 of instances is not an object of columns and values."),
        ('{"instances": null}', "instances is not a list of records."),
        ('{"inputs": 19}', "inputs is not a list of records."),
        ('{"inputs": {"age": [19], "sex": ["f", "m"]}}', "The columns of inputs are not lists of one length."),
        ('{"inputs": {"age": [19], "sex": "f"}}', "The columns of inputs are not lists of one length."),
        ('{"dataframe_split": [[19]]}', 'dataframe_split is not an object of "columns" and "data".'),
        ('{"dataframe_split": {"data": [[19]]}}', 'dataframe_split is not an object of "columns" and "data".'),
        ('{"dataframe_split": {"columns": [1], "data": [[19]]}}', 'The "columns" of dataframe_split are not a list'),
        ('{"dataframe_split": {"columns": ["age"], "data": 19}}', 'The "data" of dataframe_split are not a list'),
        (
            '{"dataframe_split": {"columns": ["age"], "data": [[19], [19, 20]]}}',
            "Record 2 of dataframe_split has not one value for each of the 1 columns.",
        ),
        ('{"dataframe_split": {"columns": ["age", "age"], "data": []}}', "A column is named twice in dataframe_split."),
    ],
    ids=lambda value: value[:30],
)
def test_what_has_no_form_is_refused_and_not_quoted(body: str, sentence: str) -> None:
    with pytest.raises(RequestError) as refused:
        read_request(body.encode(), "application/json")
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The request is empty"),
        (b'age\n"19', "The request is not CSV"),
        (b"age,bmi\n19", "Record 1 of the CSV has not one value for each of the 2 columns."),
        (b"age,age\n19,20", "A column is named twice in the CSV."),
        (b"age\n\xff", "The request is not UTF-8 text."),
    ],
)
def test_what_is_no_csv_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(RequestError) as refused:
        read_request(body, "text/csv")
    assert str(refused.value).startswith(sentence)


def test_too_large_a_request_is_refused_unread() -> None:
    with pytest.raises(RequestError, match="larger than 1 MB: send its records in parts"):
        read_request(b" " * (1024**2 + 1), "", rules=ServingRules(maximum_body_bytes=1024**2))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_NAMED = st.dictionaries(
    st.sampled_from(["dataframe_records", "dataframe_split", "instances", "inputs", "columns", "data", "age"]),
    _JSON | st.dictionaries(st.sampled_from(["columns", "data", "age", "sex"]), _JSON, max_size=3),
    max_size=2,
)


@given(
    body=st.one_of(_NAMED.map(lambda content: json.dumps(content).encode()), st.binary(max_size=40)), csv=st.booleans()
)
def test_any_body_is_read_or_refused(body: bytes, csv: bool) -> None:
    try:
        records = read_request(body, "text/csv" if csv else "application/json")
    except RequestError:
        return
    assert all(isinstance(record, dict) for record in records)
