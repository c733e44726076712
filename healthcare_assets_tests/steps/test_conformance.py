"""Every shared frame function gives the same rows on Polars and on a JVM Spark, over awkward values.

The engines differ silently: in what a cast does with text, what a regular expression's classes hold, how nulls and NaN
compare. So each function gets nulls, NaN, extremes, unicode and no rows at all, and both answers are compared.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache, partial
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import narwhals as nw
import pyarrow as pa
import pytest

from healthcare_assets.domain import care_list, care_words, checks, cleaning, deidentification, dimension, features
from healthcare_assets.domain.columns import PARTITION_COLUMN, Column
from healthcare_assets.domain.monitoring import outcomes
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    DIM_PATIENTS,
    PREDICTIONS,
    RISK_FEATURES,
    SILVER_PATIENTS,
    SOURCE_COLUMNS,
)
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.steps.silver import RECORD_COLUMNS
from healthcare_assets_tests.domain.frames import DAY, GOOD_RECORD, bronze_rows
from healthcare_assets_tests.steps.care_days import prediction

pytestmark = pytest.mark.spark

AWKWARD_TEXTS = (
    None,
    "",
    " ",
    "\u00a0 \t",
    "NaN",
    "null",
    "0",
    "-0",
    "1",
    "007",
    "+7",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E+3",
    "1e99",
    "1e999",
    "-1e-9",
    "1,234",
    "1,23",
    "$1,234.5",
    "١٢",
    "12\n",
    "1 2",
    "Infinity",
    "9" * 18,
    "9" * 19,
    "16884.924",
    "0.1",
    "123456789.123456789",
    "yes",
    "YES",
    "True",
    "İ",
    "ﬁ",
    "ß",
    "Ⅻ",
    "😀",
    "f\u0000m",
    "Male",
    "f",
    "South-West",
    "NE",
    "GOLD",
    "2026-01-05",
    "2026-02-30",
    "2024-02-29",
    "1/5/2026",
    "12/31/1999",
    "2026/01/05",
    "2026-01-05T10:00",
    "2026-01-05 10:00:59.123456Z",
    "2026-01-05T10:00:00+05:30",
    "2026-01-05T10:00:00-0800",
    "2026-01-05T24:00:00Z",
    "0001-01-01",
    "9999-12-31",
    "2026-01-05\r",
    "2026-01-05\u2028",
    "12\u2028",
    "02143",
    "02143\u2028",
    "03601-1234",
    "021**",
    "12\u0085",
    "1$2",
    "1.0",
    "x" * 1000,
)


def _records() -> list[dict[str, Any]]:
    """A good record with each awkward text in each column in turn, and one all of nulls."""
    changed: list[dict[str, Any]] = [
        {**GOOD_RECORD, column: text} for column in SOURCE_COLUMNS for text in AWKWARD_TEXTS if text != "f\u0000m"
    ]
    changed += [{**GOOD_RECORD, "age": None, "birth_date": text} for text in AWKWARD_TEXTS if text != "f\u0000m"]
    return [
        *changed,
        dict.fromkeys(SOURCE_COLUMNS),
        {**GOOD_RECORD, "malformed": "has 5 fields where the header names 7"},
    ]


def _frame(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> Frame:
    batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=arrow_schema(columns))
    return lakehouse.from_batches([batch], columns=columns)


def _comparable(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows in an order of their own, with NaN equal to itself."""
    rows = [
        tuple("NaN" if isinstance(value, float) and math.isnan(value) else value for value in row.values())
        for row in table.to_pylist()
    ]
    return sorted(rows, key=repr)


def _bronze_columns() -> list[Column]:
    return [column for column in BRONZE_PATIENTS.columns if column.name != PARTITION_COLUMN]


def _read(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]]) -> Frame:
    return cleaning.read_records(_frame(lakehouse, rows, _bronze_columns()), day=DAY, policy=POLICY)


@cache
def _read_rows() -> list[dict[str, Any]]:
    """What reading the awkward records gives (the same on both engines, by the first case): input to what follows."""
    lakehouse = PolarsLakehouse(Path(mkdtemp()))
    rows: list[dict[str, Any]] = lakehouse.collect(_read(lakehouse, bronze_rows(_records()))).to_pylist()
    return rows


