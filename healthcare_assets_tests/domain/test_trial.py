"""The trial before an alias moves: the loaded model answers as it did when it was made, and usably."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from healthcare_assets.domain.conformal import IntervalTable
from healthcare_assets.domain.model_features import design_frame
from healthcare_assets.domain.scoring import LoadedModel
from healthcare_assets.domain.training import probe_patients
from healthcare_assets.domain.trial import probe_faults, trial_faults
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import made_up_population, trained_on_made_up_patients

NOW = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


@cache
def _model() -> LoadedModel:
    trained = trained_on_made_up_patients()
    return LoadedModel(pipeline=trained.pipeline, reference=trained.reference, name="cost", version="7")


@cache
def _expected() -> tuple[float, ...]:
    return tuple(
        np.maximum(trained_on_made_up_patients().pipeline.predict(design_frame(probe_patients())), 0.0).tolist()
    )


class _Nothing(BaseEstimator):  # type: ignore[misc]
    def predict(self, features: pd.DataFrame) -> Any:
        return np.full(len(features), np.nan)


def _sample(count: int = 80) -> pd.DataFrame:
    return made_up_population(count, seed=4).drop(columns="charges")


def _trial(sample: pd.DataFrame, model: LoadedModel | None = None) -> list[str]:
    return trial_faults(model or _model(), sample, predicted_at=NOW, policy=POLICY)


def test_the_same_model_answers_the_same_to_the_last_bit() -> None:
    assert probe_faults(_model(), probe_patients(), _expected()) == []


def test_another_model_is_found_out() -> None:
    other = (np.nextafter(_expected()[0], np.inf), *_expected()[1:])
    assert probe_faults(_model(), probe_patients(), other) == [
        "it predicts other charges for 1 of 200 made-up patients than when it was made"
    ]


def test_no_answers_to_compare_with_are_a_fault() -> None:
    assert probe_faults(_model(), probe_patients(), ()) == ["there are 0 expected predictions for 200 made-up patients"]


def test_patients_of_the_day_are_scored_without_a_fault() -> None:
    assert _trial(_sample()) == []


def test_without_a_patient_nothing_was_tried() -> None:
    assert _trial(_sample().iloc[:0]) == ["there is no patient to score on trial"]


def test_a_model_without_usable_answers_is_a_fault_and_no_crash() -> None:
    [fault] = _trial(_sample(), replace(_model(), pipeline=_Nothing()))
    assert "answers 80 of 80 patients with no amount" in fault


def _with_intervals(lower: float, upper: float) -> LoadedModel:
    table = IntervalTable(coverage=0.9, edges=(), lower=(lower,), upper=(upper,), calibrated_on=600)
    return replace(_model(), reference=replace(_model().reference, intervals=table))


def test_an_interval_beside_its_prediction_is_a_fault() -> None:
    for lower, upper in ((1.0, 2.0), (-2.0, -1.0)):
        [fault] = _trial(_sample(), _with_intervals(lower, upper))
        assert "interval_out_of_order in 80 rows" in fault


def test_an_interval_without_an_end_is_a_fault() -> None:
    for end in (np.nan, np.inf):
        [fault] = _trial(_sample(), _with_intervals(-1.0, end))
        assert "not_finite in 80 rows" in fault


def test_patients_whom_no_model_could_score_are_one_sentence() -> None:
    [fault] = _trial(_sample().assign(bmi=np.nan))
    assert "bmi is not usable in 80 of 80 rows" in fault
    assert not fault.endswith(".")


def test_a_patient_twice_is_a_fault() -> None:
    twice = pd.concat([_sample(), _sample(1)], ignore_index=True)
    [fault] = _trial(twice)
    assert "81 predictions of 80 distinct patients" in fault
