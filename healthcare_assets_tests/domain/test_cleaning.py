"""Records are cleaned, refused with all their reasons, or folded; never changed silently, never lost."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain import cleaning
from healthcare_assets.domain.tables import SOURCE_COLUMNS
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.domain.frames import DAY, GOOD_RECORD, bronze, rows


def _read(*records: dict[str, Any]) -> list[dict[str, Any]]:
    read = cleaning.read_records(bronze(records), day=DAY, policy=POLICY)
    return rows(cleaning.with_reasons(read, policy=POLICY))


def _one(**changes: Any) -> dict[str, Any]:
    return _read({**GOOD_RECORD, **changes})[0]


def test_a_good_record_comes_through() -> None:
    record = _one()
    assert record["reasons"] is None
    assert {name: record[name] for name in ("age", "sex", "region", "bmi", "smoker", "children", "charges")} == {
        "age": 44,
        "sex": "female",
        "region": "southwest",
        "bmi": 27.9,
        "smoker": False,
        "children": 2,
        "charges": 7281.51,
    }
    assert (record["insurance_plan"], record["coverage_start_year"]) == ("gold", 2021)
    assert record["data_quality_score"] == 100.0


@pytest.mark.parametrize(
    ("column", "spelling", "value"),
    [
        ("sex", "M", "male"),
        ("sex", " Female ", "female"),
        ("sex", "MALE", "male"),
        ("region", "South-West", "southwest"),
        ("region", "SOUTHWEST", "southwest"),
        ("region", "north east", "northeast"),
        ("region", "NW", "northwest"),
        ("smoker", "TRUE", True),
        ("smoker", "1", True),
        ("smoker", "1.0", True),
        ("smoker", "Y", True),
        ("smoker", "0.0", False),
        ("smoker", "1.00", True),
        ("smoker", "No", False),
        ("smoker", "non-smoker", False),
        ("children", "2.0", 2),
        ("charges", "$7,281.51", 7281.51),
        ("charges", None, None),
        ("charges", "NaN", None),
        ("age", "44.0", 44),
        ("insurance_plan", "Silver ", "silver"),
        ("insurance_plan", "Acme Family Gold 80", "other"),
        ("insurance_plan", None, None),
        ("coverage_start_date", "03/01/2021", None),
    ],
)
def test_spellings_are_folded(column: str, spelling: str | None, value: Any) -> None:
    record = _one(**{column: spelling})
    assert record["reasons"] is None
    assert record.get(column) == value


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"patient_id": "  "}, "patient_id is missing"),
        ({"age": None}, "age and birth_date are missing"),
        ({"age": "abc"}, "age is not a number"),
        ({"age": "-1"}, "age is outside 0–120 years"),
        ({"smoker": "-1"}, "smoker is not yes or no"),
        ({"smoker": "1?"}, "smoker is not yes or no"),
        ({"smoker": "0.1"}, "smoker is not yes or no"),
        ({"age": "121"}, "age is outside 0–120 years"),
        ({"age": "1e16"}, "age is outside 0–120 years"),
        ({"birth_date": "1980-02-30"}, "birth_date is not a date"),
        ({"birth_date": "2026-01-06"}, "birth_date is in the future"),
        ({"age": None, "birth_date": "1880-01-01"}, "birth_date is more than 120 years ago"),
        ({"sex": None}, "sex is missing"),
        ({"sex": "Mlae"}, "sex is not female or male"),
        ({"region": ""}, "region is missing"),
        ({"region": "atlantis"}, "region is not northeast, northwest, southeast or southwest"),
        ({"bmi": "NaN"}, "bmi is missing"),
        ({"bmi": "27,9"}, "bmi is not a number"),
        ({"bmi": "9.99"}, "bmi is outside 10–100"),
        ({"bmi": "-27.9"}, "bmi is outside 10–100"),
        ({"bmi": "1e9"}, "bmi is outside 10–100"),
        ({"smoker": None}, "smoker is missing"),
        ({"smoker": "sometimes"}, "smoker is not yes or no"),
        ({"smoker": "10"}, "smoker is not yes or no"),
        ({"smoker": "00"}, "smoker is not yes or no"),
        ({"children": None}, "children is missing"),
        ({"children": "two"}, "children is not a number"),
        ({"children": "1.5"}, "children is not a whole number"),
        ({"children": "-1"}, "children is outside 0–20"),
        ({"charges": "free"}, "charges is not a number"),
        ({"charges": "Infinity"}, "charges is not a number"),
        ({"charges": "078051120"}, "charges is not a number"),
        ({"charges": "-0.01"}, "charges is negative"),
        ({"charges": "5551234567"}, "charges is over 100,000,000 dollars"),
        ({"coverage_start_date": "soon"}, "coverage_start_date is not a date"),
        ({"coverage_start_date": "2099-01-01"}, "coverage_start_date is more than 366 days ahead"),
        ({"timestamp": "noon"}, "timestamp is not a date and time"),
        ({"timestamp": "2026-01-07T00:00:00Z"}, "timestamp is in the future"),
        ({"malformed": "has 5 fields where the header names 7"}, "has 5 fields where the header names 7"),
    ],
)
def test_a_bad_record_says_what_is_wrong_with_it(changes: dict[str, Any], reason: str) -> None:
    assert _one(**changes)["reasons"] == [reason]


def test_all_reasons_are_given_and_not_only_the_first() -> None:
    record = _one(age="-4", bmi="?", sex="x", timestamp="2031-01-01")
    assert record["reasons"] == [
        "age is outside 0–120 years",
        "sex is not female or male",
        "bmi is not a number",
        "timestamp is in the future",
    ]


@pytest.mark.parametrize(
    ("birth_date", "age"),
    [
        ("1981-01-05", 45),
        ("1981-01-06", 44),
        ("2026-01-05", 0),
        ("1936-01-05", 90),
        ("1930-06-01", 90),
        ("1/5/1981", 45),
    ],
)
def test_age_is_counted_in_completed_years_and_ninety_stands_for_all_above(birth_date: str, age: int) -> None:
    record = _one(age=None, birth_date=birth_date)
    assert (record["age"], record["reasons"]) == (age, None)


@pytest.mark.parametrize(("stated", "age"), [("89", 89), ("90", 90), ("91", 90), ("120", 90)])
def test_a_stated_age_over_89_becomes_90(stated: str, age: int) -> None:
    assert _one(age=stated)["age"] == age


def test_without_an_id_column_the_same_record_has_the_same_identity() -> None:
    bare = {name: value for name, value in GOOD_RECORD.items() if name != "patient_id"}
    first, again, other = _read(bare, {**bare, "timestamp": "2026-01-05T09:00:00Z"}, {**bare, "charges": "1"})
    assert first["identity"] == again["identity"] != other["identity"]


def test_malformed_records_are_not_taken_for_one_patient() -> None:
    bare = dict.fromkeys(SOURCE_COLUMNS)
    records = [{**bare, "malformed": "has 5 fields", "id_expected": False}] * 2
    assert [record["identity"] for record in _read(*records)] == [None, None]


def test_no_identifier_leaves_but_the_identity() -> None:
    record = _one(first_name="CANARY", last_name="CANARY", birth_date="1981-01-05", other_columns='{"ssn": "CANARY"}')
    assert record.pop("identity") == "MBR0001"
    assert "CANARY" not in repr(record)
    assert "1981" not in repr(record)


def test_reasons_never_repeat_a_value() -> None:
    record = _one(**{name: "CANARY-7" for name in SOURCE_COLUMNS if name != "patient_id"})
    assert len(record["reasons"]) == 11
    assert "CANARY" not in repr(record["reasons"])


def test_a_quarantined_number_out_of_range_is_left_out_because_it_may_be_a_telephone_number() -> None:
    frame = cleaning.read_records(
        bronze([{**GOOD_RECORD, **dict.fromkeys(("age", "bmi", "children", "charges"), "5551234567")}]),
        day=DAY,
        policy=POLICY,
    )
    record = rows(cleaning.quarantined_records(frame, policy=POLICY))[0]
    assert {record[name] for name in ("age", "bmi", "children", "charges")} == {None}


@pytest.mark.parametrize(("start", "year"), [("1937-01-01", 1937), ("1936-12-31", None), ("1900-01-01", None)])
def test_a_year_of_coverage_that_tells_an_age_over_89_does_not_leave(start: str, year: int | None) -> None:
    record = _one(age="95", coverage_start_date=start)
    assert (record["age"], record["coverage_start_year"], record["reasons"]) == (90, year, None)


_CELL = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.sampled_from(["1", "0", "-1", "45", "27.5", "yes", "male", "southwest", "2026-01-01", "NaN", "1e308", "1,000"]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(SOURCE_COLUMNS, _CELL)), min_size=1, max_size=20))
def test_whatever_is_delivered_every_record_is_either_valid_or_quarantined(records: list[dict[str, Any]]) -> None:
    frame = cleaning.read_records(bronze(records), day=DAY, policy=POLICY)
    valid = rows(cleaning.valid_patients(frame))
    refused = rows(cleaning.quarantined_records(frame, policy=POLICY))
    assert sorted(r["source_row"] for r in valid + refused) == list(range(1, len(records) + 1))
    assert all(r["reasons"] for r in refused)
    for record in valid:
        assert 0 <= record["age"] <= 90
        assert 10 <= record["bmi"] <= 100
