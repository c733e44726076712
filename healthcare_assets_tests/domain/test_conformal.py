"""Prediction intervals: what they promise for all patients and for every group of them, and the odd populations."""

import json
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import RepeatedKFold

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.candidates import Candidate, Parameters
from healthcare_assets.domain.conformal import IntervalTable, calibrate, cross_coverage, intervals
from healthcare_assets.domain.features import AGE_BANDS
from healthcare_assets.domain.model_features import LABEL, design_frame, predicted_charges
from healthcare_assets.domain.training import train
from healthcare_assets_tests.training_populations import FEW_RESAMPLES, insurance_population

_DOLLARS = st.integers(min_value=0, max_value=30).map(lambda units: units * 333.33)


def _inside(table: IntervalTable, predicted: Floats, charges: Floats) -> NDArray[np.bool_]:
    lower, upper = intervals(table, predicted)
    return (lower <= charges) & (charges <= upper)


def _heavy_tailed(count: int, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Predictions that are right on average, and charges: 15 % cost nothing, the others' costs are widely spread."""
    random = np.random.default_rng(seed)
    predicted = random.lognormal(8.3, 0.7, count)
    spends = random.random(count) >= 0.15
    return predicted, spends * predicted / 0.85 * random.lognormal(-0.5 * 1.1**2, 1.1, count)


# Against nominal coverage.


def _histogram_gradient_boosting(parameters: Parameters, seed: int) -> RegressorMixin:
    return HistGradientBoostingRegressor(**parameters, random_state=seed)


BOOSTING = Candidate(
    name="histogram_gradient_boosting",
    estimator=_histogram_gradient_boosting,
    parameters={
        "loss": "squared_error",
        "max_iter": 150,
        "learning_rate": 0.05,
        "max_leaf_nodes": 8,
        "max_features": 0.5,
        "early_stopping": False,
    },
)


def _covered_when_held_out(
    population: pd.DataFrame, fitted_on: NDArray[np.int64], held_out: NDArray[np.int64]
) -> pd.DataFrame:
    """The held-out patients, and whether the interval of a model and a table that know nothing of them is right."""
    trained = train(population.iloc[fitted_on], policy=FEW_RESAMPLES, candidates=(BOOSTING,))
    table = calibrate(trained.out_of_fold.predicted, trained.out_of_fold.charges, coverage=0.90)
    patients = population.iloc[held_out]
    predicted = predicted_charges(trained.pipeline, design_frame(patients))
    return patients.assign(covered=_inside(table, predicted, patients[LABEL].to_numpy(dtype=np.float64)))


@pytest.mark.slow
def test_of_the_public_insurance_data_nine_in_ten_are_covered_and_no_group_is_left_out() -> None:
    population = insurance_population()
    splits = RepeatedKFold(n_splits=5, n_repeats=2, random_state=1).split(population)
    patients = pd.concat([_covered_when_held_out(population, *split) for split in splits])
    assert patients["covered"].mean() == pytest.approx(0.90, abs=0.02)
    patients["age_band"] = np.searchsorted(AGE_BANDS, patients["age"], side="right")
    for attribute in ("sex", "smoker", "region", "age_band"):
        by_group = patients.groupby(attribute)["covered"].mean()
        assert by_group.min() >= 0.85, by_group


def test_costs_with_zeros_and_a_heavy_tail_are_covered_at_every_level_of_the_prediction() -> None:
    predicted, charges = _heavy_tailed(10_000)
    fold = np.arange(10_000) % 5
    inside = cross_coverage(predicted, charges, fold, coverage=0.90)
    assert inside.mean() == pytest.approx(0.90, abs=0.01)
    deciles = np.argsort(np.argsort(predicted)) // 1_000
    by_decile = np.bincount(deciles, weights=inside) / 1_000
    assert by_decile == pytest.approx(0.90, abs=0.06)
    residuals = charges - predicted
    lower, upper = np.quantile(residuals, (0.05, 0.95))
    one_for_all = np.bincount(deciles, weights=(residuals >= lower) & (residuals <= upper)) / 1_000
    assert one_for_all.min() < 0.75  # what the bins are there for


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_new_patients_are_covered_as_often_as_promised(coverage: float) -> None:
    table = calibrate(*_heavy_tailed(20_000, seed=1), coverage=coverage)
    assert _inside(table, *_heavy_tailed(20_000, seed=2)).mean() == pytest.approx(coverage, abs=0.01)


def test_few_patients_are_covered_as_often_as_promised() -> None:
    tables = [calibrate(*_heavy_tailed(500, seed=seed), coverage=0.90) for seed in range(40)]
    shares = [_inside(table, *_heavy_tailed(2_000, seed=100)).mean() for table in tables]
    assert np.mean(shares) == pytest.approx(0.90, abs=0.01)
    assert min(shares) > 0.80


# The table.


def test_the_bounds_are_residuals_of_the_corrected_ranks() -> None:
    """Of 99 residuals the 5th and the 95th: 90 of the 100 places that a new one can take are between them."""
    residuals = np.random.default_rng(0).permutation(np.arange(-49.0, 50.0))
    table = calibrate(np.full(99, 1_000.0), 1_000.0 + residuals, coverage=0.90)
    assert table.edges == ()
    assert (*table.lower, *table.upper) == pytest.approx((-45.0, 45.0), abs=0.011)
    assert (table.coverage, table.calibrated_on) == (0.90, 99)


def test_a_bin_holds_its_upper_edge() -> None:
    table = IntervalTable(coverage=0.9, edges=(10.0,), lower=(-1.0, -2.0), upper=(3.0, 4.0), calibrated_on=200)
    lower, upper = intervals(table, np.array([9.0, 10.0, 10.1]))
    assert lower.tolist() == [8.0, 9.0, 8.1]
    assert upper.tolist() == [12.0, 13.0, 14.1]


@pytest.mark.parametrize(("patients", "bins"), [(90, 1), (500, 4), (1_337, 6), (4_000, 19), (50_000, 20)])
def test_there_are_more_bins_with_more_patients_up_to_twenty(patients: int, bins: int) -> None:
    predicted, charges = _heavy_tailed(patients)
    table = calibrate(predicted, charges, coverage=0.90)
    assert len(table.lower) == len(table.upper) == len(table.edges) + 1
    assert len(table.lower) == bins


def test_bins_are_finest_where_most_money_is() -> None:
    predicted, charges = _heavy_tailed(4_000)
    table = calibrate(predicted, charges, coverage=0.90)
    bins = np.searchsorted(table.edges, predicted, side="left")
    assert np.bincount(bins, weights=predicted) / predicted.sum() == pytest.approx(1 / len(table.lower), abs=0.05)
    assert np.bincount(bins)[-1] < np.bincount(bins)[0] / 3


def test_bins_keep_as_many_residuals_as_the_coverage_needs() -> None:
    predicted, charges = _heavy_tailed(2_000)
    table = calibrate(predicted, charges, coverage=0.99)
    counts = np.bincount(np.searchsorted(table.edges, predicted, side="left"))
    assert counts.min() >= 199


def test_where_patients_are_too_few_the_extremes_are_the_best_that_is_known() -> None:
    charges = np.array([70.0, 90.0, 100.0, 120.0, 150.0])
    table = calibrate(np.full(5, 100.0), charges, coverage=0.99)
    assert [*table.lower, *table.upper] == pytest.approx([-30.01, 50.01])


def test_the_table_is_the_same_in_whatever_order_the_patients_come() -> None:
    predicted, charges = _heavy_tailed(3_000)
    order = np.random.default_rng(3).permutation(3_000)
    assert calibrate(predicted[order], charges[order], coverage=0.9) == calibrate(predicted, charges, coverage=0.9)


def test_the_table_travels_as_json_to_the_bit() -> None:
    table = calibrate(*_heavy_tailed(3_000), coverage=0.90)
    text = json.dumps(asdict(table), allow_nan=False)
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    assert IntervalTable(**fields) == table
    assert len(text) < 2_000


def test_an_interval_does_not_depend_on_the_batch() -> None:
    predicted, charges = _heavy_tailed(3_000)
    table = calibrate(predicted, charges, coverage=0.90)
    whole = np.array(intervals(table, predicted))
    parts = [np.array(intervals(table, predicted[start:stop])) for start, stop in pairwise((0, 1, 700, 3_000))]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    assert [len(bound) for bound in intervals(table, np.empty(0))] == [0, 0]


# Odd populations.


@given(data=st.data(), coverage=st.sampled_from([0.5, 0.9, 0.99]))
def test_bounds_are_in_order_whatever_the_residuals(data: st.DataObject, coverage: float) -> None:
    count = data.draw(st.integers(1, 300))
    predicted, charges = (data.draw(arrays(np.float64, count, elements=_DOLLARS)) for _ in range(2))
    table = calibrate(predicted, charges, coverage=coverage)
    assert list(table.edges) == sorted(set(table.edges))
    lower, upper = intervals(table, predicted)
    assert ((lower >= 0) & (lower <= predicted) & (predicted <= upper)).all()
    assert np.mean((lower <= charges) & (charges <= upper)) >= coverage - 0.06


@pytest.mark.parametrize("constant", [0.0, 5_000.0])
def test_a_constant_prediction_has_one_interval(constant: float) -> None:
    _, charges = _heavy_tailed(1_000)
    table = calibrate(np.full(1_000, constant), charges, coverage=0.90)
    assert table.edges == ()
    assert _inside(table, np.full(1_000, constant), charges).mean() >= 0.90


def test_equal_predictions_are_never_parted_and_leave_no_bin_with_a_few() -> None:
    random = np.random.default_rng(0)
    predicted = np.sort(random.uniform(1_000.0, 2_000.0, 2_000))
    predicted[600:1_490] = predicted[600]  # a mass, up to just below the middle
    table = calibrate(predicted, predicted + random.normal(0.0, 100.0, 2_000), coverage=0.90)
    counts = np.bincount(np.searchsorted(table.edges, predicted, side="left"))
    assert len(counts) == len(table.lower) > 3
    assert counts.min() >= 50


def test_an_amount_that_many_pay_is_within_its_interval_to_the_last_bit() -> None:
    copays = np.array([0.3, 20.1, 50.1, 149.1, 1_234.56])
    for predicted in (100.1, 37.77, 5_000.07):
        charges = np.repeat(copays, 200)
        table = calibrate(np.full(1_000, predicted), charges, coverage=0.90)
        assert _inside(table, np.full(1_000, predicted), charges).all()


def test_coverage_out_of_fold_is_judged_by_the_other_folds() -> None:
    predicted, charges = np.full(1_000, 100.0), np.tile(np.arange(50.0, 150.0), 10)
    fold = np.repeat(np.arange(5), 200)
    charges[fold == 3] += 1_000.0
    inside = cross_coverage(predicted, charges, fold, coverage=0.60)
    assert not inside[fold == 3].any()
    assert inside[fold != 3].mean() > 0.6


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_an_impossible_coverage_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrate(np.ones(100), np.ones(100), coverage=coverage)


@pytest.mark.parametrize(
    ("predicted", "charges"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([1.0], [np.inf])]
)
def test_what_no_interval_can_be_drawn_from_is_refused(predicted: list[float], charges: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        calibrate(np.array(predicted), np.array(charges), coverage=0.90)
