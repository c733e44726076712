"""Training: the candidates, each judged on patients that it has not seen, and the best one fitted on all of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import pandas as pd

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.candidates import CANDIDATES, Candidate, Parameters, pipeline_of
from healthcare_assets.domain.compiling import Compilation, compile_pipeline
from healthcare_assets.domain.evaluation import Metrics, OutOfFold, high_risk_count, judged, metrics, of_the_median
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.groups import groups_of
from healthcare_assets.domain.model_features import (
    LABEL,
    MODEL_FEATURES,
    PATIENT_KEY,
    design_frame,
    feature_faults,
    missing_columns,
    predicted_charges,
)
from healthcare_assets.domain.reference import ReferenceProfile, reference_profile
from healthcare_assets.domain.tables import REGIONS, SEXES
from healthcare_assets.errors import TrainingError
from healthcare_assets.policy import POLICY, Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sklearn.pipeline import Pipeline

Indices = np.typing.NDArray[np.int64]

_THREADS = 2

SELECTION_SKILL = "r2_charges"
"""The candidate with the highest value wins, the first declared of equals. R² in dollars, which a model that gets the
order right and the amounts wrong does not win: intervals, totals and prices are all made of the amounts."""

MEDIAN = "median"
"""The model of nothing that every candidate is shown beside."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateResult:
    """What a candidate reached out of fold."""

    name: str
    parameters: Parameters
    metrics: Metrics
    out_of_fold: OutOfFold


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """The best candidate, fitted on all patients, and what became of every candidate."""

    candidate: str
    pipeline: "Pipeline"
    """Takes `design_frame`, predicts charges in US dollars."""
    fold_pipelines: "tuple[Pipeline, ...]"
    """By fold: the same candidate fitted on the patients of the other folds. They judge the model later on patients
    that it has seen, against a model that has not."""
    parameters: Parameters
    metrics: Metrics
    candidates: tuple[CandidateResult, ...]
    baseline: CandidateResult
    """What predicting the median reaches on the same patients."""
    out_of_fold: OutOfFold
    reference: ReferenceProfile
    compilation: Compilation
    """The pipeline's form for scoring, verified on the training rows and on `probe_patients`."""
    dataset_digest: str
    """Of the training rows without their pseudonyms: equal data, equal digest, whatever the order or the key."""


def train(
    frame: pd.DataFrame, *, policy: Policy = POLICY, candidates: tuple[Candidate, ...] = CANDIDATES
) -> TrainedModel:
    """Judge the candidates out of fold and fit the best one on all rows.

    `frame` has one row a patient: `patient_key`, the model features and `charges` (US dollars). The same rows give the
    same model and numbers to the last bit, in whatever order they come.
    Raises TrainingError, with the numbers, when the population does not allow an honest model.
    """
    _require_trainable(frame, policy)
    return _best(canonical_order(frame, seed=policy.training.seed), candidates, policy)


def _best(rows: pd.DataFrame, candidates: tuple[Candidate, ...], policy: Policy) -> TrainedModel:
    """The best candidate on rows in canonical order."""
    features, charges = design_frame(rows), rows[LABEL].to_numpy(dtype=np.float64)
    fold = folds(rows, policy=policy)
    results, fold_pipelines = [], []
    for candidate in candidates:
        try:
            fitted = _fitted_on_other_folds(candidate, features, charges, fold, policy)
            results.append(_result(candidate, rows, fold, fitted, policy))
        except (ValueError, np.linalg.LinAlgError) as error:
            raise TrainingError(
                f"Candidate {candidate.name} cannot be fitted or judged ({str(error).strip().partition(chr(10))[0]}): "
                "correct its entry in healthcare_assets/domain/candidates.py, or take it out."
            ) from error
        fold_pipelines.append(fitted)
    best = max(range(len(results)), key=lambda index: results[index].metrics[SELECTION_SKILL].value)
    of_best = results[best].out_of_fold
    of_nothing = of_the_median(of_best)
    pipeline = _fitted(candidates[best], features, charges, policy)
    return TrainedModel(
        candidate=results[best].name,
        pipeline=pipeline,
        fold_pipelines=fold_pipelines[best],
        parameters=results[best].parameters,
        metrics=results[best].metrics,
        candidates=tuple(results),
        baseline=CandidateResult(
            name=MEDIAN, parameters={}, metrics=metrics(of_nothing, policy=policy), out_of_fold=of_nothing
        ),
        out_of_fold=of_best,
        reference=reference_profile(rows, of_best, policy=policy),
        compilation=compile_pipeline(pipeline, pd.concat([features, design_frame(probe_patients())])),
        dataset_digest=_digest(rows),
    )


