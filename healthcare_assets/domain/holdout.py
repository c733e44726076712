"""A model judged later, on the current patients, none of whom the model that predicts them has seen.

A model keeps the pipelines of its folds, and a table says who was in which fold. A patient of fold k is predicted by
the pipeline that was fitted without fold k, a patient who came since by the model itself. So champion and challenger
can be compared on the same current patients though both were trained on most of them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthcare_assets.domain.evaluation import OutOfFold, judged
from healthcare_assets.domain.groups import groups_of
from healthcare_assets.domain.model_features import LABEL, PATIENT_KEY, design_frame
from healthcare_assets.domain.training import Indices, predicted_by_fold

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLD = "fold"
NEWCOMER = -1
"""The fold of a patient whom no pipeline of the model has seen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedModel:
    """A model with the pipelines of its folds, and who was in which."""

    pipeline: "Pipeline"
    fold_pipelines: "tuple[Pipeline, ...]"
    trained_on: pd.DataFrame
    """`patient_key` and `fold`, a row a patient."""


def membership_fault(trained_on: pd.DataFrame, *, patients: int, folds: int) -> str | None:
    """Why it cannot be said which patients a model has not seen, or None.

    `patients` and `folds` are how many the model itself says that it was trained on and in.
    """
    if len(trained_on) != patients:
        return f"training_patients names {len(trained_on)} patients and the model was trained on {patients}"
    if not trained_on[FOLD].isin(range(folds)).all():
        return f"training_patients names folds that the model's {folds} pipelines do not have"
    return None


def overlapping_patients(trained_on: pd.DataFrame) -> int:
    """How many patients are in more than one fold: whatever pipeline predicts them has been fitted on them."""
    return int((trained_on.drop_duplicates([PATIENT_KEY, FOLD])[PATIENT_KEY].value_counts() > 1).sum())


def fold_of(patients: "pd.Series[str]", trained_on: pd.DataFrame) -> Indices:
    """The fold of each patient, `NEWCOMER` for those who were not trained on."""
    known = trained_on.drop_duplicates(PATIENT_KEY).set_index(PATIENT_KEY)[FOLD]
    assigned: Indices = patients.map(known).fillna(NEWCOMER).to_numpy(dtype=np.int64)
    return assigned


def scale_folds(patients: "pd.Series[str]", model: FoldedModel) -> Indices:
    """The folds that scores are made with: the model's, or others where it has seen nobody of these patients."""
    folds = fold_of(patients, model.trained_on)
    if (folds == NEWCOMER).all():
        return np.arange(len(folds), dtype=np.int64) % len(model.fold_pipelines)
    return folds


def held_out(model: FoldedModel, rows: pd.DataFrame, *, scale_fold: Indices) -> OutOfFold:
    """The model's held-out predictions of the rows: `patient_key`, the model features and `charges` (US dollars).

    `scale_fold` says whose charges each score is a percentile of, see `evaluation.judged`: the same for two models
    that are to be compared.
    """
    by_fold = {NEWCOMER: model.pipeline, **dict(enumerate(model.fold_pipelines))}
    return judged(
        patient_key=rows[PATIENT_KEY].to_numpy(),
        fold=scale_fold,
        charges=rows[LABEL].to_numpy(dtype=np.float64),
        predicted=predicted_by_fold(by_fold, design_frame(rows), fold_of(rows[PATIENT_KEY], model.trained_on)),
        groups=groups_of(rows),
    )
