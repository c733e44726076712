"""Champion and challenger: neither wins by noise, and a real gain is told from it."""

from math import isnan

import numpy as np
import pytest

from healthcare_assets.domain.bootstrap import Estimate, Floats
from healthcare_assets.domain.comparison import MAE_RATIO, R2_GAIN, RECALL_RATIO, compare
from healthcare_assets.domain.evaluation import OutOfFold, metrics
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import FEW_RESAMPLES, insurance_model, on_one_scale

_RANDOM = np.random.default_rng(12)
_CHARGES = _RANDOM.gamma(0.7, 9_000.0, 1_000)
_HARD = _CHARGES * _RANDOM.lognormal(0.0, 0.5, 1_000)
"""What no model gets right: both of two models are wrong in the same way about the same patients."""


def _model(noise: float, *, seed: int) -> OutOfFold:
    wrong: Floats = np.random.default_rng(seed).lognormal(0.0, noise, 1_000)
    return on_one_scale(_CHARGES, _HARD * wrong)


def _width(estimate: Estimate) -> float:
    return estimate.upper - estimate.lower


def test_a_model_gains_exactly_nothing_over_itself() -> None:
    model = _model(0.1, seed=1)
    found = compare(model, _model(0.1, seed=1), policy=POLICY)
    assert found[R2_GAIN] == Estimate(value=0.0, lower=0.0, upper=0.0)
    assert found[MAE_RATIO] == found[RECALL_RATIO] == Estimate(value=1.0, lower=1.0, upper=1.0)


def test_the_numbers_are_the_differences_and_quotients_of_the_two_models_metrics() -> None:
    challenger, champion = _model(0.1, seed=1), _model(0.4, seed=2)
    found = compare(challenger, champion, policy=FEW_RESAMPLES)
    new, old = (metrics(model, policy=FEW_RESAMPLES) for model in (challenger, champion))
    assert found[R2_GAIN].value == pytest.approx(new["risk_score_r2"].value - old["risk_score_r2"].value)
    assert found[MAE_RATIO].value == pytest.approx(new["risk_score_mae"].value / old["risk_score_mae"].value)
    assert found[RECALL_RATIO].value == pytest.approx(new["high_risk_recall"].value / old["high_risk_recall"].value)


def test_a_clearly_better_model_gains_more_than_chance() -> None:
    found = compare(_model(0.0, seed=1), _model(0.5, seed=2), policy=POLICY)
    assert found[R2_GAIN].lower > 0
    assert found[MAE_RATIO].upper < 1
    back = compare(_model(0.5, seed=2), _model(0.0, seed=1), policy=POLICY)
    assert back[R2_GAIN].upper < 0
    assert back[R2_GAIN].value == -found[R2_GAIN].value


def test_noise_is_no_gain() -> None:
    champion = _model(0.1, seed=0)
    found = [compare(_model(0.1, seed=seed), champion, policy=POLICY)[R2_GAIN] for seed in range(1, 21)]
    assert any(each.value > 0 for each in found)
    # One in forty wins by chance.
    assert sum(each.lower > 0 for each in found) <= 2


def test_both_models_are_seen_through_the_same_resamples() -> None:
    """Patients who are hard to predict are so for both: apart, they would hide what one model gains."""
    challenger, champion = _model(0.0, seed=1), _model(0.15, seed=2)
    paired = compare(challenger, champion, policy=POLICY)[R2_GAIN]
    apart = [metrics(model, policy=POLICY)["risk_score_r2"] for model in (challenger, champion)]
    assert _width(paired) < 0.6 * np.hypot(_width(apart[0]), _width(apart[1]))
    assert paired.lower > 0
    assert apart[0].lower < apart[1].upper


def test_a_champion_who_finds_nobody_has_no_ratio_of_recall() -> None:
    found = compare(_model(0.1, seed=1), on_one_scale(_CHARGES, 1e6 - _CHARGES), policy=POLICY)
    assert isnan(found[RECALL_RATIO].value)
    assert isnan(found[RECALL_RATIO].lower)
    assert found[R2_GAIN].lower > 0


def test_on_the_public_insurance_data_the_winner_beats_gradient_boosting_more_than_by_chance() -> None:
    results = {result.name: result.out_of_fold for result in insurance_model().candidates}
    found = compare(results["histogram_gradient_boosting"], results["gradient_boosting"], policy=POLICY)
    assert found[R2_GAIN].lower > 0
    assert found[MAE_RATIO].value < 1
