"""What a trained model promises: honest numbers, the same each time, and no model at all where none can be honest."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor

from healthcare_assets.domain.model_features import MODEL_FEATURES, design_frame
from healthcare_assets.domain.tables import RISK_FEATURES
from healthcare_assets.domain.training import (
    CANDIDATES,
    Candidate,
    Parameters,
    TrainedModel,
    canonical_order,
    example_patient,
    train,
)
from healthcare_assets.errors import TrainingError
from healthcare_assets.policy import Policy, TrainingRules
from healthcare_assets_tests.training_populations import (
    insurance_population,
    made_up_population,
    pseudonyms,
    trained_on_made_up_patients,
)


@cache
def _insurance_model() -> TrainedModel:
    return train(insurance_population())


def test_on_the_public_insurance_data_the_model_is_good_out_of_fold() -> None:
    metrics = _insurance_model().metrics
    assert len(_insurance_model().out_of_fold.charges) == 1337
    assert metrics["r2_charges"] >= 0.84
    assert metrics["mae_charges"] <= 2650
    assert metrics["high_risk_recall"] >= 0.80
    assert metrics["risk_score_r2"] >= 0.74
    assert metrics["risk_score_mae"] <= 9.0
    assert metrics["predictive_ratio"] == pytest.approx(1.0, abs=0.02)
    assert metrics["interval_coverage"] == pytest.approx(0.90, abs=0.02)


def test_on_the_public_insurance_data_the_model_knows_far_more_than_the_median() -> None:
    metrics = _insurance_model().metrics
    assert metrics["baseline_risk_score_mae"] == pytest.approx(25.0, abs=0.5)
    assert metrics["risk_score_mae"] < metrics["baseline_risk_score_mae"] / 2
    assert metrics["mae_charges"] < metrics["baseline_mae_charges"] / 2


def test_the_better_candidate_wins_and_all_results_are_kept() -> None:
    trained = _insurance_model()
    by_name = {result.name: result for result in trained.candidates}
    assert set(by_name) == {"random_forest", "gradient_boosting", "histogram_gradient_boosting"}
    assert trained.metrics["risk_score_r2"] == max(r.metrics["risk_score_r2"] for r in trained.candidates)
    assert by_name[trained.candidate].metrics == trained.metrics
    assert by_name[trained.candidate].parameters == trained.parameters


def test_the_candidates_are_those_of_the_contract() -> None:
    forest, boosting, *others = (candidate.estimator(candidate.parameters, 7) for candidate in CANDIDATES)
    assert isinstance(forest, RandomForestRegressor)
    assert (forest.n_estimators, forest.max_depth, forest.min_samples_split, forest.min_samples_leaf) == (100, 10, 5, 2)
    assert isinstance(boosting, GradientBoostingRegressor)
    assert (boosting.n_estimators, boosting.learning_rate, boosting.max_depth) == (100, 0.1, 6)
    assert [type(other) for other in others] == [HistGradientBoostingRegressor]
    assert {estimator.random_state for estimator in (forest, boosting, *others)} == {7}


def test_order_and_pseudonyms_of_the_rows_change_nothing_to_the_last_bit() -> None:
    population = made_up_population(600)
    other = population.assign(patient_key=pseudonyms(600, salt="another key")).sample(frac=1.0, random_state=3)
    first, second = trained_on_made_up_patients(), train(other.reset_index(drop=True))
    features = design_frame(population)
    assert first.metrics == second.metrics
    assert first.dataset_digest == second.dataset_digest
    assert first.reference.to_json() == second.reference.to_json()
    assert np.array_equal(first.out_of_fold.predicted, second.out_of_fold.predicted)
    assert np.array_equal(first.pipeline.predict(features), second.pipeline.predict(features))


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_each_candidate_gives_the_same_model_again(candidate: Candidate) -> None:
    population = made_up_population(500)
    features = design_frame(population)
    first, second = (train(population, candidates=(candidate,)) for _ in range(2))
    assert np.array_equal(first.pipeline.predict(features), second.pipeline.predict(features))


def test_other_data_have_another_digest() -> None:
    population = made_up_population(600)
    population["charges"] = population["charges"].where(population.index != 17, 1_234.56)
    only_forest = (Candidate(name="mean", estimator=_mean, parameters={}),)
    assert train(population, candidates=only_forest).dataset_digest != trained_on_made_up_patients().dataset_digest


def _mean(_: Parameters, __: int) -> RegressorMixin:
    return DummyRegressor()


def _learns_by_heart(_: Parameters, __: int) -> RegressorMixin:
    return KNeighborsRegressor(n_neighbors=1)


def test_a_model_that_learns_by_heart_is_found_out() -> None:
    population = made_up_population(600)
    population["charges"] = np.random.default_rng(1).permutation(population["charges"])
    trained = train(population, candidates=(Candidate(name="by heart", estimator=_learns_by_heart, parameters={}),))
    in_sample = trained.pipeline.predict(design_frame(population))
    assert np.corrcoef(in_sample, population["charges"])[0, 1] > 0.99
    assert trained.metrics["r2_charges"] < 0
    assert trained.metrics["risk_score_r2"] < 0


def test_the_worse_candidate_loses_wherever_it_stands() -> None:
    mean = Candidate(name="mean", estimator=_mean, parameters={})
    forest = CANDIDATES[0]
    for candidates in ((mean, forest), (forest, mean)):
        assert train(made_up_population(500), candidates=candidates).candidate == "random_forest"


def test_each_patient_is_predicted_once_by_a_model_of_the_other_folds() -> None:
    out_of_fold = trained_on_made_up_patients().out_of_fold
    assert sorted(np.bincount(out_of_fold.fold)) == [120] * 5
    assert sorted(out_of_fold.patient_key) == sorted(pseudonyms(600))
    charges = dict(zip(made_up_population(600)["patient_key"], made_up_population(600)["charges"], strict=True))
    assert [charges[key] for key in out_of_fold.patient_key] == out_of_fold.charges.tolist()


def test_the_canonical_order_says_nothing_about_the_charges() -> None:
    ordered = canonical_order(made_up_population(2_000), seed=1)
    assert abs(np.corrcoef(np.arange(2_000), ordered["charges"])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("population", "sentence"),
    [
        (made_up_population(499), r"499 patients .* at least 500 are needed"),
        (made_up_population(600).assign(charges=np.nan), r"null, infinite or negative for 600 of 600"),
        (made_up_population(600).assign(charges=np.inf), r"null, infinite or negative for 600 of 600"),
        (made_up_population(600).assign(charges=-1.0), r"null, infinite or negative for 600 of 600"),
        (made_up_population(600).assign(charges=100.0), r"100\.00 dollars for each of 600 patients"),
        (made_up_population(600).assign(charges=[7.0] * 24 + [0.0] * 576), r"24 of 600 patients have any cost .* 25"),
        (made_up_population(600).assign(patient_key="a" * 32), r"599 of 600 rows repeat a patient"),
        (made_up_population(600).assign(bmi=np.nan), r"bmi is not usable in 600 of 600 rows"),
        (made_up_population(600).assign(region="atlantis"), r"region is not usable in 600 of 600 rows"),
        (made_up_population(600).drop(columns=["smoker", "charges"]), r"lacks smoker, charges"),
    ],
)
def test_no_model_where_the_population_allows_none(population: pd.DataFrame, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence) as refused:
        train(population)
    assert not any(key in str(refused.value) for key in [*pseudonyms(600), "a" * 32])


def test_no_model_with_too_few_high_risk_patients() -> None:
    policy = Policy(training=TrainingRules(minimum_patients=100))
    with pytest.raises(TrainingError, match=r"the top 5% by charges are 20 of 400 patients and at least 25 are needed"):
        train(made_up_population(400), policy=policy)


def test_patients_who_cost_nothing_can_be_trained_on() -> None:
    population = made_up_population(600)
    population.loc[population["age"] < 30, "charges"] = 0.0
    assert train(population).metrics["r2_charges"] > 0.5


def test_the_model_reads_all_features_and_never_the_label_the_patient_or_the_day() -> None:
    assert set(MODEL_FEATURES) == set(RISK_FEATURES.column_names) - {"patient_key", "partition_date"}


def test_the_example_is_a_row_that_a_model_can_score() -> None:
    example = example_patient()
    assert list(example.columns) == list(MODEL_FEATURES)
    assert np.isfinite(trained_on_made_up_patients().pipeline.predict(design_frame(example))).all()
