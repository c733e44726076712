"""Scoring: the champion's prediction for each patient of a batch."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.columns import REASON_CODE_FIELDS, ColumnType
from healthcare_assets.domain.compiled import CompiledModel
from healthcare_assets.domain.conformal import intervals
from healthcare_assets.domain.evaluation import percentile
from healthcare_assets.domain.model_features import (
    MODEL_FEATURES,
    PATIENT_KEY,
    design_frame,
    feature_faults,
    missing_columns,
    predicted_charges,
)
from healthcare_assets.domain.people import People, attributes_frame, people_of
from healthcare_assets.domain.reason_codes import lists, reason_codes
from healthcare_assets.domain.reference import ReferenceProfile
from healthcare_assets.domain.risk_bands import (
    adjusted_risk_score,
    high_cost,
    high_risk_patient,
    requires_review,
    risk_category,
)
from healthcare_assets.domain.tables import PREDICTIONS
from healthcare_assets.errors import HealthcareError
from healthcare_assets.policy import POLICY, Policy

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_THREADS = 2
_ROWS_WORTH_A_THREAD = 5_000

_ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_REASON_CODES = pa.list_(
    pa.struct([(name, pa.string() if type_ == "string" else pa.float64()) for name, type_ in REASON_CODE_FIELDS])
)

PREDICTION_SCHEMA = pa.schema(
    [pa.field(column.name, _ARROW_TYPES.get(column.type, _REASON_CODES)) for column in PREDICTIONS.content_columns]
)


class ScoringError(HealthcareError):
    """Patients cannot be scored: unusable features, or a model that answers with no usable number."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    """A registered model as scoring needs it: compiled where it has a compiled form, else as the pipeline itself."""

    pipeline: "Pipeline | None" = None
    compiled: CompiledModel | None = None
    reference: ReferenceProfile
    name: str
    version: str


def score(
    features: pa.RecordBatch | pd.DataFrame, model: LoadedModel, *, predicted_at: datetime, policy: Policy = POLICY
) -> pa.RecordBatch:
    """The columns of `predictions` but the day, for each row of `risk_features`, in its order.

    Each row is treated by itself: however the patients are cut into batches, the numbers are the same to the bit.
    `predicted_at` carries a time zone. Raises ScoringError; a prediction that is not a finite amount is never returned.
    """
    patients, people = _patients(features, model), people_of(features)
    predicted = _usable(_charges(features, people, model), model)
    reference, bands = model.reference, policy.bands
    lower, upper = intervals(reference.intervals, predicted)
    risk_score = percentile(reference.charges, predicted)
    high_risk = high_risk_patient(risk_score, bands)
    review = requires_review(risk_score, people.smoker.astype(np.bool_), bands)
    values: dict[str, Any] = {
        "patient_key": patients,
        "predicted_charges": predicted,
        "charges_lower": lower,
        "charges_upper": upper,
        "risk_score": risk_score,
        "adjusted_risk_score": adjusted_risk_score(risk_score, bands),
        "risk_category": risk_category(risk_score, bands),
        "high_risk_patient": high_risk,
        "requires_review": review,
        "high_cost": high_cost(predicted, reference.high_cost_from),
        "reason_codes": _reasons(model, people, high_risk | review),
        "model_name": pa.repeat(model.name, len(people)),
        "model_version": pa.repeat(model.version, len(people)),
        "predicted_at": pa.repeat(pa.scalar(predicted_at, PREDICTION_SCHEMA.field("predicted_at").type), len(people)),
    }
    arrays = [_array(values[field.name], field.type) for field in PREDICTION_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=PREDICTION_SCHEMA)


def predicted_by(model: LoadedModel, patients: pd.DataFrame) -> Floats:
    """What scoring would predict (US dollars) for rows of model features, whatever number that is."""
    return _charges(patients, people_of(patients), model)


def _array(values: Any, type_: pa.DataType) -> pa.Array:  # noqa: ANN401 - an array of one kind or another
    return values.cast(type_) if isinstance(values, pa.Array) else pa.array(values, type=type_)


def _reasons(model: LoadedModel, people: People, flagged: NDArray[np.bool_]) -> pa.ListArray:
    """The reason codes of each person, none for one who is not flagged."""

    def pipeline(design: pd.DataFrame) -> Floats:
        return _usable(_predicted(model, design), model)

    found = reason_codes(
        attributes_frame(people.take(flagged)),
        reference=model.reference.typical,
        predict=pipeline if model.compiled is None else model.compiled,
    )
    lengths = np.zeros(len(people), dtype=np.int64)
    lengths[flagged] = found.value_lengths().to_numpy()
    return lists(lengths, found.values)


def _patients(features: pa.RecordBatch | pd.DataFrame, model: LoadedModel) -> "pd.Series[Any] | pa.Array":
    if missing_columns(features, [PATIENT_KEY]) or _null_count(features[PATIENT_KEY]):
        raise ScoringError("risk_features has rows without patient_key: materialise risk_features for the day again.")
    if faults := feature_faults(features):
        raise ScoringError(
            f"{model.name} version {model.version} cannot score these patients ({'; '.join(faults)}): "
            "look at the checks of risk_features and materialise the day again."
        )
    return features[PATIENT_KEY]


def _null_count(values: "pd.Series[Any] | pa.Array") -> int:
    return int(values.null_count if isinstance(values, pa.Array) else values.isna().sum())


def _charges(features: pa.RecordBatch | pd.DataFrame, people: People, model: LoadedModel) -> Floats:
    """Predicted charges in US dollars, none negative."""
    if model.compiled is None:
        frame = features.to_pandas() if isinstance(features, pa.RecordBatch) else features
        return _predicted(model, design_frame(frame))
    if others := int(np.sum(~model.compiled.covers(people))):
        raise ScoringError(
            f"{model.name} version {model.version} cannot score {others} of these {len(people)} patients, whose age or "
            "number of children no patient of silver_patients has: look at the checks of risk_features and materialise "
            "the day again."
        )
    return model.compiled.predict(people)


def _usable(predicted: Floats, model: LoadedModel) -> Floats:
    """The predictions, all of them finite."""
    if unusable := int(np.sum(~np.isfinite(predicted))):
        raise ScoringError(
            f"{model.name} version {model.version} answers {unusable} of {len(predicted)} patients with no amount "
            "(a number that is not finite): materialise trained_model and governance_verdict again."
        )
    return predicted


def _predicted(model: LoadedModel, features: pd.DataFrame) -> Floats:
    """What the pipeline predicts.

    A forest that predicts with `n_jobs` adds up its trees in the order in which threads finish, and so not the same to
    the bit each time. Two threads with serial predictions on halves of the rows do, at the same speed.
    """
    if features.empty:
        return np.empty(0)
    parts = min(_THREADS, max(1, len(features) // _ROWS_WORTH_A_THREAD))
    bounds = np.linspace(0, len(features), parts + 1).astype(int)
    chunks = [features.iloc[start:stop] for start, stop in pairwise(bounds)]
    if parts == 1:
        return _serial_prediction(model, chunks[0])
    with ThreadPoolExecutor(parts) as threads:
        return np.concatenate(list(threads.map(lambda chunk: _serial_prediction(model, chunk), chunks)))


def _serial_prediction(model: LoadedModel, features: pd.DataFrame) -> Floats:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if model.pipeline is None:
        raise ValueError("A model is loaded with its pipeline or with its compiled form.")
    # The limit holds for the calling thread: boosting would otherwise start OpenMP threads beside ours.
    with threadpool_limits(limits=1, user_api="openmp"):
        return predicted_charges(model.pipeline, features.loc[:, list(MODEL_FEATURES)])
