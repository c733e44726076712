"""The columns that a model reads, once, and the form in which every pipeline is given them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_assets.domain.tables import BMI_CATEGORIES, REGIONS, SEXES

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

LABEL = "charges"
PATIENT_KEY = "patient_key"

NUMERIC_FEATURES = (
    "age",
    "bmi",
    "children",
    "age_risk_score",
    "smoking_impact",
    "family_size_factor",
    "regional_multiplier",
    "health_risk_composite",
)
BOOLEAN_FEATURES = ("smoker",)
CATEGORICAL_FEATURES: Mapping[str, tuple[str, ...]] = {
    "sex": SEXES,
    "region": REGIONS,
    "bmi_category": BMI_CATEGORIES,
}
"""Each categorical feature with its declared categories, in the order of its one-hot columns."""

MODEL_FEATURES = (*NUMERIC_FEATURES, *BOOLEAN_FEATURES, *CATEGORICAL_FEATURES)
"""All of `risk_features` but the patient and the day."""


def missing_columns(frame: pd.DataFrame | pa.RecordBatch, required: Sequence[str]) -> list[str]:
    """The required columns that the frame lacks, in their declared order."""
    there = frame.columns if isinstance(frame, pd.DataFrame) else frame.schema.names
    return [name for name in required if name not in there]


def feature_faults(frame: pd.DataFrame | pa.RecordBatch) -> list[str]:
    """What keeps the frame's features from being fed to a model: a phrase a faulty column, with a count and no value.

    A tree takes a null or an unheard-of category without complaint and answers with a number that nothing supports,
    so both are refused here.
    """
    if missing := missing_columns(frame, MODEL_FEATURES):
        return [f"{name} is missing" for name in missing]
    return [
        f"{name} is not usable in {count} of {len(frame)} rows"
        for name in MODEL_FEATURES
        if (count := len(frame) - _usable(name, frame[name]))
    ]


def _usable(name: str, values: "pd.Series[Any] | pa.Array") -> int:
    """How many of the values a model can be fed."""
    if isinstance(values, pa.Array):
        # The types that tables have are looked at where they lie; making Python objects of a million texts takes longer
        # than scoring their patients.
        if name in CATEGORICAL_FEATURES:
            known = pa.array(CATEGORICAL_FEATURES[name], pa.string())
            return int(pc.sum(pc.is_in(values.cast(pa.string()), known)).as_py() or 0)
        if name in BOOLEAN_FEATURES and pa.types.is_boolean(values.type):
            return int(len(values) - values.null_count)
        values = values.to_pandas()
    if name in CATEGORICAL_FEATURES:
        return int(values.isin(CATEGORICAL_FEATURES[name]).sum())
    if name in BOOLEAN_FEATURES:
        return int(values.isin((True, False)).sum())
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return int(np.isfinite(numbers).sum())


def design_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The model features in their declared order and types: numbers and the boolean as float64, categories as text.

    A pipeline sees the same types whether the rows came from pandas, Polars or Spark. Expects no `feature_faults`.
    """
    floats = dict.fromkeys((*NUMERIC_FEATURES, *BOOLEAN_FEATURES), "float64")
    texts = dict.fromkeys(CATEGORICAL_FEATURES, "object")
    return frame.loc[:, list(MODEL_FEATURES)].astype(floats | texts)


def predicted_charges(pipeline: "Pipeline", design: pd.DataFrame) -> "np.typing.NDArray[np.float64]":
    """Predicted charges in US dollars for each row of a `design_frame`, none below zero: nobody earns by being ill.

    Boosting on squared errors can end a little below zero for the cheapest patients. What is not finite stays so.
    """
    raw = _predictions(pipeline, design)
    charges: np.typing.NDArray[np.float64] = np.where(np.isfinite(raw), np.maximum(raw, 0.0), raw)
    return charges


def _predictions(pipeline: "Pipeline", design: pd.DataFrame) -> "np.typing.NDArray[np.float64]":
    """What the pipeline predicts, each row by itself: the same to the bit whatever rows are beside it.

    Trees are so. A matrix product is not: how its library adds up a row depends on how many rows there are. So a
    generalised linear model's score is added up here, row by row.
    """
    from sklearn.linear_model import TweedieRegressor

    model = pipeline.steps[-1][1] if hasattr(pipeline, "steps") else None
    if not isinstance(model, TweedieRegressor):
        predicted: np.typing.NDArray[np.float64] = pipeline.predict(design)
        return predicted
    scores = linear_scores(pipeline, design)
    return np.exp(scores) if has_log_link(pipeline) else scores


def linear_scores(pipeline: "Pipeline", design: pd.DataFrame) -> "np.typing.NDArray[np.float64]":
    """The linear predictor of a generalised linear model for each row of a `design_frame`, before its link."""
    model = pipeline.steps[-1][1]
    features = np.ascontiguousarray(pipeline[:-1].transform(design))
    scores: np.typing.NDArray[np.float64] = (features * model.coef_).sum(axis=1) + model.intercept_
    return scores


def has_log_link(pipeline: "Pipeline") -> bool:
    """Whether a generalised linear model's charges are the exponential of its score."""
    model = pipeline.steps[-1][1]
    return bool(model.link == "log" or (model.link == "auto" and model.power > 0))
