"""A model judged later: nobody is predicted by a pipeline that has seen them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.evaluation import metrics, percentile
from healthcare_assets.domain.holdout import (
    NEWCOMER,
    FoldedModel,
    fold_of,
    held_out,
    membership_fault,
    overlapping_patients,
    scale_folds,
)
from healthcare_assets.domain.model_features import PATIENT_KEY
from healthcare_assets.domain.training import canonical_order
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import (
    made_up_population,
    pseudonyms,
    trained_on_made_up_patients,
)

_OF_ALL = 1_000.0


class _Marker:
    """A pipeline that predicts the number it bears."""

    def __init__(self, number: float) -> None:
        self.number = number

    def predict(self, design: pd.DataFrame) -> Floats:
        return np.full(len(design), self.number)


def _members(folds: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame({"patient_key": list(folds), "fold": list(folds.values())})


def _marked(folds: dict[str, int]) -> FoldedModel:
    """A model of three folds, each of whose pipelines says by which it was predicted."""
    markers: Any = (_Marker(_OF_ALL), tuple(_Marker(float(fold)) for fold in range(3)))
    return FoldedModel(pipeline=markers[0], fold_pipelines=markers[1], trained_on=_members(folds))


def _rows(count: int = 30) -> pd.DataFrame:
    return made_up_population(count)


def _everyone_in_a_fold(rows: pd.DataFrame) -> dict[str, int]:
    return {key: number % 3 for number, key in enumerate(rows[PATIENT_KEY])}


def test_each_patient_is_predicted_by_the_pipeline_that_has_not_seen_them() -> None:
    rows = _rows()
    folds = _everyone_in_a_fold(rows)
    shuffled = rows.sample(frac=1.0, random_state=1).reset_index(drop=True)
    model = _marked(folds)
    judged = held_out(model, shuffled, scale_fold=scale_folds(shuffled[PATIENT_KEY], model))
    assert judged.predicted.tolist() == [float(folds[key]) for key in shuffled[PATIENT_KEY]]
    assert judged.patient_key.tolist() == shuffled[PATIENT_KEY].tolist()
    assert judged.charges.tolist() == shuffled["charges"].tolist()
    assert judged.groups["sex"].tolist() == shuffled["sex"].tolist()


def test_whoever_came_since_is_predicted_by_the_model_itself() -> None:
    rows = _rows()
    model = _marked(dict(list(_everyone_in_a_fold(rows).items())[:20]))
    judged = held_out(model, rows, scale_fold=scale_folds(rows[PATIENT_KEY], model))
    assert judged.predicted.tolist() == [float(number % 3) for number in range(20)] + [_OF_ALL] * 10
    assert judged.fold.tolist() == [number % 3 for number in range(20)] + [NEWCOMER] * 10


def test_a_patient_who_has_left_changes_nothing_for_the_others() -> None:
    rows = _rows()
    model = _marked(_everyone_in_a_fold(rows) | dict.fromkeys(pseudonyms(5, salt="left"), 1))
    judged = held_out(model, rows, scale_fold=scale_folds(rows[PATIENT_KEY], model))
    assert judged.predicted.tolist() == [float(number % 3) for number in range(30)]


def test_scores_are_made_on_the_scale_that_is_asked_for_and_not_on_the_models_own() -> None:
    """Two models that are compared are so on the same scale, whatever their folds."""
    rows = _rows()
    scale = np.arange(30) % 2
    one = held_out(_marked(_everyone_in_a_fold(rows)), rows, scale_fold=scale)
    other = held_out(_marked({}), rows, scale_fold=scale)
    assert one.true_score.tolist() == other.true_score.tolist()
    charges = rows["charges"].to_numpy()
    even = percentile(np.sort(charges[scale == 1]), charges[scale == 0])
    assert one.true_score[scale == 0].tolist() == even.tolist()


def test_where_the_model_has_seen_nobody_there_are_scales_all_the_same() -> None:
    rows = _rows()
    model = _marked(dict.fromkeys(pseudonyms(5, salt="others"), 1))
    scale = scale_folds(rows[PATIENT_KEY], model)
    assert sorted(np.bincount(scale)) == [10, 10, 10]
    assert held_out(model, rows, scale_fold=scale).predicted.tolist() == [_OF_ALL] * 30


def test_on_its_own_unchanged_patients_a_model_is_judged_as_in_training_to_the_last_bit() -> None:
    trained, table = trained_on_made_up_patients(), made_up_population(600)
    members = pd.DataFrame({"patient_key": trained.out_of_fold.patient_key, "fold": trained.out_of_fold.fold})
    model = FoldedModel(
        pipeline=trained.pipeline,
        fold_pipelines=trained.fold_pipelines,
        trained_on=members.sample(frac=1.0, random_state=2),
    )
    rows = canonical_order(table.sample(frac=1.0, random_state=3), seed=POLICY.training.seed)
    judged = held_out(model, rows, scale_fold=scale_folds(rows[PATIENT_KEY], model))
    assert judged.predicted.tobytes() == trained.out_of_fold.predicted.tobytes()
    assert judged.risk_score.tobytes() == trained.out_of_fold.risk_score.tobytes()
    assert repr(metrics(judged, policy=POLICY)) == repr(trained.metrics)  # NaN, which some groups have, is not itself


def test_the_fold_of_each_patient_comes_from_the_table() -> None:
    patients = pd.Series(["c", "a", "stranger", "b"])
    assert fold_of(patients, _members({"a": 0, "b": 2, "c": 1})).tolist() == [1, 0, NEWCOMER, 2]
    assert fold_of(patients, _members({})).tolist() == [NEWCOMER] * 4


def test_patients_in_two_folds_are_counted() -> None:
    members = _members({"a": 0, "b": 1, "c": 2})
    assert overlapping_patients(members) == 0
    assert overlapping_patients(members.iloc[:0]) == 0
    again = pd.concat([members, _members({"a": 1, "b": 1}), _members({"a": 2})])
    assert overlapping_patients(again) == 1  # b is named twice, in the same fold


@pytest.mark.parametrize(
    ("folds", "fault"),
    [
        ({"a": 0, "b": 1, "c": 2}, None),
        ({}, "training_patients names 0 patients and the model was trained on 3"),
        ({"a": 0, "b": 1}, "training_patients names 2 patients and the model was trained on 3"),
        ({"a": 0, "b": 1, "c": 2, "d": 0}, "training_patients names 4 patients and the model was trained on 3"),
        ({"a": 0, "b": 1, "c": 3}, "training_patients names folds that the model's 3 pipelines do not have"),
        ({"a": 0, "b": 1, "c": NEWCOMER}, "training_patients names folds that the model's 3 pipelines do not have"),
    ],
)
def test_a_table_that_does_not_fit_the_model_is_named(folds: dict[str, int], fault: str | None) -> None:
    assert membership_fault(_members(folds), patients=3, folds=3) == fault


def test_a_patient_without_a_fold_is_a_fault() -> None:
    members = pd.DataFrame({"patient_key": ["a", "b"], "fold": [0.0, np.nan]})
    assert membership_fault(members, patients=2, folds=3) is not None
