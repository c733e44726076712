"""What a trained model promises: honest numbers, the same each time, and no model at all where none can be honest."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from itertools import count
from threading import Event, Semaphore

import numpy as np
import pandas as pd
import pytest
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import TweedieRegressor
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from healthcare_assets.domain.candidates import CANDIDATES, GLM, Candidate, Parameters, pipeline_of
from healthcare_assets.domain.evaluation import judged, metrics
from healthcare_assets.domain.model_features import MODEL_FEATURES, design_frame, predicted_charges
from healthcare_assets.domain.reference import reference_profile
from healthcare_assets.domain.tables import RISK_FEATURES
from healthcare_assets.domain.training import (
    SELECTION_SKILL,
    canonical_order,
    example_patient,
    folds,
    probe_patients,
    train,
)
from healthcare_assets.errors import TrainingError
from healthcare_assets.policy import POLICY, Policy, TrainingRules
from healthcare_assets_tests.training_populations import (
    FEW_RESAMPLES,
    insurance_model,
    made_up_population,
    pseudonyms,
    trained_on_made_up_patients,
)

# On the public insurance data.


def test_on_the_public_insurance_data_the_model_is_good_out_of_fold() -> None:
    found = {name: estimate.value for name, estimate in insurance_model().metrics.items()}
    assert len(insurance_model().out_of_fold.charges) == 1337
    assert found["r2_charges"] >= 0.86
    assert found["rmse_charges"] <= 4_500
    assert found["mae_charges"] <= 2_450
    assert found["high_risk_recall"] >= 0.85
    assert found["risk_score_r2"] >= 0.74
    assert found["risk_score_mae"] <= 9.0
    assert found["predictive_ratio"] == pytest.approx(1.0, abs=0.02)
    assert found["interval_coverage"] == pytest.approx(0.90, abs=0.02)


def test_on_the_public_insurance_data_no_group_is_left_outside_the_intervals() -> None:
    coverage = {
        name: estimate.value
        for name, estimate in insurance_model().metrics.items()
        if name.startswith("interval_coverage/")
    }
    assert len(coverage) == 2 + 4 + 4 + 2  # sexes, regions, age bands, smokers and others
    assert min(coverage.values()) >= 0.85, coverage


def test_on_the_public_insurance_data_the_model_knows_far_more_than_the_median() -> None:
    found, of_the_median = insurance_model().metrics, insurance_model().baseline.metrics
    assert of_the_median["risk_score_mae"].value == pytest.approx(25.0, abs=0.5)
    assert of_the_median["r2_charges"].upper < 0
    assert found["risk_score_mae"].upper < of_the_median["risk_score_mae"].lower / 2
    assert found["mae_charges"].upper < of_the_median["mae_charges"].lower / 2
    assert found["high_risk_recall"].lower > of_the_median["high_risk_recall"].upper


def test_every_metric_of_every_candidate_stands_beside_those_of_the_median_and_the_glm() -> None:
    trained = insurance_model()
    assert [result.name for result in trained.candidates] == [candidate.name for candidate in CANDIDATES]
    assert GLM in {result.name for result in trained.candidates}
    for result in (*trained.candidates, trained.baseline):
        assert set(result.metrics) == set(trained.metrics)
        assert result.out_of_fold.patient_key.tolist() == trained.out_of_fold.patient_key.tolist()
        assert result.out_of_fold.true_score.tolist() == trained.out_of_fold.true_score.tolist()
    assert trained.baseline.out_of_fold.predicted.tolist() == trained.out_of_fold.baseline.tolist()


def test_the_glm_knows_that_obesity_costs_smokers_most() -> None:
    """Its interactions are what makes it worth comparing with: without them R² is 0.1 lower."""
    (glm,) = [result for result in insurance_model().candidates if result.name == GLM]
    assert glm.metrics["r2_charges"].value >= 0.83
    candidate = next(candidate for candidate in CANDIDATES if candidate.name == GLM)
    fitted = pipeline_of(candidate, seed=1)[:-1].fit(design_frame(made_up_population(50)))
    names = fitted.get_feature_names_out()
    assert {"numbers__age", "numbers__bmi numbers__smoker", "numbers__smoker categories__sex_male"} <= set(names)


def test_the_candidate_with_the_highest_skill_wins_and_all_results_are_kept() -> None:
    trained = insurance_model()
    by_name = {result.name: result for result in trained.candidates}
    skills = {name: result.metrics[SELECTION_SKILL].value for name, result in by_name.items()}
    assert trained.candidate == max(skills, key=lambda name: skills[name])
    winner = by_name[trained.candidate]
    assert (trained.metrics, trained.parameters) == (winner.metrics, winner.parameters)
    assert trained.out_of_fold is winner.out_of_fold


# The table of candidates.


def test_the_candidates_are_those_of_the_contract() -> None:
    assert [candidate.name for candidate in CANDIDATES] == [
        "random_forest",
        "gradient_boosting",
        "histogram_gradient_boosting",
        "tweedie_glm",
    ]
    forest, boosting, histograms, glm = (candidate.estimator(candidate.parameters, 7) for candidate in CANDIDATES)
    assert isinstance(forest, RandomForestRegressor)
    assert (forest.n_estimators, forest.max_depth, forest.min_samples_split, forest.min_samples_leaf) == (100, 10, 5, 2)
    assert isinstance(boosting, GradientBoostingRegressor)
    assert (boosting.n_estimators, boosting.learning_rate, boosting.max_depth) == (100, 0.1, 6)
    assert forest.random_state == boosting.random_state == 7
    assert isinstance(histograms, VotingRegressor)
    members = [estimator for _, estimator in histograms.estimators]
    assert {type(member) for member in members} == {HistGradientBoostingRegressor}
    assert [(member.loss, member.random_state) for member in members] == [("squared_error", 7), ("poisson", 8)]
    assert {member.early_stopping for member in members} == {False}
    assert isinstance(glm, TweedieRegressor)
    assert (glm.link, 1 < glm.power < 2) == ("log", True)


def _mean(_: Parameters, __: int) -> RegressorMixin:
    return DummyRegressor()


def _quantile(parameters: Parameters, _: int) -> RegressorMixin:
    return DummyRegressor(strategy="quantile", **parameters)


def _learns_by_heart(_: Parameters, __: int) -> RegressorMixin:
    return KNeighborsRegressor(n_neighbors=1)


MEAN = Candidate(name="mean", estimator=_mean, parameters={})
NINETIETH = Candidate(name="ninetieth", estimator=_quantile, parameters={"quantile": 0.9})
BY_HEART = Candidate(name="by heart", estimator=_learns_by_heart, parameters={})


def test_one_entry_more_is_one_candidate_more() -> None:
    trained = train(made_up_population(500), policy=FEW_RESAMPLES, candidates=(MEAN, NINETIETH))
    found = {result.name: result for result in trained.candidates}
    assert found["ninetieth"].parameters == {"quantile": 0.9}
    charges = found["ninetieth"].out_of_fold.charges
    assert found["ninetieth"].out_of_fold.predicted.mean() == pytest.approx(np.quantile(charges, 0.9), rel=0.05)
    assert found["mean"].metrics["predictive_ratio"].value == pytest.approx(1.0, abs=0.01)


def test_the_worse_candidate_loses_wherever_it_stands() -> None:
    for candidates in ((MEAN, BY_HEART), (BY_HEART, MEAN)):
        trained = train(made_up_population(500), policy=FEW_RESAMPLES, candidates=candidates)
        assert trained.candidate == "by heart"
        assert trained.metrics["r2_charges"].value > 0.2


def test_of_equals_the_first_declared_wins() -> None:
    twins = tuple(replace(MEAN, name=name) for name in ("second in the alphabet", "first in the alphabet"))
    assert train(made_up_population(500), policy=FEW_RESAMPLES, candidates=twins).candidate == twins[0].name


# The same each time.


def test_order_and_pseudonyms_of_the_rows_change_nothing_to_the_last_bit() -> None:
    population = made_up_population(600)
    other = population.assign(patient_key=pseudonyms(600, salt="another key")).sample(frac=1.0, random_state=3)
    first, second = trained_on_made_up_patients(), train(other.reset_index(drop=True))
    features = design_frame(population)
    assert repr(first.metrics) == repr(second.metrics)  # NaN, which some groups have, is not itself
    assert repr(first.baseline.metrics) == repr(second.baseline.metrics)
    assert first.dataset_digest == second.dataset_digest
    assert first.reference.to_json() == second.reference.to_json()
    assert first.out_of_fold.fold.tolist() == second.out_of_fold.fold.tolist()
    assert first.out_of_fold.predicted.tobytes() == second.out_of_fold.predicted.tobytes()
    assert first.pipeline.predict(features).tobytes() == second.pipeline.predict(features).tobytes()


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_each_candidate_gives_the_same_model_again(candidate: Candidate) -> None:
    population = made_up_population(500)
    features = design_frame(population)
    first, second = (train(population, policy=FEW_RESAMPLES, candidates=(candidate,)) for _ in range(2))
    assert first.out_of_fold.predicted.tobytes() == second.out_of_fold.predicted.tobytes()
    assert first.pipeline.predict(features).tobytes() == second.pipeline.predict(features).tobytes()


_DIGEST = """
import hashlib
from healthcare_assets.domain.training import train
from healthcare_assets_tests.training_populations import FEW_RESAMPLES, made_up_population
trained = train(made_up_population(500), policy=FEW_RESAMPLES)
for result in trained.candidates:
    print(hashlib.sha256(result.out_of_fold.predicted.tobytes() + repr(result.metrics).encode()).hexdigest())
