"""Who is on the care team's list, in which place, in which words, and what a spreadsheet makes of it."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain import care_export, care_list
from healthcare_assets.domain.care import CARE_MANAGEMENT, RULES
from healthcare_assets.domain.care_words import SPOKEN_OF, WORDED_COLUMNS, reasons_text, with_words
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.policy import POLICY, CareRules
from healthcare_assets.resources.arrow_types import ARROW_TYPES
from healthcare_assets_tests.domain.frames import POLARS_TYPES, Frame, lazy, rows
from healthcare_assets_tests.steps.care_days import REASONS, prediction

BEFORE = date(2026, 1, 2)
_LAST_TYPES = {
    "patient_key": pl.String,
    "last_scored_on": pl.Date,
    "last_risk_score": pl.Float64,
    "last_model_version": pl.String,
}
_REASON_TYPE = pl.List(pl.Struct({"attribute": pl.String, "dollars": pl.Float64, "text": pl.String}))

# Scores that lie on each boundary and beside it, and often twice.
SCORES = st.sampled_from([0.0, 14.9, 29.9, 30.0, 45.0, 59.9, 60.0, 61.0, 84.9, 85.0, 90.0, 90.1, 94.9, 95.0, 100.0])
PATIENTS = st.dictionaries(
    st.text("0123456789abcdef", min_size=2, max_size=3),
    st.tuples(SCORES, st.booleans(), st.none() | SCORES, st.sampled_from([100.0, 200.0, 200.5])),
    max_size=25,
)


def _predictions(found: Sequence[Mapping[str, Any]]) -> Frame:
    types = {c.name: POLARS_TYPES.get(c.type, _REASON_TYPE) for c in TABLES["predictions"].content_columns}
    return lazy(found, types)


def _ranked(predictions: Frame, last: Frame, *, rules: CareRules, at_a_time: int | None, capacity: int) -> list[Any]:
    """As the step does it, a part after the other."""
    listed = care_list.listed(care_list.candidates(predictions, rules=rules), last, rules=rules)
    parts = care_list.places(rows(care_list.group_sizes(listed)), at_a_time=at_a_time)
    found = []
    for part in parts:
        places: Frame = nw.from_native(pl.LazyFrame(pl.from_arrow(part)))
        found += rows(care_list.ranked(listed, places, capacity=capacity))
    return sorted(found, key=lambda row: int(row["rank"]))


def _expected(patients: Mapping[str, Any]) -> list[tuple[str, str, float | None]]:
    """Key, rule and change of everybody who is to be listed, in their order: written without a frame."""
    found = []
    for key, (score, smoker, last, charges) in patients.items():
        change = None if last is None else score - last
        if score >= 95:
            rule = "high_cost"
        elif score > 90 or (smoker and score > 60):
            rule = "requires_review"
        elif change is not None and change >= 15 and score >= 30:
            rule = "risen"
        elif score >= 85:
            rule = "critical"
        else:
            continue
        found.append(((RULES.index(rule), -score, -charges, key), (key, rule, change)))
    return [listed for _, listed in sorted(found)]


@given(PATIENTS, st.sampled_from([None, 1, 3]), st.integers(1, 30))
def test_the_list_is_as_the_rules_say_whatever_is_held_at_a_time(
    patients: dict[str, Any], at_a_time: int | None, capacity: int
) -> None:
    predictions = _predictions(
        [
            prediction(key, score, smoker=smoker, predicted_charges=charges)
            for key, (score, smoker, _, charges) in patients.items()
        ]
    )
    last = [
        {"patient_key": key, "last_scored_on": BEFORE, "last_risk_score": score, "last_model_version": "1"}
        for key, (_, _, score, _) in patients.items()
        if score is not None
    ]
    found = _ranked(predictions, lazy(last, _LAST_TYPES), rules=POLICY.care, at_a_time=at_a_time, capacity=capacity)
    assert [(row["patient_key"], row["rule"], row["score_change"]) for row in found] == _expected(patients)
    assert [row["rank"] for row in found] == list(range(1, len(found) + 1))
    assert [row["within_capacity"] for row in found] == [row["rank"] <= capacity for row in found]


def test_the_rules_of_the_table_are_those_that_list_and_each_can_be_met() -> None:
    described = next(c.description for c in CARE_MANAGEMENT.columns if c.name == "rule")
    assert [rule for rule in RULES if rule not in described] == []
    met = {rule for _, rule, _ in _expected({str(s): (s, False, 40.0, 1.0) for s in (96.0, 91.0, 55.0)})}
    assert met | {rule for _, rule, _ in _expected({"c": (86.0, False, 80.0, 1.0)})} == set(RULES)


def _why(key: str = "p", score: float = 50.0, **changes: Any) -> str:
    row = prediction(key, score, smoker=changes.pop("smoker", False))
    spoken = {
        **row,
        "reasons": row["reason_codes"],
        "score_change": None,
        "last_scored_on": None,
        "last_model_version": None,
        "urgency": 0,
        **changes,
    }
    return str(with_words(_batch([spoken]), policy=POLICY).column("why").to_pylist()[0])


def _batch(found: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    types = {c.name: ARROW_TYPES[c.type] for c in WORDED_COLUMNS if c.name != "why"}
    types |= {"last_model_version": pa.string(), "high_risk_patient": pa.bool_(), "requires_review": pa.bool_()}
    assert set(SPOKEN_OF) <= set(types)
    return pa.RecordBatch.from_pylist([dict(row) for row in found], schema=pa.schema(list(types.items())))


@pytest.mark.parametrize(
    ("rule", "score", "smoker", "said"),
    [
        ("high_cost", 97.0, False, "High cost: $38,800 a year are predicted, which is among the highest 5 %. "),
        ("requires_review", 92.34, False, "Requires review: the risk score, 92.3, is over 90. "),
        ("requires_review", 90.002, False, "Requires review: the risk score, 90.002, is over 90. "),
        ("requires_review", 60.04, True, "Requires review: smokes, and the risk score, 60.04, is over 60. "),
        ("risen", 55.0, False, "Risen: the risk score is 55.0. "),
        ("critical", 85.0, False, "Critical: the risk score, 85.0, is 85 or more. "),
    ],
)
def test_the_rule_is_said_first_and_never_contradicts_its_figure(
    rule: str, score: float, smoker: bool, said: str
) -> None:
    assert _why(score=score, smoker=smoker, rule=rule).startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "No score in the 366 days before."),
        ({"score_change": 15.04}, "Up 15.0 points since 2026-01-02. "),
        ({"score_change": -0.6}, "Down 0.6 points since 2026-01-02. "),
        ({"score_change": 0.01}, "Unchanged since 2026-01-02. "),
        ({"score_change": -0.01}, "Unchanged since 2026-01-02. "),
        (
            {"score_change": 20.0, "last_model_version": "7"},
            "when the patient was scored by another model (version 7, now 1): the difference may be the models'. ",
        ),
    ],
)
def test_the_change_is_told_and_whether_the_model_may_have_made_it(changes: dict[str, Any], said: str) -> None:
    last = {"last_scored_on": BEFORE, "last_model_version": "1"} if changes else {}
    assert said in _why(rule="risen", **{**last, **changes})


def test_reasons_are_never_invented() -> None:
    assert _why(score=80.0, rule="risen").endswith(
        "What raises the cost most: Smokes: +$23,900 a year; BMI 36.2 (obese): +$5,100 a year."
    )
    only = "What raises the cost is worked out for patients who are high risk or require review only."
    assert _why(score=50.0, rule="risen").endswith(only)
    none = "No attribute by itself raises the cost above the typical member's."
    assert _why(score=80.0, rule="risen", reasons=[]).endswith(none)


def test_the_texts_of_a_part_of_a_batch_are_its_own() -> None:
    codes = pa.array([REASONS, [], REASONS[:1], None, REASONS[1:]], ARROW_TYPES["reason_codes"])
    smokes, bmi = (reason["text"] for reason in REASONS)
    assert reasons_text(codes).to_pylist() == [f"{smokes}; {bmi}", "", smokes, "", bmi]
    assert reasons_text(codes.slice(1, 2)).to_pylist() == ["", smokes]
    assert reasons_text(codes.slice(0, 0)).to_pylist() == []


def _row(**changes: Any) -> dict[str, Any]:
    row = prediction("0a" * 16, 97.123456)
    return {
        **row,
        "rank": 1,
        "score_change": -3.25,
        "last_scored_on": BEFORE,
        "rule": "high_cost",
        "why": "High cost.",
        "reasons": REASONS,
        "partition_date": date(2026, 1, 5),
        **changes,
    }


def test_a_row_is_told_in_amounts_to_the_cent_and_days_as_iso_has_them() -> None:
    [cells] = care_export.cells([_row()])
    told = dict(zip(care_export.HEADER, cells, strict=True))
    assert told == {
        "rank": "1",
        "patient_key": "0a" * 16,
        "risk_score": "97.123",
        "risk_category": "critical",
        "predicted_charges": "38849.38",
        "charges_lower": "29137.04",
        "charges_upper": "58274.07",
        "score_change": "-3.250",
        "last_scored_on": "2026-01-02",
        "rule": "high_cost",
        "why": "High cost.",
        "reasons": "Smokes: +$23,900 a year; BMI 36.2 (obese): +$5,100 a year",
        "model_version": "1",
        "partition_date": "2026-01-05",
    }
    [never] = care_export.cells([_row(score_change=None, last_scored_on=None, reasons=[])])
    assert [name for name, cell in zip(care_export.HEADER, never, strict=True) if not cell] == [
        "score_change",
        "last_scored_on",
        "reasons",
    ]


FORMULAS = st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\n", "＝", "　", " =", " -1", '"', ",", "'"])


@given(st.tuples(*[st.builds("".join, st.tuples(FORMULAS | st.just(""), st.text(max_size=20)))] * 3))
def test_no_text_is_a_formula_and_every_text_is_read_back(texts: tuple[str, str, str]) -> None:
    why, version, reason = (text.encode("utf-8", "ignore").decode() for text in texts)
    code = {"attribute": "bmi", "dollars": 1.0, "text": reason}
    [cells] = care_export.cells([_row(why=why, model_version=version, reasons=[code])])
    for name, cell in zip(care_export.HEADER, cells, strict=True):
        if name != "score_change":  # a negative number, which is no text
            assert not cell.startswith(("\t", "\r", "\n"))
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝"))
    file = io.StringIO(newline="")
    csv.writer(file).writerow(cells)
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == cells
    told = dict(zip(care_export.HEADER, cells, strict=True))
    for name, text in (("why", why), ("model_version", version), ("reasons", reason)):
        assert told[name] in (text, f"'{text}")
