"""Training: the candidates, each judged on patients that it has not seen, and the better one fitted on all of them."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import pandas as pd

from healthcare_assets.domain.evaluation import Floats, OutOfFold, high_risk_count, metrics, percentile
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.model_features import (
    BOOLEAN_FEATURES,
    CATEGORICAL_FEATURES,
    LABEL,
    MODEL_FEATURES,
    NUMERIC_FEATURES,
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
    from sklearn.base import RegressorMixin
    from sklearn.pipeline import Pipeline

Indices = np.typing.NDArray[np.int64]
Parameters = Mapping[str, float | int | str | bool]

_THREADS = 2

SELECTION_SKILL = "risk_score_r2"
"""The candidate with the highest value wins, the first declared of equals. R² on the risk score rather than on dollars:
it is what promotion asks for and what users act on, and a handful of very costly patients cannot decide it alone."""


def _random_forest(parameters: Parameters, seed: int) -> "RegressorMixin":
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(**parameters, random_state=seed)


def _gradient_boosting(parameters: Parameters, seed: int) -> "RegressorMixin":
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(**parameters, random_state=seed)


def _histogram_gradient_boosting(parameters: Parameters, seed: int) -> "RegressorMixin":
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(**parameters, random_state=seed)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that training tries: an estimator of charges in US dollars, and its parameters besides the seed."""

    name: str
    estimator: "Callable[[Parameters, int], RegressorMixin]"
    parameters: Parameters


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(
        name="random_forest",
        estimator=_random_forest,
        parameters={"n_estimators": 100, "max_depth": 10, "min_samples_split": 5, "min_samples_leaf": 2},
    ),
    Candidate(
        name="gradient_boosting",
        estimator=_gradient_boosting,
        parameters={"n_estimators": 100, "learning_rate": 0.1, "max_depth": 6},
    ),
    Candidate(
        name="histogram_gradient_boosting",
        estimator=_histogram_gradient_boosting,
        parameters={
            "max_iter": 100,
            "learning_rate": 0.1,
            "max_depth": 6,
            # Costs are never negative and their totals must be right: a log link gives both.
            "loss": "poisson",
            # The default of 31 leaves learns a thousand patients by heart: R² out of fold 0.847, with 8 leaves 0.856.
            "max_leaf_nodes": 8,
            # By default scikit-learn would stop early from 10,000 rows on, and train another model there than below.
            "early_stopping": False,
        },
    ),
)


@dataclass(frozen=True, kw_only=True)
class CandidateResult:
    """What a candidate reached out of fold."""

    name: str
    parameters: Parameters
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """The better candidate, fitted on all patients, and what became of every candidate."""

    candidate: str
    pipeline: "Pipeline"
    """Takes `design_frame`, predicts charges in US dollars."""
    parameters: Parameters
    metrics: Mapping[str, float]
    candidates: tuple[CandidateResult, ...]
    out_of_fold: OutOfFold
    reference: ReferenceProfile
    dataset_digest: str
    """Of the training rows without their pseudonyms: equal data, equal digest, whatever the order or the key."""


def train(
    frame: pd.DataFrame, *, policy: Policy = POLICY, candidates: tuple[Candidate, ...] = CANDIDATES
) -> TrainedModel:
    """Judge the candidates out of fold and fit the better one on all rows.

    `frame` has one row a patient: `patient_key`, the model features and `charges` (US dollars). The same rows give the
    same model and numbers to the last bit, in whatever order they come.
    Raises TrainingError, with the numbers, when the population does not allow an honest model.
    """
    _require_trainable(frame, policy)
    return _better(canonical_order(frame, seed=policy.training.seed), candidates, policy)


def _better(rows: pd.DataFrame, candidates: tuple[Candidate, ...], policy: Policy) -> TrainedModel:
    """The better candidate on rows in canonical order."""
    features, charges = design_frame(rows), rows[LABEL].to_numpy(dtype=np.float64)
    judged = [_out_of_fold(candidate, rows, policy=policy) for candidate in candidates]
    results = tuple(
        CandidateResult(
            name=candidate.name, parameters=candidate.parameters, metrics=metrics(out_of_fold, policy=policy)
        )
        for candidate, out_of_fold in zip(candidates, judged, strict=True)
    )
    best = max(range(len(results)), key=lambda index: results[index].metrics[SELECTION_SKILL])
    return TrainedModel(
        candidate=results[best].name,
        pipeline=_fitted(candidates[best], features, charges, policy),
        parameters=results[best].parameters,
        metrics=results[best].metrics,
        candidates=results,
        out_of_fold=judged[best],
        reference=reference_profile(features, judged[best], policy=policy),
        dataset_digest=_digest(rows),
    )