"""


def test_another_process_with_other_threads_gives_the_same_numbers_to_the_last_bit() -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _DIGEST]
    finished = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert finished.returncode == 0, finished.stderr
    here = [
        hashlib.sha256(result.out_of_fold.predicted.tobytes() + repr(result.metrics).encode()).hexdigest()
        for result in train(made_up_population(500), policy=FEW_RESAMPLES).candidates
    ]
    assert finished.stdout.split() == here


def _linear_algebra_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_linear_algebra_is_serial_while_any_fold_is_fitted_and_as_before_afterwards() -> None:
    """The limit is the whole process's: the first fold to end must not lift it for those beside it."""
    seen: list[int] = []
    second_began, others_done = Event(), Semaphore(0)
    number = count()

    class Fold(DummyRegressor):  # type: ignore[misc]
        def fit(self, X: pd.DataFrame, y: "np.typing.NDArray[np.float64]") -> "Fold":
            """The first fold lasts until the second has begun, and the second until all others have ended."""
            mine = next(number)
            if mine == 0:
                assert second_began.wait(20)
            if mine == 1:
                second_began.set()
                assert all(others_done.acquire(timeout=20) for _ in range(4))
            seen.extend(_linear_algebra_threads())
            super().fit(X, y)
            others_done.release()
            return self

    before = _linear_algebra_threads()
    folded = Candidate(name="folded", estimator=lambda _, __: Fold(), parameters={})
    train(made_up_population(500), policy=FEW_RESAMPLES, candidates=(folded,))
    assert len(seen) >= 6  # five folds and all patients
    assert set(seen) == {1}
    assert _linear_algebra_threads() == before


