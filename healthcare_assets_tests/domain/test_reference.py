"""The reference profile: exact through JSON, small for large populations, and bins that hold every value."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from healthcare_assets.domain import reference
from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.conformal import calibrate, intervals
from healthcare_assets.domain.evaluation import percentile
from healthcare_assets.domain.monitoring.profile import categorical_profile, numeric_profile
from healthcare_assets.domain.reason_codes import typical_patient
from healthcare_assets.domain.reference import ReferenceProfile, reference_profile
from healthcare_assets.domain.tables import BMI_CATEGORIES
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import made_up_population, trained_on_made_up_patients

_VALUES = st.floats(min_value=-1e9, max_value=1e9)


def test_json_gives_back_the_same_bits() -> None:
    profile = trained_on_made_up_patients().reference
    back = ReferenceProfile.from_json(profile.to_json())
    assert np.array_equal(back.charges, profile.charges)
    assert back.to_json() == profile.to_json()
    assert (back.numeric, back.categorical) == (profile.numeric, profile.categorical)
    assert (back.intervals, back.typical) == (profile.intervals, profile.typical)


def test_prediction_intervals_travel_with_the_profile_to_the_bit() -> None:
    trained, predicted = trained_on_made_up_patients(), np.linspace(0.0, 60_000.0, 997)
    o = trained.out_of_fold
    back = ReferenceProfile.from_json(trained.reference.to_json())
    assert back.intervals == calibrate(o.predicted, o.charges, coverage=0.90)
    assert back.intervals.calibrated_on == 600
    as_in_training = intervals(trained.reference.intervals, predicted)
    for bound, read in zip(as_in_training, intervals(back.intervals, predicted), strict=True):
        assert bound.tobytes() == read.tobytes()
    lower, upper = as_in_training
    assert (lower < predicted)[1:].all()
    assert (predicted < upper).all()


def test_a_profile_with_a_number_that_is_none_is_not_written() -> None:
    """JSON has no NaN: what another reader could not read is refused where it arises."""
    broken = replace(trained_on_made_up_patients().reference, high_cost_from=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        broken.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"numeric": {}, "categorical": {}, "charges": []}'])
def test_another_text_is_no_profile(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        ReferenceProfile.from_json(text)


def test_the_profile_tells_the_training_population() -> None:
    profile, charges = trained_on_made_up_patients().reference, made_up_population(600)["charges"]
    assert profile.patients == 600
    assert profile.charges.tolist() == sorted(charges)
    assert profile.high_cost_from == np.quantile(charges, 0.95)
    assert profile.typical == typical_patient(made_up_population(600))
    assert profile.numeric["charges"].mean == pytest.approx(charges.mean())
    assert sum(profile.categorical["smoker"].counts.values()) == 600
    assert set(profile.numeric) | set(profile.categorical) >= {"age", "bmi", "sex", "predicted_charges", "charges"}


def test_of_a_large_population_a_grid_is_kept_that_scores_almost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "EXACT_UP_TO", 599)
    trained = trained_on_made_up_patients()
    grid = reference_profile(made_up_population(600), trained.out_of_fold, policy=POLICY)
    probes = np.linspace(0.0, 60_000.0, 500)
    assert len(grid.charges) == 10_001
    assert percentile(grid.charges, probes) == pytest.approx(percentile(trained.reference.charges, probes), abs=0.2)


@given(arrays(np.float64, st.integers(1, 60), elements=st.one_of(_VALUES, st.sampled_from([0.0, 1.0]))))
def test_every_value_falls_into_one_bin(values: Floats) -> None:
    profile = numeric_profile(values)
    assert sum(profile.counts) == len(values)
    assert len(profile.counts) == len(profile.edges) + 1
    assert list(profile.edges) == sorted(set(profile.edges))


def test_deciles_split_the_values_evenly_and_nulls_are_counted() -> None:
    profile = numeric_profile(np.array([*range(1, 101), *[np.nan] * 25], dtype=np.float64))
    assert profile.counts == (10,) * 10
    assert profile.null_rate == pytest.approx(0.2)
    assert (profile.mean, profile.std) == pytest.approx((50.5, np.arange(1, 101).std()))


def test_a_category_that_nobody_has_is_counted_as_nobody() -> None:
    profile = categorical_profile(pd.Series(["obese", None, "obese", "normal"], name="bmi_category"))
    assert list(profile.counts) == list(BMI_CATEGORIES)
    assert profile.counts == {"underweight": 0, "normal": 1, "overweight": 0, "obese": 2}
    assert profile.null_rate == 0.25


def test_a_boolean_is_a_category() -> None:
    assert categorical_profile(pd.Series([True, False, True], name="smoker")).counts == {"false": 1, "true": 2}