def _already_read(lakehouse: Lakehouse) -> Frame:
    identity = Column(name="identity", type="string", description="", nullable=True)
    return _frame(lakehouse, _read_rows(), [identity, *RECORD_COLUMNS[1:]])


def _patient(key: str, day: date, **changes: Any) -> dict[str, Any]:
    silver = {
        "patient_key": key,
        "age": 44,
        "sex": "female",
        "region": "southwest",
        "bmi": 27.9,
        "smoker": False,
        "children": 2,
        "charges": 7281.51,
        "insurance_plan": "gold",
        "coverage_start_year": 2021,
        "data_quality_score": 100.0,
        "hipaa_deidentified": True,
        "source_records": 1,
        PARTITION_COLUMN: day,
    }
    return {**silver, **changes}


_DAYS = [date(2026, 1, day) for day in (1, 2, 3, 4)]
_HISTORY = [
    _patient("a", _DAYS[0]),
    _patient("a", _DAYS[1]),
    _patient("a", _DAYS[2], region="northeast"),
    _patient("a", _DAYS[3]),
    _patient("b", _DAYS[1], charges=None),
    _patient("b", _DAYS[3], charges=0.0),
    _patient("c", _DAYS[0], charges=float("nan"), insurance_plan=None),
    _patient("c", _DAYS[3], charges=float("nan"), insurance_plan=None, coverage_start_year=None),
    _patient("d", _DAYS[2], bmi=1e-300, charges=1e300),
]


def _dimension(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]]) -> Frame:
    return dimension.versions(_frame(lakehouse, rows, SILVER_PATIENTS.columns))


def _patients() -> list[dict[str, Any]]:
    keep = ("patient_key", "age", "sex", "region", "bmi", "smoker", "children")
    ages, bmis = (
        (0, 24, 25, 34, 35, 49, 50, 64, 65, 90, None),
        (10.0, 18.5, 25.0, 29.999999, 30.0, 100.0, None, math.nan),
    )
    rows = [
        _patient("k", DAY, age=age, bmi=bmi, smoker=smoker) for age in ages for bmi in bmis for smoker in (True, None)
    ]
    rows += [
        _patient("k", DAY, region=region, children=children) for region in ("northeast", None) for children in (0, 20)
    ]
    return [{name: row[name] for name in keep} for row in rows]


def _features(lakehouse: Lakehouse) -> Frame:
    columns = [column for column in RISK_FEATURES.columns if column.name in _patients()[0]]
    return features.risk_features(_frame(lakehouse, _patients(), columns))


def _predictions() -> list[dict[str, Any]]:
    good = {
        "patient_key": "a",
        "predicted_charges": 10.0,
        "charges_lower": 1.0,
        "charges_upper": 20.0,
        "risk_score": 50.0,
        "adjusted_risk_score": 50.0,
        "risk_category": "medium",
    }
    changes: list[dict[str, Any]] = [
        {},
        {"charges_lower": 11.0},
        {"risk_score": math.nan},
        {"risk_score": 101.0},
        {"predicted_charges": None},
        {"charges_upper": math.inf},
        {"risk_category": "dire"},
    ]
    return [{**good, "patient_key": str(number % 3), **change} for number, change in enumerate(changes)]


def _changes(lakehouse: Lakehouse, *, upserts: bool) -> Frame:
    present, wanted = _dimension(lakehouse, _HISTORY[:-3]), _dimension(lakehouse, _HISTORY[1:])
    return dimension.changes(present, wanted)[0 if upserts else 1]


_OUTCOME_PATIENTS = {name: deidentification.pseudonyms(b"key")(name) for name in ("p1", "p2")}


def _delivered_outcomes() -> list[dict[str, Any]]:
    """A good outcome with each awkward text in each column in turn, repetitions, contradictions, strangers."""
    good = {"patient_id": "p1", "charges": "10.5", "service_date": "2026-01-02", "known_date": "2026-01-05"}
    changed = [{**good, name: text} for name in good for text in AWKWARD_TEXTS if text != "f\u0000m"]
    changed += [
        {**good, "patient_id": "p2", "charges": "1"},
        {**good, "patient_id": "P2 ", "charges": "2"},
        {**good, "patient_id": "p2", "service_date": "2026-01-05"},
        {**good, "patient_id": "p2", "service_date": "2026-01-05"},
        {**good, "patient_id": "p3"},
        {"malformed": "has 5 fields where the header names 7"},
    ]
    return [
        {"known_expected": number % 2 == 0, "source_row": number, **record} for number, record in enumerate(changed, 1)
    ]