def test_other_data_have_another_digest() -> None:
    population = made_up_population(600)
    population["charges"] = population["charges"].where(population.index != 17, 1_234.56)
    other = train(population, policy=FEW_RESAMPLES, candidates=(MEAN,))
    assert other.dataset_digest != trained_on_made_up_patients().dataset_digest
    assert len(other.dataset_digest) == 16


# Folds.


def test_each_patient_is_predicted_once_by_the_pipeline_of_the_other_folds() -> None:
    trained, population = trained_on_made_up_patients(), made_up_population(600)
    out_of_fold = trained.out_of_fold
    assert sorted(np.bincount(out_of_fold.fold)) == [120] * 5
    assert sorted(out_of_fold.patient_key) == sorted(pseudonyms(600))
    rows = population.set_index("patient_key", drop=False).loc[out_of_fold.patient_key]
    assert rows["charges"].tolist() == out_of_fold.charges.tolist()
    assert len(trained.fold_pipelines) == 5
    for number, pipeline in enumerate(trained.fold_pipelines):
        here = out_of_fold.fold == number
        predicted = predicted_charges(pipeline, design_frame(rows[here]))
        assert predicted.tobytes() == out_of_fold.predicted[here].tobytes()


def test_a_fold_is_predicted_by_who_has_not_seen_it() -> None:
    """Who learns by heart gives away whom he has learned from."""
    population = made_up_population(500)
    trained = train(population, policy=FEW_RESAMPLES, candidates=(BY_HEART,))
    rows = population.set_index("patient_key", drop=False).loc[trained.out_of_fold.patient_key]
    for number, pipeline in enumerate(trained.fold_pipelines):
        knows = pipeline.predict(design_frame(rows)) == rows["charges"]
        assert knows[trained.out_of_fold.fold != number].all()
        assert not knows[trained.out_of_fold.fold == number].any()


