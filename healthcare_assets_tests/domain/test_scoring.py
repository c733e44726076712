"""What the predictions table promises, and every boundary of the risk bands."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.candidates import CANDIDATES
from healthcare_assets.domain.conformal import IntervalTable, intervals
from healthcare_assets.domain.model_features import design_frame, predicted_charges
from healthcare_assets.domain.risk_bands import (
    adjusted_risk_score,
    high_cost,
    high_risk_patient,
    requires_review,
    risk_category,
)
from healthcare_assets.domain.scoring import LoadedModel, ScoringError, score
from healthcare_assets.domain.tables import PREDICTIONS
from healthcare_assets.domain.training import train
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import (
    FEW_RESAMPLES,
    made_up_population,
    pseudonyms,
    trained_on_made_up_patients,
)

NOW = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
BANDS = POLICY.bands


class _Answers(BaseEstimator):  # type: ignore[misc]
    """A pipeline that answers one amount for everyone."""

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def predict(self, features: pd.DataFrame) -> Floats:
        return np.full(len(features), self.amount)


@cache
def _model() -> LoadedModel:
    trained = trained_on_made_up_patients()
    return LoadedModel(pipeline=trained.pipeline, reference=trained.reference, name="cost", version="7")


def _answering(amount: float) -> LoadedModel:
    return replace(_model(), pipeline=_Answers(amount))


def _features(count: int = 50, *, seed: int = 9) -> pd.DataFrame:
    return made_up_population(count, seed=seed).drop(columns="charges")


def _scored(features: pa.RecordBatch | pd.DataFrame, model: LoadedModel | None = None) -> pa.RecordBatch:
    return score(features, model or _model(), predicted_at=NOW)


def test_the_predictions_have_the_declared_columns_and_one_row_a_patient_in_order() -> None:
    predictions = _scored(_features())
    assert predictions.schema.names == [name for name in PREDICTIONS.column_names if name != "partition_date"]
    assert predictions["patient_key"].to_pylist() == pseudonyms(50)
    assert all(column.null_count == 0 for column in predictions.columns)
    assert set(predictions["model_name"].to_pylist()) == {"cost"}
    assert set(predictions["model_version"].to_pylist()) == {"7"}
    assert set(predictions["predicted_at"].to_pylist()) == {NOW}


def test_the_numbers_are_those_of_the_model() -> None:
    features, reference = _features(), _model().reference
    rows = _scored(features).to_pylist()
    predicted = trained_on_made_up_patients().pipeline.predict(features)
    assert [row["predicted_charges"] for row in rows] == predicted.tolist()
    for row in rows:
        below = (reference.charges < row["predicted_charges"]).mean() * 100
        assert row["risk_score"] == pytest.approx(below)
        assert 0 <= row["charges_lower"] <= row["predicted_charges"] <= row["charges_upper"]
    lower, upper = intervals(reference.intervals, predicted)
    assert [(row["charges_lower"], row["charges_upper"]) for row in rows] == list(zip(lower, upper, strict=True))


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_where_a_batch_ends_changes_nothing_to_the_last_bit(candidate: Any) -> None:
    trained = train(made_up_population(500), candidates=(candidate,))
    model = LoadedModel(pipeline=trained.pipeline, reference=trained.reference, name="cost", version="1")
    features = pa.RecordBatch.from_pandas(_features(11_000))  # enough for two threads
    whole = _scored(features, model)
    sizes = (1, 999, 4_000, 6_000)
    starts = np.cumsum([0, *sizes[:-1]])
    parts = [_scored(features.slice(start, size), model) for start, size in zip(starts, sizes, strict=True)]
    assert pa.Table.from_batches([whole]) == pa.Table.from_batches(parts).combine_chunks()


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_whoever_is_beside_a_patient_changes_nothing_to_the_last_bit(candidate: Any) -> None:
    """A matrix product adds up in an order that depends on the number of rows."""
    trained = train(made_up_population(500), candidates=(candidate,), policy=FEW_RESAMPLES)
    design = design_frame(_features(200))
    whole = predicted_charges(trained.pipeline, design)
    assert np.allclose(whole, np.maximum(trained.pipeline.predict(design), 0.0), rtol=1e-12)
    for size in (1, 2, 3, 5, 7, 16, 33, 185):
        assert np.array_equal(predicted_charges(trained.pipeline, design[:size]), whole[:size]), size
        assert np.array_equal(predicted_charges(trained.pipeline, design[-size:]), whole[-size:]), size


def test_pandas_arrow_and_polars_batches_give_the_same() -> None:
    features = _features()
    [polars_batch] = pl.from_pandas(features).to_arrow(compat_level=pl.CompatLevel.newest()).to_batches()
    assert _scored(features) == _scored(pa.RecordBatch.from_pandas(features)) == _scored(polars_batch)


def test_scoring_travels_to_a_cluster() -> None:
    function = cloudpickle.loads(cloudpickle.dumps(partial(score, model=_model(), predicted_at=NOW)))
    assert function(_features()) == _scored(_features())


def test_an_empty_batch_gives_an_empty_batch() -> None:
    predictions = _scored(_features().iloc[:0])
    assert (predictions.num_rows, predictions.schema) == (0, _scored(_features()).schema)


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_amount_is_never_written(amount: float) -> None:
    with pytest.raises(ScoringError, match=r"cost version 7 answers 50 of 50 patients with no amount"):
        _scored(_features(), _answering(amount))


def test_a_prediction_below_zero_is_zero() -> None:
    assert set(_scored(_features(), _answering(-0.01)).column("predicted_charges").to_pylist()) == {0.0}


@pytest.mark.parametrize(
    ("column", "value"), [("bmi", None), ("age", np.inf), ("smoker", None), ("region", "Smallville"), ("sex", None)]
)
def test_what_the_model_never_saw_is_refused_and_not_told(column: str, value: Any) -> None:
    features = _features().astype({column: object})
    features.loc[3, column] = value
    with pytest.raises(ScoringError, match=rf"{column} is not usable in 1 of 50 rows") as refused:
        _scored(features)
    assert "Smallville" not in str(refused.value)


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(ScoringError, match="bmi is missing"):
        _scored(_features().drop(columns="bmi"))


def test_a_patient_without_a_key_is_not_scored() -> None:
    with pytest.raises(ScoringError, match="without patient_key"):
        _scored(_features().assign(patient_key=None))


def test_nobody_is_predicted_to_cost_less_than_nothing() -> None:
    assert set(_scored(_features(), _answering(1.0))["charges_lower"].to_pylist()) == {0.0}


def test_the_interval_is_the_one_of_the_prediction_s_bin() -> None:
    table = IntervalTable(coverage=0.9, edges=(500.0,), lower=(-20.0, -300.0), upper=(30.0, 400.0), calibrated_on=900)
    reference = replace(_model().reference, intervals=table)
    for amount, lower, upper in ((100.0, 80.0, 130.0), (1000.0, 700.0, 1400.0)):
        row = _scored(_features(), replace(_answering(amount), reference=reference)).to_pylist()[0]
        assert (row["charges_lower"], row["charges_upper"]) == (lower, upper)


def test_reason_codes_are_for_who_is_flagged_and_tell_what_raises_the_charges_most() -> None:
    rows = _scored(_features(400)).to_pylist()
    flagged = [row for row in rows if row["high_risk_patient"] or row["requires_review"]]
    assert 0 < len(flagged) < len(rows)
    assert all(row["reason_codes"] == [] for row in rows if row not in flagged)
    for row in flagged:
        dollars = [code["dollars"] for code in row["reason_codes"]]
        assert 1 <= len(dollars) <= 3
        assert dollars == sorted(dollars, reverse=True)
        assert min(dollars) >= 1.0
    assert any(code["text"].startswith("Smokes: +$") for row in flagged for code in row["reason_codes"])


def test_reason_codes_have_the_declared_type() -> None:
    code = pa.struct([("attribute", pa.string()), ("dollars", pa.float64()), ("text", pa.string())])
    for features in (_features(), _features().iloc[:0]):
        assert _scored(features).schema.field("reason_codes").type == pa.list_(code)


def test_a_smoker_who_is_reviewed_and_not_high_risk_is_told_why_too() -> None:
    rows = _scored(_features(400)).to_pylist()
    reviewed = [row for row in rows if row["requires_review"] and not row["high_risk_patient"]]
    assert reviewed
    assert all(row["reason_codes"] for row in reviewed)


def test_the_risk_score_is_at_least_10_when_adjusted() -> None:
    assert adjusted_risk_score(np.array([0.0, 9.99, 10.0, 10.01, 100.0]), BANDS).tolist() == [10, 10, 10, 10.01, 100]


@pytest.mark.parametrize(
    ("risk_score", "category"),
    [
        (0.0, "low"),
        (29.999, "low"),
        (30.0, "medium"),
        (59.999, "medium"),
        (60.0, "high"),
        (84.999, "high"),
        (85.0, "critical"),
        (100.0, "critical"),
    ],
)
def test_risk_category(risk_score: float, category: str) -> None:
    assert risk_category(np.array([risk_score]), BANDS).tolist() == [category]


@pytest.mark.parametrize(("risk_score", "is_high"), [(74.999, False), (75.0, False), (75.001, True), (100.0, True)])
def test_high_risk_patient(risk_score: float, is_high: bool) -> None:
    assert high_risk_patient(np.array([risk_score]), BANDS).tolist() == [is_high]


def test_a_critical_patient_is_a_high_risk_patient_whatever_the_other_threshold() -> None:
    bands = replace(BANDS, high_risk_above=95.0)
    assert high_risk_patient(np.array([84.9, 85.0, 95.0]), bands).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("risk_score", "smoker", "reviewed"),
    [
        (90.0, False, False),
        (90.001, False, True),
        (60.0, True, False),
        (60.001, True, True),
        (60.001, False, False),
        (0.0, True, False),
    ],
)
def test_requires_review(risk_score: float, smoker: bool, reviewed: bool) -> None:
    assert requires_review(np.array([risk_score]), np.array([smoker]), BANDS).tolist() == [reviewed]


def test_high_cost_begins_at_the_quantile() -> None:
    assert high_cost(np.array([99.99, 100.0, 100.01]), 100.0).tolist() == [False, True, True]