def canonical_order(frame: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The rows in an order that depends on nothing but their content: sorted, then shuffled with the seed.

    Sorted by content before pseudonym, since each installation has its own key and the same patients must give the same
    model in all of them. Shuffled, so that a row's position says nothing about its charges.
    """
    ordered = frame.sort_values([*MODEL_FEATURES, LABEL, PATIENT_KEY], kind="stable", ignore_index=True)
    return ordered.iloc[np.random.default_rng(seed).permutation(len(ordered))].reset_index(drop=True)


def example_patient() -> pd.DataFrame:
    """One row of model features made up from typical values: nobody's record."""
    made_up = {"age": 40, "sex": SEXES[0], "region": REGIONS[0], "bmi": 27.5, "smoker": False, "children": 1}
    frame = nw.from_native(pd.DataFrame([made_up | {PATIENT_KEY: ""}])).lazy()
    return risk_features(frame).collect().to_pandas().loc[:, list(MODEL_FEATURES)]


def _pipeline(candidate: Candidate, seed: int) -> "Pipeline":
    """Preprocessing and estimator in one, so that whatever is fitted is fitted on training rows only.

    Numbers go in as they are: both candidates split on order, which no scaling changes.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(
        categories=[list(categories) for categories in CATEGORICAL_FEATURES.values()], sparse_output=False
    )
    preprocessing = ColumnTransformer(
        [
            ("numbers", "passthrough", [*NUMERIC_FEATURES, *BOOLEAN_FEATURES]),
            ("categories", one_hot, list(CATEGORICAL_FEATURES)),
        ]
    )
    estimator = candidate.estimator(candidate.parameters, seed)
    return Pipeline([("preprocessing", preprocessing), ("model", estimator)])


def _fitted(candidate: Candidate, features: pd.DataFrame, charges: Floats, policy: Policy) -> "Pipeline":
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Boosting's own threads gain nothing at this size, and on a busy machine they wait for each other for seconds.
    with threadpool_limits(limits=1, user_api="openmp"):
        return _pipeline(candidate, policy.training.seed).fit(features, charges)


def _out_of_fold(candidate: Candidate, rows: pd.DataFrame, *, policy: Policy) -> OutOfFold:
    """Predictions for each row by a pipeline fitted on the other folds; `rows` in canonical order."""
    from sklearn.model_selection import KFold

    features, charges = design_frame(rows), rows[LABEL].to_numpy(dtype=np.float64)
    fold = np.empty(len(rows), dtype=np.int64)
    predicted, baseline, true_score, risk_score, baseline_score = (np.empty(len(rows)) for _ in range(5))
    splits = list(KFold(policy.training.folds, shuffle=True, random_state=policy.training.seed).split(features))

    def predictions(split: tuple[Indices, Indices]) -> Floats:
        pipeline = _fitted(candidate, features.iloc[split[0]], charges[split[0]], policy)
        return predicted_charges(pipeline, features.iloc[split[1]])

    # Trees grow outside Python's lock, so folds go side by side; each is fitted serially and the same to the bit.
    with ThreadPoolExecutor(_THREADS) as threads:
        of_folds = list(threads.map(predictions, splits))
    for number, ((fitted_on, held_out), of_fold) in enumerate(zip(splits, of_folds, strict=True)):
        scale = np.sort(charges[fitted_on])
        fold[held_out] = number
        predicted[held_out] = of_fold
        baseline[held_out] = np.median(scale)
        true_score[held_out] = percentile(scale, charges[held_out])
        risk_score[held_out] = percentile(scale, predicted[held_out])
        baseline_score[held_out] = percentile(scale, baseline[held_out])
    return OutOfFold(
        patient_key=rows[PATIENT_KEY].to_numpy(),
        fold=fold,
        charges=charges,
        predicted=predicted,
        baseline=baseline,
        true_score=true_score,
        risk_score=risk_score,
        baseline_score=baseline_score,
    )


def _require_trainable(frame: pd.DataFrame, policy: Policy) -> None:
    if missing := missing_columns(frame, (PATIENT_KEY, *MODEL_FEATURES, LABEL)):
        raise TrainingError(
            f"The training table lacks {', '.join(missing)}: materialise silver_patients and risk_features again."
        )
    if fault := _population_fault(frame, policy):
        raise TrainingError(f"The training population does not allow an honest model: {fault}.")


def _population_fault(frame: pd.DataFrame, policy: Policy) -> str | None:
    """The first reason against training on the frame, with its numbers and the next step, or None."""
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


def _digest(rows: pd.DataFrame) -> str:
    """16 hex digits of the features and charges of rows in canonical order."""
    content = pd.concat([design_frame(rows), rows[LABEL].astype("float64")], axis=1)
    return sha256(pd.util.hash_pandas_object(content, index=False).to_numpy().tobytes()).hexdigest()[:16]