def _half_of_them_twice(count: int) -> pd.DataFrame:
    """The first half have a second pseudonym, and so another row that is equal in all else."""
    population = made_up_population(count)
    again = population.iloc[: count // 2].assign(patient_key=pseudonyms(count // 2, salt="second id"))
    return pd.concat([population, again], ignore_index=True)


def _folds_of(population: pd.DataFrame, *, policy: Policy = POLICY) -> pd.DataFrame:
    rows = canonical_order(population, seed=policy.training.seed)
    return rows.assign(fold=folds(rows, policy=policy))


def test_one_person_under_two_ids_is_in_one_fold() -> None:
    placed = _folds_of(_half_of_them_twice(600))
    of_each = placed.groupby([*MODEL_FEATURES, "charges"])["fold"]
    assert of_each.ngroups == 600
    assert of_each.nunique().max() == 1
    assert (of_each.size() == 2).sum() == 300
    people = placed.drop_duplicates([*MODEL_FEATURES, "charges"])
    assert sorted(people["fold"].value_counts()) == [120] * 5


def test_whoever_differs_in_charges_or_in_one_feature_only_is_somebody_else() -> None:
    population = _half_of_them_twice(400)
    population.loc[400:, "charges"] += 0.01
    assert _folds_of(population).groupby(list(MODEL_FEATURES))["fold"].nunique().max() == 2
    population = _half_of_them_twice(400)
    population.loc[400:, "children"] += 1
    assert _folds_of(population).groupby(["bmi", "charges"])["fold"].nunique().max() == 2


def test_a_model_that_learns_people_by_heart_gains_nothing_from_their_second_ids() -> None:
    population = made_up_population(500)
    population["charges"] = np.random.default_rng(1).permutation(population["charges"])
    twice = pd.concat([population, population.assign(patient_key=pseudonyms(500, salt="second id"))])
    trained = train(twice.reset_index(drop=True), policy=FEW_RESAMPLES, candidates=(BY_HEART,))
    assert trained.metrics["r2_charges"].value < 0


@pytest.mark.parametrize("count", [500, 601, 1_337])
@pytest.mark.parametrize("number", [2, 5, 10])
def test_folds_are_balanced(count: int, number: int) -> None:
    policy = Policy(training=TrainingRules(folds=number))
    sizes = np.bincount(_folds_of(made_up_population(count), policy=policy)["fold"])
    assert len(sizes) == number
    assert sizes.max() - sizes.min() <= 1


def test_folds_do_not_depend_on_the_pseudonyms_and_depend_on_the_seed() -> None:
    population = _half_of_them_twice(400)
    other = population.assign(patient_key=pseudonyms(600, salt="another key")).sample(frac=1.0, random_state=3)
    columns = [*MODEL_FEATURES, "charges", "fold"]
    placed, again = _folds_of(population), _folds_of(other)
    pd.testing.assert_frame_equal(placed[columns], again[columns])
    reseeded = _folds_of(population, policy=Policy(training=TrainingRules(seed=1)))
    both = placed.merge(reseeded, on="patient_key")
    assert (both["fold_x"] == both["fold_y"]).mean() < 0.4


def test_folds_say_nothing_about_the_charges() -> None:
    placed = _folds_of(made_up_population(5_000))
    means = placed.groupby("fold")["charges"].mean()
    assert means.max() / means.min() < 1.2


def test_the_canonical_order_says_nothing_about_the_charges() -> None:
    ordered = canonical_order(made_up_population(2_000), seed=1)
    assert abs(np.corrcoef(np.arange(2_000), ordered["charges"])[0, 1]) < 0.1


# Honesty.


def test_a_model_that_learns_by_heart_is_found_out() -> None:
    population = made_up_population(600)
    population["charges"] = np.random.default_rng(1).permutation(population["charges"])
    trained = train(population, policy=FEW_RESAMPLES, candidates=(BY_HEART,))
    in_sample = trained.pipeline.predict(design_frame(population))
    assert np.corrcoef(in_sample, population["charges"])[0, 1] > 0.99
    assert trained.metrics["r2_charges"].value < 0
    assert trained.metrics["risk_score_r2"].value < 0


def test_the_metrics_are_those_of_the_held_out_predictions() -> None:
    trained = trained_on_made_up_patients()
    o = trained.out_of_fold
    again = judged(patient_key=o.patient_key, fold=o.fold, charges=o.charges, predicted=o.predicted, groups=o.groups)
    assert repr(metrics(again, policy=POLICY)) == repr(trained.metrics)


def test_the_reference_profile_is_that_of_the_winner() -> None:
    trained = trained_on_made_up_patients()
    rows = canonical_order(made_up_population(600), seed=POLICY.training.seed)
    expected = reference_profile(rows, trained.out_of_fold, policy=POLICY)
    assert trained.reference.to_json() == expected.to_json()


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
    trained = train(population, policy=FEW_RESAMPLES)
    assert trained.metrics["r2_charges"].value > 0.5
    for result in trained.candidates:
        assert np.isfinite(result.metrics["r2_charges"].value), result.name


def test_the_model_reads_all_features_and_never_the_label_the_patient_or_the_day() -> None:
    assert set(MODEL_FEATURES) == set(RISK_FEATURES.column_names) - {"patient_key", "partition_date"}


def test_the_example_is_a_row_that_a_model_can_score() -> None:
    example = example_patient()
    assert list(example.columns) == list(MODEL_FEATURES)
    assert np.isfinite(trained_on_made_up_patients().pipeline.predict(design_frame(example))).all()


def test_the_probes_are_rows_that_a_model_can_score_and_the_same_each_time() -> None:
    probes = probe_patients()
    assert (len(probes), list(probes.columns)) == (200, list(MODEL_FEATURES))
    pd.testing.assert_frame_equal(probes, probe_patients())
    answers = trained_on_made_up_patients().pipeline.predict(design_frame(probes))
    assert np.isfinite(answers).all()
    assert len(set(answers.tolist())) > 100  # so that another model would be noticed


def _no_amounts(_: Parameters, __: int) -> RegressorMixin:
    class Nothing(DummyRegressor):  # type: ignore[misc]
        def predict(self, X: pd.DataFrame, return_std: bool = False) -> "np.typing.NDArray[np.float64]":
            return np.full(len(X), np.nan)

    return Nothing()


def test_a_candidate_that_answers_with_no_amounts_stops_the_training_by_name() -> None:
    broken = Candidate(name="broken", estimator=_no_amounts, parameters={})
    with pytest.raises(TrainingError, match=r"Candidate broken cannot be fitted or judged .* take it out"):
        train(made_up_population(500), policy=FEW_RESAMPLES, candidates=(broken,))