def _outcomes(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]] | None = None) -> Frame:
    delivered = _frame(lakehouse, _delivered_outcomes() if rows is None else rows, outcomes.DELIVERED_COLUMNS)
    return outcomes.read_outcomes(delivered, day=DAY, policy=POLICY)


def _outcome_records(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]] | None = None) -> Frame:
    pseudonymise = deidentification.pseudonymiser(b"key")
    records = lakehouse.map_batches(
        _outcomes(lakehouse, rows),
        lambda batch: outcomes.with_service_date(pseudonymise(batch)),
        columns=outcomes.RECORD_COLUMNS,
    )
    members = [_patient(key, _DAYS[1]) for key in _OUTCOME_PATIENTS.values()]
    return outcomes.judged(records, _dimension(lakehouse, members))


_OBSERVED: list[dict[str, Any]] = [
    {"patient_key": "a", "charges": 1.0, "service_date": _DAYS[0], "source_records": 1, PARTITION_COLUMN: _DAYS[1]},
    {"patient_key": "a", "charges": 2.0, "service_date": _DAYS[0], "source_records": 1, PARTITION_COLUMN: _DAYS[2]},
    {"patient_key": "b", "charges": 3.0, "service_date": _DAYS[1], "source_records": 2, PARTITION_COLUMN: _DAYS[3]},
    {"patient_key": "z", "charges": 4.0, "service_date": _DAYS[1], "source_records": 1, PARTITION_COLUMN: _DAYS[3]},
]


def _known_charges(lakehouse: Lakehouse) -> Frame:
    observed = _frame(lakehouse, _OBSERVED, OBSERVED_OUTCOMES.columns)
    newest = lakehouse.latest(observed, key=outcomes.KEY, order_by=[PARTITION_COLUMN])
    records = _frame(lakehouse, _HISTORY, SILVER_PATIENTS.columns)
    return outcomes.with_known_charges(records.select("patient_key", PARTITION_COLUMN, "charges"), newest)


def _on_the_care_list(lakehouse: Lakehouse) -> Frame:
    """Scores on and beside every boundary, with and without one of before."""
    scores = (0.0, 29.9, 30.0, 45.0, 60.0, 60.000001, 85.0, 90.0, 90.000001, 95.0, 100.0)
    last_scores = (None, 0.0, 14.999999, 15.0, 29.999999, 100.0)
    people = [
        (f"{number:02}{smoker}", score, smoker, last)
        for number, (score, last) in enumerate(product(scores, last_scores))
        for smoker in (False, True)
    ]
    today = [prediction(key, score, smoker=smoker) for key, score, smoker, _ in people]
    before = [
        prediction(key, last, partition_date=_DAYS[0], model_version="0")
        for key, _, _, last in people
        if last is not None
    ]
    predictions = _frame(lakehouse, today, PREDICTIONS.content_columns)
    last_of_all = care_list.scores(_frame(lakehouse, before, PREDICTIONS.columns))
    candidates = care_list.candidates(predictions, rules=POLICY.care)
    return lakehouse.once(care_list.listed(candidates, last_of_all, rules=POLICY.care))


def _worded(lakehouse: Lakehouse) -> Frame:
    words = partial(care_words.with_words, policy=POLICY)
    return lakehouse.map_batches(_on_the_care_list(lakehouse), words, columns=care_words.WORDED_COLUMNS)


def _ranked(lakehouse: Lakehouse) -> Frame:
    listed = _on_the_care_list(lakehouse)
    groups = lakehouse.collect(care_list.group_sizes(listed)).to_pylist()
    [places] = care_list.places(groups, at_a_time=None)
    in_places = lakehouse.from_batches([places], columns=care_list.PLACE_COLUMNS)
    return care_list.ranked(listed, in_places, capacity=7).select("rank", "within_capacity", "patient_key", "rule")


