"""A compiled model predicts what its pipeline does, or there is none, with the reason."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.candidates import CANDIDATES, Candidate, Parameters, Steps, pipeline_of
from healthcare_assets.domain.compiled import COALITIONS, CompiledModel, TreeTable, agreeing
from healthcare_assets.domain.compiling import Compilation, compile_pipeline
from healthcare_assets.domain.compiling_trees import _first_above
from healthcare_assets.domain.model_features import design_frame, predicted_charges
from healthcare_assets.domain.people import ATTRIBUTES, People, attributes_frame, design_of, people_of
from healthcare_assets.domain.scoring import LoadedModel, ScoringError, score
from healthcare_assets.domain.tables import REGIONS, SEXES
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.compiled_file import packed, unpacked
from healthcare_assets_tests.training_populations import (
    made_up_population,
    trained_on_made_up_patients,
    training_frame,
)

BY_NAME = {candidate.name: candidate for candidate in CANDIDATES}
OLDEST, MOST_CHILDREN = POLICY.ranges.age_years[1], POLICY.ranges.children[1]
NOW = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


@cache
def _population() -> pd.DataFrame:
    """BMIs to a tenth, as scales give them."""
    raw = made_up_population(500)
    attributes = raw[[*ATTRIBUTES, "charges"]]
    return training_frame(attributes.assign(bmi=attributes["bmi"].round(1)))


@cache
def _compiled(name: str) -> tuple[Pipeline, CompiledModel]:
    pipeline = pipeline_of(BY_NAME[name], seed=1).fit(design_frame(_population()), _population()["charges"])
    compilation = compile_pipeline(pipeline, _population())
    assert compilation.model is not None, compilation.kind
    assert compilation.difference is not None
    assert compilation.difference <= 1e-10
    return pipeline, compilation.model


def _anybody(count: int, seed: int = 3) -> People:
    """From all that silver lets through, many with a BMI at one of the limits or just beside it."""
    random = np.random.default_rng(seed)
    at_limits = np.array([18.5, 25.0, 30.0])[random.integers(0, 3, count)]
    beside = np.nextafter(at_limits, random.choice([-np.inf, np.inf], count))
    kinds = [np.round(random.uniform(10, 100, count), 1), random.uniform(10, 100, count), at_limits, beside]
    return People(
        age=random.integers(0, OLDEST + 1, count),
        sex=random.integers(0, len(SEXES), count),
        region=random.integers(0, len(REGIONS), count),
        bmi=np.choose(random.integers(0, len(kinds), count), kinds),
        smoker=random.integers(0, 2, count),
        children=random.integers(0, MOST_CHILDREN + 1, count),
    )


def _by_pipeline(pipeline: Pipeline, people: People) -> Floats:
    return predicted_charges(pipeline, design_of(attributes_frame(people)))


@pytest.mark.parametrize("name", BY_NAME)
def test_it_predicts_what_the_pipeline_does_for_anybody(name: str) -> None:
    pipeline, model = _compiled(name)
    people = _anybody(20_000)
    expected = _by_pipeline(pipeline, people)
    assert agreeing(model.predict(people), expected).all()
    if isinstance(model, TreeTable):
        assert np.array_equal(model.predict(people), expected), "trees are added up in the same order"


@pytest.mark.parametrize("name", BY_NAME)
def test_hybrids_are_predicted_as_whoever_has_these_attributes(name: str) -> None:
    _, model = _compiled(name)
    people, reference = _anybody(50), _anybody(1, seed=8)
    found = model.coalitions(people, reference)
    assert found.shape == (COALITIONS, len(people))
    for coalition in range(COALITIONS):
        mixed = {
            attribute: getattr(people, attribute)
            if coalition >> i & 1
            else np.repeat(getattr(reference, attribute), len(people))
            for i, attribute in enumerate(ATTRIBUTES)
        }
        assert np.array_equal(found[coalition], model.predict(People(**mixed))), coalition


@pytest.mark.parametrize("name", BY_NAME)
def test_it_comes_back_from_its_file_to_the_last_bit(name: str) -> None:
    _, model = _compiled(name)
    content = packed(model)
    assert content == packed(model)
    people = _anybody(1000)
    assert np.array_equal(unpacked(content).predict(people), model.predict(people))


@pytest.mark.parametrize("name", BY_NAME)
def test_scores_and_reasons_are_those_of_the_pipeline_wherever_a_batch_ends(name: str) -> None:
    pipeline, compiled = _compiled(name)
    as_pipeline = LoadedModel(
        pipeline=pipeline, reference=trained_on_made_up_patients().reference, name="cost", version="7"
    )
    as_compiled = replace(as_pipeline, pipeline=None, compiled=compiled)
    batch = pa.RecordBatch.from_pandas(_population().drop(columns="charges"), preserve_index=False)
    whole, expected = (score(batch, model, predicted_at=NOW) for model in (as_compiled, as_pipeline))
    for column in whole.schema.names:
        got, wanted = whole[column].to_pylist(), expected[column].to_pylist()
        if isinstance(got[0], float):
            assert got == pytest.approx(wanted, rel=1e-9), column
        elif column == "reason_codes":
            assert [[r["attribute"] for r in rs] for rs in got] == [[r["attribute"] for r in rs] for rs in wanted]
            assert [r["dollars"] for rs in got for r in rs] == pytest.approx(
                [r["dollars"] for rs in wanted for r in rs], abs=0.02
            )
        else:
            assert got == wanted, column
    parts = [score(batch.slice(start, 37), as_compiled, predicted_at=NOW) for start in range(0, len(batch), 37)]
    assert pa.Table.from_batches(parts).combine_chunks() == pa.Table.from_batches([whole])


def test_whom_the_table_does_not_cover_is_refused() -> None:
    _, compiled = _compiled("histogram_gradient_boosting")
    reference = trained_on_made_up_patients().reference
    model = LoadedModel(compiled=compiled, reference=reference, name="cost", version="7")
    features = _population().drop(columns="charges").assign(children=MOST_CHILDREN)
    score(features, model, predicted_at=NOW)
    features.loc[[3, 4], "children"] = MOST_CHILDREN + 1
    features.loc[5, "age"] = -1
    with pytest.raises(ScoringError, match="cannot score 3 of these 500 patients, whose age or number of children"):
        score(features, model, predicted_at=NOW)


@given(st.lists(st.floats(9, 101, allow_nan=False), min_size=1, max_size=20), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_boundary_is_the_least_number_beyond_the_threshold(thresholds: list[float], single: bool) -> None:
    limits = np.array(thresholds)
    first = _first_above(limits, single=single)
    before = np.nextafter(first, -np.inf)

    def compared(values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64) if single else values

    assert (compared(first) > limits).all()
    assert (compared(before) <= limits).all()


def _candidate(estimator: Any, preprocessing: Any = None) -> Candidate:
    def made(parameters: Parameters, seed: int) -> RegressorMixin:
        found: RegressorMixin = estimator
        return found

    given = {} if preprocessing is None else {"preprocessing": preprocessing}
    return Candidate(name="other", estimator=made, parameters={}, **given)


def _compilation(candidate: Candidate) -> Compilation:
    pipeline = pipeline_of(candidate, seed=1).fit(design_frame(_population()), _population()["charges"])
    return compile_pipeline(pipeline, _population())


def _products() -> Steps:
    """A feature that two attributes make together."""
    numbers = ("numbers", "passthrough", ["bmi"])
    product = ("product", FunctionTransformer(_age_times_bmi), ["age", "bmi"])
    return [("columns", ColumnTransformer([numbers, product]))]


def _age_times_bmi(frame: pd.DataFrame) -> Any:
    return frame[["age"]].to_numpy() * frame[["bmi"]].to_numpy()


def _made_of_the_bmi() -> Steps:
    """Features that follow from the BMI, of everybody or of smokers alone, beside the BMI itself."""
    numbers = ("numbers", "passthrough", ["bmi", "age", "children"])
    made = ("made", FunctionTransformer(_over_30_and_of_smokers), ["bmi", "smoker"])
    return [("columns", ColumnTransformer([numbers, made]))]


def _over_30_and_of_smokers(frame: pd.DataFrame) -> Any:
    bmi, smoker = frame["bmi"].to_numpy(dtype=np.float64), frame["smoker"].to_numpy(dtype=np.float64)
    return np.stack([np.maximum(bmi - 30.0, 0.0), 100.0 - bmi * smoker], axis=1)


def _no_bmi() -> Steps:
    return [("columns", ColumnTransformer([("numbers", "passthrough", ["age", "smoker"])]))]


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (_candidate(LinearRegression()), "LinearRegression is no ensemble of trees that is known here"),
        (_candidate(HistGradientBoostingRegressor(max_iter=5), _products), "one of its features follows from"),
        (_candidate(HistGradientBoostingRegressor(max_iter=5), _no_bmi), "it does not see the BMI as it is"),
        (_candidate(GradientBoostingRegressor(init=LinearRegression())), "is no ensemble of trees"),
    ],
)
def test_what_is_no_table_is_left_out_with_the_reason(candidate: Candidate, reason: str) -> None:
    found = _compilation(candidate)
    assert found.model is None
    assert found.difference is None
    assert reason in found.kind
    assert found.kind.startswith("none: ")


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "absolute_error"])
def test_boosting_of_every_loss_that_charges_are_fitted_with_is_compiled(loss: str) -> None:
    found = _compilation(_candidate(HistGradientBoostingRegressor(max_iter=20, loss=loss)))
    assert found.difference == 0.0


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingRegressor(max_iter=20),
        GradientBoostingRegressor(n_estimators=20),
        RandomForestRegressor(n_estimators=5, random_state=1),
    ],
)
def test_a_feature_that_is_made_of_the_bmi_is_compiled(estimator: RegressorMixin) -> None:
    candidate = _candidate(estimator, _made_of_the_bmi)
    pipeline = pipeline_of(candidate, seed=1).fit(design_frame(_population()), _population()["charges"])
    found = compile_pipeline(pipeline, _population())
    assert found.model is not None, found.kind
    people = _anybody(20_000)
    assert np.array_equal(found.model.predict(people), _by_pipeline(pipeline, people))


def test_a_form_that_predicts_something_else_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    predict = TreeTable.predict
    monkeypatch.setattr(TreeTable, "predict", lambda self, people: predict(self, people) * (1 + 2e-6))
    found = _compilation(BY_NAME["histogram_gradient_boosting"])
    assert found.model is None
    assert found.kind == "none: its predictions would differ by 2e-06 of their amount"


def test_the_attributes_of_a_frame_are_read_from_pandas_and_arrow_alike() -> None:
    people = _anybody(300)
    frame = attributes_frame(people)
    for read in (people_of(frame), people_of(pa.RecordBatch.from_pandas(frame, preserve_index=False))):
        for name in ATTRIBUTES:
            assert np.array_equal(getattr(read, name), getattr(people, name)), name


def test_training_brings_the_compiled_form_of_the_model_that_wins() -> None:
    trained = trained_on_made_up_patients()
    assert trained.compilation.model is not None, trained.compilation.kind
    people = _anybody(2000)
    assert agreeing(trained.compilation.model.predict(people), _by_pipeline(trained.pipeline, people)).all()
