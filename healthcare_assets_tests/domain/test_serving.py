"""Raw records to answers: every spelling that the source may have, and refusals that quote nobody."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.scoring import LoadedModel
from healthcare_assets.domain.serving import ANSWER_COLUMNS, RECORD_COLUMNS, REFERENCE, answers
from healthcare_assets.errors import RequestError
from healthcare_assets.policy import Policy, ServingRules
from healthcare_assets_tests.champions import small_model

AT = datetime(2026, 4, 12, 9, 30, tzinfo=UTC)
RECORD: Mapping[str, object] = {
    "age": 64,
    "sex": "male",
    "region": "southwest",
    "bmi": 36.2,
    "smoker": "yes",
    "children": 2,
}


def _model() -> LoadedModel:
    trained = small_model()
    return LoadedModel(pipeline=trained.pipeline, reference=trained.reference, name="cost", version="7")


def _answered(*records: Mapping[str, object], policy: Policy | None = None) -> list[dict[str, Any]]:
    return answers(records, _model(), at=AT, policy=policy or Policy())


def _refused(*records: Mapping[str, object], policy: Policy | None = None) -> str:
    with pytest.raises(RequestError) as refused:
        _answered(*records, policy=policy)
    return str(refused.value)


def test_an_answer_is_all_that_the_model_says_of_a_record() -> None:
    [answer] = _answered(RECORD)
    assert tuple(answer) == ANSWER_COLUMNS
    assert answer["charges_lower"] <= answer["predicted_charges"] <= answer["charges_upper"]
    assert answer["risk_category"] == "critical"
    assert [answer[name] for name in ("high_risk_patient", "requires_review", "high_cost")] == [True, True, True]
    assert answer["reason_codes"][0]["attribute"] == "smoker"
    assert (answer["model_name"], answer["model_version"]) == ("cost", "7")
    assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize(
    "spelling",
    [
        {"age": "64"},
        {"age": 64.0},
        {"age": np.float64(64)},
        {"age": Decimal(64)},
        {"age": " 64 "},
        {"age": None, "birth_date": "1962-04-12"},
        {"age": float("nan"), "birth_date": "4/12/1962"},
        {"age": pd.NA, "birth_date": date(1962, 4, 12)},
        {"age": pd.NaT, "birth_date": pd.Timestamp("1961-04-13")},
        {"sex": "M"},
        {"sex": "Man"},
        {"region": "South-West"},
        {"region": "SOUTH WEST"},
        {"region": "sw"},
        {"bmi": "36.2"},
        {"bmi": "36.20"},
        {"smoker": True},
        {"smoker": 1},
        {"smoker": 1.0},
        {"smoker": "TRUE"},
        {"smoker": "Current"},
        {"children": "2"},
        {"children": 2.0},
        {"patient_id": "P1", "first_name": "Ann", "charges": "a lot", "timestamp": "never", "favourite": {"a": [1]}},
    ],
    ids=str,
)
def test_any_spelling_of_the_source_is_the_same_patient(spelling: dict[str, object]) -> None:
    assert _answered({**RECORD, **spelling}) == _answered(RECORD)


def test_the_age_is_that_of_the_day() -> None:
    born = {name: value for name, value in RECORD.items() if name != "age"} | {"birth_date": "1962-04-13"}
    assert _answered(born) == _answered({**RECORD, "age": 63})


def test_over_89_everybody_is_90() -> None:
    assert _answered({**RECORD, "age": 104}) == _answered({**RECORD, "age": 90})


def test_answers_come_in_the_records_order_with_the_callers_references() -> None:
    ages = [70, 20, 45, 20]
    found = _answered(*({**RECORD, "age": age, REFERENCE: f"row {age}"} for age in ages))
    assert [answer.pop(REFERENCE) for answer in found] == [f"row {age}" for age in ages]
    assert found == [_answered({**RECORD, "age": age})[0] for age in ages]


def test_a_reference_that_some_records_lack_is_null_there() -> None:
    found = _answered({**RECORD, REFERENCE: 17}, RECORD, {**RECORD, REFERENCE: math.nan}, {**RECORD, REFERENCE: 18.0})
    assert [repr(answer[REFERENCE]) for answer in found] == ["17", "None", "None", "18"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"age": None}, "age and birth_date are missing"),
        ({"age": "Ann"}, "age is not a number"),
        ({"age": True}, "age is not a number"),
        ({"age": [64]}, "age is not a number"),
        ({"age": -1}, "age is outside 0–120 years"),
        ({"age": 10**6000}, "age is outside 0–120 years"),
        ({"birth_date": "12.4.1962"}, "birth_date is not a date"),
        ({"birth_date": "2026-04-13"}, "birth_date is in the future"),
        ({"sex": "X1"}, "sex is not female or male"),
        ({"sex": "\ud800"}, "sex is not female or male"),
        ({"sex": None}, "sex is missing"),
        ({"region": "Atlantis"}, "region is not northeast, northwest, southeast or southwest"),
        ({"bmi": 5}, "bmi is outside 10–100"),
        ({"bmi": float("inf")}, "bmi is not a number"),
        ({"bmi": "n/a"}, "bmi is missing"),
        ({"smoker": "sometimes"}, "smoker is not yes or no"),
        ({"smoker": {"since": 1990}}, "smoker is not yes or no"),
        ({"children": 1.5}, "children is not a whole number"),
        ({"children": b"2"}, "children is not a number"),
        ({REFERENCE: {"name": "Ann"}}, "reference is neither text nor a whole number of at most 15 digits"),
        ({REFERENCE: True}, "reference is neither text nor a whole number of at most 15 digits"),
        ({REFERENCE: "x" * 101}, "reference is longer than 100 characters"),
        ({REFERENCE: -(10**15)}, "reference is neither text nor a whole number of at most 15 digits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_where_and_which_rule(wrong: dict[str, object], sentence: str) -> None:
    assert _refused(RECORD, {**RECORD, **wrong}) == (
        f"1 of 2 records cannot be scored, and so nothing was: record 2 ({sentence})."
    )


def test_all_that_is_wrong_with_a_record_is_said_and_none_of_it_quoted() -> None:
    wrong = {**RECORD, "sex": "Ann Smith", "bmi": "555-12-3456", "smoker": None, "patient_id": "P-77"}
    assert _refused(wrong) == (
        "The request cannot be scored, and so nothing was: "
        "record 1 (sex is not female or male; bmi is not a number; smoker is missing)."
    )


def test_of_many_refused_records_the_first_are_named() -> None:
    said = _refused(*[{**RECORD, "bmi": 1}] * 1_200)
    assert said.startswith("1,200 of 1,200 records cannot be scored")
    assert said.endswith("record 5 (bmi is outside 10–100) and 1,195 more.")


@pytest.mark.parametrize(
    ("lacking", "named"),
    [
        (("age",), "age or birth_date"),
        (("sex", "smoker"), "sex, smoker"),
        (tuple(RECORD), "age or birth_date, sex, region, bmi, smoker, children"),
    ],
)
def test_a_column_that_no_record_has_is_named(lacking: tuple[str, ...], named: str) -> None:
    record = {name: value for name, value in RECORD.items() if name not in lacking}
    assert _refused(record) == (
        f"The request has no column {named}: required are age or birth_date, sex, region, bmi, smoker, children."
    )


def test_no_record_and_too_many_are_refused() -> None:
    assert _refused() == "The request holds no record: send at least one."
    few = Policy(serving=ServingRules(maximum_records=2))
    assert len(_answered(RECORD, RECORD, policy=few)) == 2
    assert (
        _refused(RECORD, RECORD, RECORD, policy=few) == "The request holds 3 records, and at most 2 are taken at once."
    )


_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300),
    st.floats(),
    st.text(),
    st.sampled_from(["male", "F", "yes", "NE", "19", "27.9", "2000-02-29", "\ud800", "\x00"]),
    st.binary(max_size=3),
    st.decimals(),
    st.dates(),
    st.datetimes(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
_RECORDS = st.lists(
    st.dictionaries(st.sampled_from([*RECORD_COLUMNS, REFERENCE, "patient_id", ""]), _CELLS), max_size=3
)


def _outcome(*records: Mapping[str, object]) -> tuple[list[dict[str, Any]], str]:
    """The answers, or what is said instead."""
    try:
        return _answered(*records), ""
    except RequestError as refused:
        return [], str(refused)


@settings(max_examples=40)
@given(records=_RECORDS)
def test_whatever_is_sent_is_answered_or_refused(records: list[dict[str, object]]) -> None:
    answered, said = _outcome(*records)
    assert len(answered) == (0 if said else len(records))
    assert "\n" not in said


@settings(max_examples=40)
@given(name=st.sampled_from(RECORD_COLUMNS), cell=_CELLS)
def test_one_odd_value_among_good_ones_is_answered_or_refused(name: str, cell: object) -> None:
    answered, said = _outcome({**RECORD, name: cell})
    assert name in said if said else answered[0]["predicted_charges"] >= 0