CASES: Mapping[str, Callable[[Lakehouse], Frame]] = {
    "reading records": lambda lake: _read(lake, bronze_rows(_records())),
    "reading records without ids": lambda lake: _read(
        lake,
        bronze_rows([{**GOOD_RECORD, "patient_id": None, "id_expected": False, "bmi": t} for t in AWKWARD_TEXTS[:30]]),
    ),
    "reading no records": lambda lake: _read(lake, []),
    "valid patients": lambda lake: cleaning.valid_patients(_already_read(lake)),
    "quarantined records": lambda lake: cleaning.quarantined_records(_already_read(lake), policy=POLICY),
    "pseudonyms": lambda lake: lake.map_batches(
        _already_read(lake).select("identity", "source_row"),
        deidentification.pseudonymiser(b"a key for the tests"),
        columns=[c for c in SILVER_PATIENTS.columns if c.name == "patient_key"]
        + [c for c in BRONZE_PATIENTS.columns if c.name == "source_row"],
    ),
    "the newest record of a patient": lambda lake: lake.latest(
        cleaning.with_order(_already_read(lake)),
        key=["identity"],
        order_by=cleaning.NEWEST_BY,
        count_as="source_records",
    ),
    "proof of de-identification": lambda lake: _frame(lake, _HISTORY, SILVER_PATIENTS.columns).select(
        "patient_key", deidentification.is_deidentified().alias("proved")
    ),
    "versions": lambda lake: _dimension(lake, _HISTORY),
    "versions of nobody": lambda lake: _dimension(lake, []),
    "affected patients": lambda lake: dimension.affected_patients(
        _dimension(lake, _HISTORY), _frame(lake, _HISTORY[:2], SILVER_PATIENTS.columns), day=_DAYS[3]
    ),
    "history before a day": lambda lake: dimension.history_before(_dimension(lake, _HISTORY), day=_DAYS[2]),
    "versions to write": lambda lake: _changes(lake, upserts=True),
    "versions to delete": lambda lake: _changes(lake, upserts=False),
    "versions as of a day": lambda lake: dimension.as_of(_dimension(lake, _HISTORY), day=_DAYS[2]),
    "risk features": _features,
    "counting current records": lambda lake: checks.current_records(_dimension(lake, _HISTORY)),
    "counting nulls": lambda lake: checks.null_counts(
        SILVER_PATIENTS, _frame(lake, [*_HISTORY, _patient("e", DAY, sex=None)], SILVER_PATIENTS.columns)
    ),
    "counting features out of range": lambda lake: checks.features_out_of_range(_features(lake), policy=POLICY),
    "counting incomplete predictions": lambda lake: _frame(
        lake, _predictions(), [c for c in PREDICTIONS.columns if c.name in _predictions()[0]]
    ).select(*checks.incomplete_predictions()),
    "reading outcomes": _outcomes,
    "judging outcomes": _outcome_records,
    "judging no outcomes": lambda lake: _outcome_records(lake, []),
    "the charges as they are known": _known_charges,
    "the care team's list in words": _worded,
    "the care team's list in its order": _ranked,
    "counting ranks": lambda lake: checks.ranks(_ranked(lake)),
    "counting current records of nobody": lambda lake: checks.current_records(_frame(lake, [], DIM_PATIENTS.columns)),
}


@pytest.mark.parametrize("case", CASES)
def test_both_engines_give_the_same_rows(case: str, polars_lakehouse: Lakehouse, spark_lakehouse: Lakehouse) -> None:
    on_polars = polars_lakehouse.collect(CASES[case](polars_lakehouse))
    on_spark = spark_lakehouse.collect(CASES[case](spark_lakehouse))
    assert on_polars.schema.names == on_spark.schema.names
    assert [str(field.type) for field in on_polars.schema] == [str(field.type) for field in on_spark.schema]
    assert _comparable(on_polars) == _comparable(on_spark)


@pytest.mark.parametrize("case", CASES)
def test_the_cases_are_not_empty_unless_they_say_so(case: str, polars_lakehouse: Lakehouse) -> None:
    rows = polars_lakehouse.collect(CASES[case](polars_lakehouse)).num_rows
    assert (rows == 0) == (case in {"reading no records", "versions of nobody", "judging no outcomes"})


def test_counts_of_nothing_are_zero_on_both(polars_lakehouse: Lakehouse, spark_lakehouse: Lakehouse) -> None:
    for lakehouse in (polars_lakehouse, spark_lakehouse):
        empty = _frame(lakehouse, [], SILVER_PATIENTS.columns)
        found = lakehouse.collect(empty.select(nw.len().cast(nw.Int64).alias("rows"))).to_pylist()
        assert found == [{"rows": 0}]
