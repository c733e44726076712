"""The metrics, against other implementations and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import percentileofscore
from sklearn.metrics import mean_absolute_error as sklearn_mae
from sklearn.metrics import r2_score, root_mean_squared_error

from healthcare_assets.domain.evaluation import (
    Floats,
    OutOfFold,
    high_risk_count,
    high_risk_recall,
    metrics,
    percentile,
    r_squared,
    residual_bounds,
)
from healthcare_assets.policy import POLICY

_COSTS = st.integers(min_value=0, max_value=20).map(lambda units: units * 250.5)


def _out_of_fold(charges: Floats, predicted: Floats) -> OutOfFold:
    """As if all patients had been scored on one scale."""
    scale, median = np.sort(charges), np.full(len(charges), np.median(charges))
    return OutOfFold(
        patient_key=np.arange(len(charges)),
        fold=np.arange(len(charges)) % 5,
        charges=charges,
        predicted=predicted,
        baseline=median,
        true_score=percentile(scale, charges),
        risk_score=percentile(scale, predicted),
        baseline_score=percentile(scale, median),
    )


def _population(count: int = 1_000) -> tuple[Floats, Floats]:
    random = np.random.default_rng(4)
    charges = random.gamma(0.7, 9_000.0, count)
    return charges, charges * random.lognormal(0.0, 0.4, count)


@given(
    reference=arrays(np.float64, st.integers(1, 40), elements=_COSTS),
    values=arrays(np.float64, st.integers(1, 10), elements=_COSTS),
)
def test_the_risk_score_is_the_percentile_that_scipy_computes(reference: Floats, values: Floats) -> None:
    scores = percentile(np.sort(reference), values)
    assert scores == pytest.approx([percentileofscore(reference, value, kind="mean") for value in values])


@given(reference=arrays(np.float64, st.integers(1, 40), elements=_COSTS))
def test_the_risk_score_rises_with_the_charges_from_0_to_100(reference: Floats) -> None:
    scores = percentile(np.sort(reference), np.array([-1.0, *np.sort(reference), 1e12]))
    assert (scores[0], scores[-1]) == (0.0, 100.0)
    assert (np.diff(scores) >= 0).all()


def test_of_many_who_cost_nothing_each_stands_in_their_middle() -> None:
    assert percentile(np.array([0.0, 0.0, 0.0, 0.0, 10.0, 20.0, 30.0, 40.0]), np.array([0.0])).tolist() == [25.0]


def test_the_metrics_are_those_of_scikit_learn() -> None:
    charges, predicted = _population()
    o = _out_of_fold(charges, predicted)
    found = metrics(o, policy=POLICY)
    assert found["r2_charges"] == pytest.approx(r2_score(charges, predicted))
    assert found["mae_charges"] == pytest.approx(sklearn_mae(charges, predicted))
    assert found["rmse_charges"] == pytest.approx(root_mean_squared_error(charges, predicted))
    assert found["risk_score_r2"] == pytest.approx(r2_score(o.true_score, o.risk_score))
    assert found["risk_score_mae"] == pytest.approx(sklearn_mae(o.true_score, o.risk_score))
    assert found["predictive_ratio"] == pytest.approx(predicted.sum() / charges.sum())
    assert found["baseline_mae_charges"] == pytest.approx(sklearn_mae(charges, np.full(1_000, np.median(charges))))


def test_the_median_for_everyone_is_25_points_off() -> None:
    found = metrics(_out_of_fold(*_population()), policy=POLICY)
    assert found["baseline_risk_score_mae"] == pytest.approx(25.0, abs=0.1)


def test_a_constant_label_has_no_r_squared() -> None:
    assert np.isnan(r_squared(np.ones(5), np.ones(5)))


@pytest.mark.parametrize(("patients", "count"), [(1, 1), (20, 1), (21, 2), (500, 25), (501, 26), (1337, 67)])
def test_the_top_five_percent_are_rounded_up(patients: int, count: int) -> None:
    assert high_risk_count(patients, 0.05) == count


def test_high_risk_recall_counts_who_is_on_both_lists() -> None:
    charges = np.arange(1.0, 101.0)
    half_right = charges.copy()
    half_right[[95, 96]], half_right[[0, 1]] = 1.0, 200.0  # of the five costliest, two give way to two cheap ones
    assert high_risk_recall(_out_of_fold(charges, charges), share=0.05) == 1.0
    assert high_risk_recall(_out_of_fold(charges, half_right), share=0.05) == 0.6
    assert high_risk_recall(_out_of_fold(charges, -charges), share=0.05) == 0.0


def test_a_model_that_tells_nobody_apart_gets_no_recall_from_ties() -> None:
    charges, _ = _population(4_000)
    assert high_risk_recall(_out_of_fold(charges, np.full(4_000, 5_000.0)), share=0.05) < 0.12


def test_beyond_the_scale_the_larger_prediction_is_the_riskier() -> None:
    charges = np.arange(1.0, 101.0)
    predicted = np.where(charges > 90, 1_000.0 + charges, charges)  # ten patients score 100
    assert high_risk_recall(_out_of_fold(charges, predicted), share=0.05) == 1.0


def test_the_interval_holds_its_share_of_patients() -> None:
    random = np.random.default_rng(5)
    predicted = random.uniform(1e4, 2e4, 5_000)
    charges = predicted + random.normal(0.0, 1_000.0, 5_000)
    lower, upper = residual_bounds(charges - predicted, coverage=0.90)
    assert (lower, upper) == pytest.approx((-1_645, 1_645), abs=80)
    found = metrics(_out_of_fold(charges, predicted), policy=POLICY)
    assert found["interval_coverage"] == pytest.approx(0.90, abs=0.01)
