"""Costs as they become known: which are refused and why, and that none is lost."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.monitoring import outcomes
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.domain.frames import DAY, POLARS_TYPES, Frame, lazy, rows

GOOD = {"patient_id": "P1", "charges": "120.50", "service_date": "2026-01-03"}
SEEN = {"P1": date(2026, 1, 1), "P2": date(2026, 1, 4)}


def _read(records: Sequence[Mapping[str, Any]]) -> Frame:
    schema = {column.name: POLARS_TYPES[column.type] for column in outcomes.DELIVERED_COLUMNS}
    defaults = {"known_expected": any("known_date" in record for record in records)}
    numbered = [{**defaults, "source_row": number, **record} for number, record in enumerate(records, 1)]
    return outcomes.read_outcomes(lazy(numbered, schema), day=DAY, policy=POLICY)


def _judged(records: Sequence[Mapping[str, Any]]) -> Frame:
    """The ids stand for the pseudonyms."""
    batch = pl.DataFrame(rows(_read(records)), schema_overrides={"service_days": pl.Int64}).to_arrow().combine_chunks()
    dated = pl.DataFrame(outcomes.with_service_date(batch.to_batches()[0])).rename({"identity": "patient_key"})
    schema = {column.name: POLARS_TYPES[column.type] for column in outcomes.RECORD_COLUMNS}
    dimension = [{"patient_key": key, "effective_date": day} for key, day in SEEN.items()]
    dimension.append({"patient_key": "P1", "effective_date": date(2026, 1, 5)})
    return outcomes.judged(
        lazy(dated.to_dicts(), schema), lazy(dimension, {"patient_key": pl.String, "effective_date": pl.Date})
    )


def _reasons(*records: Mapping[str, Any]) -> list[list[str] | None]:
    judged = sorted(rows(_judged(records)), key=lambda row: int(row["source_row"]))
    return [row["reasons"] for row in judged]


def test_a_good_outcome_is_read() -> None:
    (row,) = rows(_judged([GOOD]))
    assert row == {
        "patient_key": "P1",
        "charges": 120.5,
        "service_date": date(2026, 1, 3),
        "source_row": 1,
        "reasons": None,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"service_date": "1950-11-23"},  # before the patient was known
        {"service_date": "2031-11-23"},
        {"patient_id": None, "service_date": "1950-11-23"},
        {"patient_id": "P3", "service_date": "1950-11-23"},
    ],
)
def test_a_refused_outcome_keeps_no_date_on_which_its_patient_is_not_known(change: Mapping[str, Any]) -> None:
    (row,) = rows(outcomes.quarantined_outcomes(_judged([{**GOOD, **change}])))
    assert row["service_date"] is None
    (kept,) = rows(outcomes.quarantined_outcomes(_judged([{**GOOD, "charges": "free"}])))
    assert kept["service_date"] == date(2026, 1, 3)


@pytest.mark.parametrize(("charges", "is_amount"), [("078051120", False), ("0123", False), ("0", True), ("0.50", True)])
def test_a_code_with_zeros_in_front_is_no_cost(charges: str, is_amount: bool) -> None:
    assert _reasons({**GOOD, "charges": charges}) == [None if is_amount else ["charges is not a number"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"patient_id": " "}, "patient_id is missing"),
        ({"charges": "n/a"}, "charges is missing"),
        ({"charges": "much"}, "charges is not a number"),
        ({"charges": "-1"}, "charges is negative"),
        ({"charges": "100000000.01"}, "charges is over 100,000,000 dollars"),
        ({"service_date": None}, "service_date is missing"),
        ({"service_date": "2026-02-30"}, "service_date is not a date"),
        ({"service_date": "2026-01-06"}, "service_date is after the day on which the cost became known"),
        ({"known_date": ""}, "known_date is missing"),
        ({"known_date": "soon"}, "known_date is not a date"),
        ({"known_date": "2026-01-06"}, "known_date is in the future"),
        ({"malformed": "has 2 fields where the header names 3"}, "has 2 fields where the header names 3"),
    ],
)
def test_each_broken_rule_is_named_without_the_value(change: Mapping[str, Any], reason: str) -> None:
    assert _reasons({**GOOD, **change}) == [[reason]]


@pytest.mark.parametrize("change", [{"charges": "0"}, {"charges": "1e8"}, {"service_date": "2026-01-05"}])
def test_the_limits_themselves_are_allowed(change: Mapping[str, Any]) -> None:
    assert _reasons({**GOOD, **change}) == [None]


@pytest.mark.parametrize("text", ["2026-01-05", "2026-01-05T23:59:59Z", "1/5/2026", "1/5/2026 0:00", "2026/01/05"])
def test_known_dates_are_read_as_they_are_usually_written(text: str) -> None:
    assert _reasons({**GOOD, "known_date": text}) == [None]


def test_a_known_date_that_decides_nothing_is_not_looked_at() -> None:
    assert _reasons({**GOOD, "known_date": "soon", "known_expected": False}) == [None]


@pytest.mark.parametrize("change", [{"patient_id": "P9"}, {"patient_id": "P2"}, {"service_date": "2025-12-31"}])
def test_a_patient_without_a_record_by_the_service_date_is_unknown(change: Mapping[str, Any]) -> None:
    ((reason,),) = _reasons({**GOOD, **change})  # type: ignore[misc]  # a null would fail here, as it should
    assert reason.startswith("unknown patient: ")
    assert "materialise the patient's days first" in reason


def test_all_broken_rules_are_named() -> None:
    assert _reasons({"charges": "?", "service_date": "?"}) == [
        ["patient_id is missing", "charges is not a number", "service_date is not a date"]
    ]


def test_two_costs_of_one_patient_and_service_date_are_both_refused_and_repetitions_are_not() -> None:
    other_day, other_patient = {**GOOD, "service_date": "2026-01-04"}, {**GOOD, "patient_id": "P2"}
    found = _reasons(
        GOOD, {**GOOD, "charges": "120.5"}, {**GOOD, "charges": "99"}, other_day, other_day, {**other_patient}
    )
    contradiction = ["the delivery has other charges of the same patient_id and service_date"]
    assert found[:3] == [contradiction] * 3
    assert found[3:5] == [None, None]


def test_a_refused_record_contradicts_nobody() -> None:
    assert _reasons(GOOD, {**GOOD, "charges": "-5"}) == [None, ["charges is negative"]]


def test_what_is_implausible_does_not_leave_the_reading() -> None:
    """A number over the range may be a telephone number that slipped a column."""
    (row,) = rows(_read([{**GOOD, "charges": "5551234567"}]))
    assert row["charges"] is None


_CELL = st.one_of(
    st.none(),
    st.sampled_from(["P1", "P2", "P9", "1", "2", "-3", "1e99", "2026-01-04", "2026-01-05", "2027-01-01", "null", "; "]),
    st.text(max_size=8),
)


@settings(max_examples=30)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(outcomes.OUTCOME_SOURCE_COLUMNS, _CELL)), min_size=1, max_size=12))
def test_every_record_leaves_once_as_valid_or_with_reasons(records: list[dict[str, str | None]]) -> None:
    judged = _judged(records)
    valid, refused = rows(outcomes.valid_outcomes(judged)), rows(outcomes.quarantined_outcomes(judged))
    assert sorted(row["source_row"] for row in valid + refused) == list(range(1, len(records) + 1))
    assert all(row["reasons"] and all(row["reasons"]) for row in refused)
    low, high = POLICY.ranges.charges
    assert all(low <= row["charges"] <= high and SEEN[row["patient_key"]] <= row["service_date"] for row in valid)
    costs: dict[Any, set[float]] = {}
    for row in valid:
        costs.setdefault((row["patient_key"], row["service_date"]), set()).add(row["charges"])
    assert all(len(different) == 1 for different in costs.values())


def test_the_outcome_of_a_service_day_takes_the_place_of_the_record_s_charges() -> None:
    dated = {"patient_key": pl.String, "charges": pl.Float64, PARTITION_COLUMN: pl.Date}
    records: list[dict[str, Any]] = [
        {"patient_key": "P1", "charges": None, PARTITION_COLUMN: date(2026, 1, 1)},
        {"patient_key": "P1", "charges": 5.0, PARTITION_COLUMN: date(2026, 1, 2)},
        {"patient_key": "P2", "charges": 6.0, PARTITION_COLUMN: date(2026, 1, 1)},
        {"patient_key": "P3", "charges": None, PARTITION_COLUMN: date(2026, 1, 1)},
    ]
    newest: list[dict[str, Any]] = [
        {"patient_key": "P1", "charges": 9.0, "service_date": date(2026, 1, 1)},
        {"patient_key": "P2", "charges": 0.0, "service_date": date(2026, 1, 1)},
        {"patient_key": "P9", "charges": 1.0, "service_date": date(2026, 1, 1)},
    ]
    known = outcomes.with_known_charges(
        lazy(records, dated),
        lazy(newest, {"patient_key": pl.String, "charges": pl.Float64, "service_date": pl.Date}),
    )
    found = {(row["patient_key"], row[PARTITION_COLUMN].day): row["charges"] for row in rows(known)}
    assert found == {("P1", 1): 9.0, ("P1", 2): 5.0, ("P2", 1): 0.0, ("P3", 1): None}