def canonical_order(frame: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The rows in an order that depends on nothing but their content: sorted, then shuffled with the seed.

    Sorted by content before pseudonym, since each installation has its own key and the same patients must give the same
    model in all of them. Shuffled, so that a row's position says nothing about its charges.
    """
    ordered = frame.sort_values([*MODEL_FEATURES, LABEL, PATIENT_KEY], kind="stable", ignore_index=True)
    return ordered.iloc[np.random.default_rng(seed).permutation(len(ordered))].reset_index(drop=True)


def folds(rows: pd.DataFrame, *, policy: Policy) -> Indices:
    """The fold of each row (0 …), of rows in canonical order.

    Rows that agree in all features and in the charges are one person under two ids, as far as anybody can tell, and
    share a fold: else a model would be tested on whom it was fitted on.
    """
    from sklearn.model_selection import KFold

    people = pd.factorize(pd.util.hash_pandas_object(_content(rows), index=False).to_numpy())[0]
    fold_of_person = np.empty(people.max() + 1, dtype=np.int64)
    splits = KFold(policy.training.folds, shuffle=True, random_state=policy.training.seed).split(fold_of_person)
    for number, (_, held_out) in enumerate(splits):
        fold_of_person[held_out] = number
    assigned: Indices = fold_of_person[people]
    return assigned


def example_patient() -> pd.DataFrame:
    """One row of model features made up from typical values: nobody's record."""
    made_up = {"age": 40, "sex": SEXES[0], "region": REGIONS[0], "bmi": 27.5, "smoker": False, "children": 1}
    return _features_of(pd.DataFrame([made_up]))


def probe_patients(count: int = 200) -> pd.DataFrame:
    """Rows of model features drawn at random from the whole range of attributes: nobody's records.

    A model's answers to them, taken when it is made, tell later whether it is still the same model.
    """
    random = np.random.default_rng(count)
    drawn = {
        "age": random.integers(0, 91, count),
        "sex": random.choice(SEXES, count),
        "region": random.choice(REGIONS, count),
        "bmi": np.round(random.uniform(12.0, 70.0, count), 1),
        "smoker": random.random(count) < 0.5,  # noqa: PLR2004
        "children": random.integers(0, 9, count),
    }
    return _features_of(pd.DataFrame(drawn))


def _features_of(attributes: pd.DataFrame) -> pd.DataFrame:
    frame = nw.from_native(attributes.assign(**{PATIENT_KEY: ""})).lazy()
    return risk_features(frame).collect().to_pandas().loc[:, list(MODEL_FEATURES)]


def _fitted(candidate: Candidate, features: pd.DataFrame, charges: Floats, policy: Policy) -> "Pipeline":
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Boosting's own threads gain nothing at this size, and wait for each other on a busy machine; those of the linear
    # algebra add up in an order of their own, which shows in the last bit.
    with threadpool_limits(limits=1):
        return pipeline_of(candidate, seed=policy.training.seed).fit(features, charges)


def _fitted_on_other_folds(
    candidate: Candidate, features: pd.DataFrame, charges: Floats, fold: Indices, policy: Policy
) -> "tuple[Pipeline, ...]":
    from threadpoolctl import threadpool_limits

    def fitted(number: int) -> "Pipeline":
        others = fold != number
        return _fitted(candidate, features[others], charges[others], policy)

    # Trees grow outside Python's lock, so folds go side by side; each is fitted serially and the same to the bit. The
    # limit on linear algebra is the whole process's: set by each fold alone, the first to end would lift it for others.
    with threadpool_limits(limits=1), ThreadPoolExecutor(_THREADS) as threads:
        return tuple(threads.map(fitted, range(policy.training.folds)))


def _result(
    candidate: Candidate, rows: pd.DataFrame, fold: Indices, fitted: "tuple[Pipeline, ...]", policy: Policy
) -> CandidateResult:
    out_of_fold = judged(
        patient_key=rows[PATIENT_KEY].to_numpy(),
        fold=fold,
        charges=rows[LABEL].to_numpy(dtype=np.float64),
        predicted=predicted_by_fold(fitted, design_frame(rows), fold),
        groups=groups_of(rows),
    )
    return CandidateResult(
        name=candidate.name,
        parameters=candidate.parameters,
        metrics=metrics(out_of_fold, policy=policy),
        out_of_fold=out_of_fold,
    )


def predicted_by_fold(
    by_fold: "Mapping[int, Pipeline] | tuple[Pipeline, ...]", features: pd.DataFrame, fold: Indices
) -> Floats:
    """Predicted charges (US dollars) of each row by the pipeline of its fold."""
    predicted = np.empty(len(features))
    for number in np.unique(fold):
        here = fold == number
        predicted[here] = predicted_charges(by_fold[int(number)], features[here])
    return predicted


def _require_trainable(frame: pd.DataFrame, policy: Policy) -> None:
    if missing := missing_columns(frame, (PATIENT_KEY, *MODEL_FEATURES, LABEL)):
        raise TrainingError(
            f"The training table lacks {', '.join(missing)}: materialise silver_patients and risk_features again."
        )
    if fault := population_fault(frame, policy):
        raise TrainingError(f"The training population does not allow an honest model: {fault}.")


def population_fault(frame: pd.DataFrame, policy: Policy) -> str | None:
    """The first reason against training or judging on the frame, with its numbers and the next step, or None."""
    rules, patients = policy.training, len(frame)
    if patients < rules.minimum_patients:
        return (
            f"{patients} patients have known charges and at least {rules.minimum_patients} are needed, "
            "so materialise more days or wait until more costs are known"
        )
    high_risk = high_risk_count(patients, policy.promotion.high_risk_share)
    if high_risk < rules.minimum_high_risk_patients:
        return (
            f"the top {policy.promotion.high_risk_share:.0%} by charges are {high_risk} of {patients} patients and at "
            f"least {rules.minimum_high_risk_patients} are needed, so materialise more days"
        )
    if repeated := int(frame[PATIENT_KEY].duplicated().sum()):
        return f"{repeated} of {patients} rows repeat a patient, who would be trained on and tested with at once"
    if faults := feature_faults(frame):
        return f"{'; '.join(faults)}, so look at the checks of risk_features"
    return _label_fault(frame[LABEL].to_numpy(dtype=np.float64), rules.minimum_high_risk_patients)


def _label_fault(charges: Floats, minimum_with_cost: int) -> str | None:
    look = "so look at silver_patients"
    if unusable := int(np.sum(~np.isfinite(charges) | (charges < 0))):
        return f"charges are null, infinite or negative for {unusable} of {len(charges)} patients, {look}"
    if charges.min() == charges.max():
        return f"charges are {charges[0]:.2f} dollars for each of {len(charges)} patients, {look}"
    if (with_cost := int(np.sum(charges > 0))) < minimum_with_cost:
        return f"{with_cost} of {len(charges)} patients have any cost and at least {minimum_with_cost} are needed"
    return None


def _content(rows: pd.DataFrame) -> pd.DataFrame:
    """What a row says of its patient besides who it is."""
    return pd.concat([design_frame(rows), rows[LABEL].astype("float64")], axis=1)


def _digest(rows: pd.DataFrame) -> str:
    """16 hex digits of the features and charges of rows in canonical order."""
    return sha256(pd.util.hash_pandas_object(_content(rows), index=False).to_numpy().tobytes()).hexdigest()[:16]
