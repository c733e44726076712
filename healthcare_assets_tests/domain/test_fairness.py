"""Demographic bias: what is called bias, what is not, and what nobody can tell; fairlearn is the oracle."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame  # type: ignore[import-untyped]
from sklearn.metrics import mean_absolute_error, recall_score

from healthcare_assets.domain.bootstrap import Estimate, Floats
from healthcare_assets.domain.evaluation import Metrics, OutOfFold, high_risk_count, judged, metrics
from healthcare_assets.domain.fairness import (
    GroupCalibration,
    calibration_by_group,
    recall_gap_found,
    undecided_attributes,
)
from healthcare_assets.domain.groups import PROTECTED_ATTRIBUTES
from healthcare_assets.policy import POLICY, FairnessRules, Policy, TrainingRules
from healthcare_assets_tests.training_populations import FEW_RESAMPLES, insurance_model, on_one_scale

_NAN = float("nan")


def _findings(o: OutOfFold, *, known_share: float = 1.0, policy: Policy = POLICY) -> dict[str, GroupCalibration]:
    found = calibration_by_group(o, metrics(o, policy=policy), known_share=known_share, policy=policy)
    return {f"{each.attribute}/{each.group}": each for each in found}


@cache
def _of_the_insurance_data() -> dict[str, GroupCalibration]:
    return _findings(insurance_model().out_of_fold)


# On the public insurance data.


def test_on_the_public_insurance_data_no_group_is_biased() -> None:
    found = _of_the_insurance_data()
    assert {each.status for each in found.values()} == {"pass"}
    assert max(abs(each.bias or 0.0) for each in found.values()) < 0.03
    assert {each.attribute for each in found.values()} == set(PROTECTED_ATTRIBUTES)
    assert len(found) == 2 + 4 + 4  # nobody in the data is over 64


def test_predicted_against_actual_cost_and_recall_by_group_are_those_of_fairlearn() -> None:
    o, count = insurance_model().out_of_fold, high_risk_count(1337, 0.05)
    position = np.arange(1337)
    costliest = np.isin(position, np.lexsort((position, -o.charges))[:count])
    flagged = np.isin(position, np.lexsort((position, -o.predicted, -o.risk_score))[:count])
    for attribute in PROTECTED_ATTRIBUTES:
        dollars = MetricFrame(
            metrics={
                "bias": lambda actual, predicted: predicted.sum() / actual.sum() - 1,
                "error": mean_absolute_error,
                "patients": lambda actual, _: len(actual),
            },
            y_true=o.charges,
            y_pred=o.predicted,
            sensitive_features=o.groups[attribute],
        )
        recall = MetricFrame(
            metrics=lambda actual, found: recall_score(actual, found, zero_division=0.0),
            y_true=costliest,
            y_pred=flagged,
            sensitive_features=o.groups[attribute],
        )
        high = MetricFrame(
            metrics=lambda _, score: np.mean(score > 75.0),
            y_true=o.charges,
            y_pred=o.risk_score,
            sensitive_features=o.groups[attribute],
        )
        for group, expected in dollars.by_group.iterrows():
            found = _of_the_insurance_data()[f"{attribute}/{group}"]
            assert found.bias == pytest.approx(expected["bias"], abs=1e-12)
            assert found.patients == expected["patients"]
            assert found.mae_ratio == pytest.approx(expected["error"] / dollars.overall["error"])
            assert found.high_risk_rate == pytest.approx(high.by_group[group])
            assert found.recall_gap == pytest.approx(recall.by_group[group] - recall.overall)


@pytest.mark.parametrize("region", ["northeast", "northwest", "southeast", "southwest"])
def test_a_region_whose_costs_have_doubled_is_found_by_name(region: str) -> None:
    o = insurance_model().out_of_fold
    doubled = np.where(o.groups["region"] == region, 2.0, 1.0) * o.charges
    now = judged(patient_key=o.patient_key, fold=o.fold, charges=doubled, predicted=o.predicted, groups=o.groups)
    found = _findings(now)
    regions = {name: each for name, each in found.items() if each.attribute == "region"}
    assert [name for name, each in regions.items() if each.status == "bias"] == [f"region/{region}"]
    assert regions[f"region/{region}"].bias == pytest.approx(-0.5, abs=0.02)
    assert (regions[f"region/{region}"].upper or 0.0) < -0.4


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_group_that_the_model_under_or_over_predicts_is_biased(factor: float) -> None:
    o = insurance_model().out_of_fold
    women = o.groups["sex"] == "female"
    now = replace(o, predicted=np.where(women, factor, 1.0) * o.predicted)
    found = _findings(now)
    assert found["sex/female"].status == "bias"
    assert found["sex/male"].status == "pass"


@pytest.mark.parametrize(("spread", "at_most"), [(0.4, 0), (0.8, 8)])
def test_of_many_well_calibrated_models_hardly_one_is_called_biased(spread: float, at_most: int) -> None:
    """Costs of which models know only the mean; where a group's interval is near ±10 points, 1 in 40 is off by more."""
    policy = Policy(training=TrainingRules(bootstrap_resamples=200))
    statuses: list[str] = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        predicted = random.lognormal(8.3, 0.7, 1_500)
        charges = predicted * random.lognormal(-0.5 * spread**2, spread, 1_500)
        groups = {
            "sex": random.choice(["female", "male"], 1_500),
            "region": random.choice(["east", "north", "south", "west"], 1_500),
            "age_band": random.choice(["0-24", "25-34", "35-49"], 1_500),
        }
        statuses += [
            each.status for each in _findings(on_one_scale(charges, predicted, groups), policy=policy).values()
        ]
    assert len(statuses) == 270
    assert statuses.count("bias") <= at_most
    assert statuses.count("pass") > 100


# The rule.


def _measured(ratio: Estimate, *, gap: Estimate | None = None, error: float = 900.0) -> Metrics:
    """As if measured of one group, women."""
    none = Estimate(value=_NAN, lower=_NAN, upper=_NAN)
    return {
        "predictive_ratio/sex/female": ratio,
        "high_risk_recall_gap/sex/female": gap or none,
        "mae_charges/sex/female": Estimate(value=error, lower=error, upper=error),
        "mae_charges": Estimate(value=1_000.0, lower=1_000.0, upper=1_000.0),
        "high_risk_rate/sex/female": Estimate(value=0.3, lower=0.2, upper=0.4),
    }


def _judge(
    value: float, lower: float, upper: float, *, patients: int = 100, known_share: float = 1.0
) -> GroupCalibration:
    labels = {"sex": np.full(patients, "female"), "region": np.empty(0, str), "age_band": np.empty(0, str)}
    o = on_one_scale(np.ones(patients), np.ones(patients), labels)
    ratio = Estimate(value=value, lower=lower, upper=upper)
    (found,) = calibration_by_group(o, _measured(ratio), known_share=known_share, policy=POLICY)
    return found


@pytest.mark.parametrize(
    ("value", "lower", "upper", "status"),
    [
        (1.00, 0.96, 1.04, "pass"),
        (1.05, 1.01, 1.09, "pass"),  # more than chance, and less than matters
        (1.0999, 1.06, 1.14, "pass"),
        (1.1001, 1.06, 1.14, "bias"),
        (0.9001, 0.86, 0.94, "pass"),
        (0.8999, 0.86, 0.94, "bias"),
        (2.00, 1.95, 2.05, "bias"),
        (1.11, 1.02, 1.21, "bias"),
        (1.00, 0.91, 1.09, "pass"),
        (1.00, 0.89, 1.10, "insufficient data"),  # wider than ±10 points
        (1.50, 1.20, 1.80, "insufficient data"),
        (1.00, _NAN, _NAN, "insufficient data"),
        (_NAN, _NAN, _NAN, "insufficient data"),
    ],
)
def test_bias_is_over_ten_percent_and_more_than_chance(value: float, lower: float, upper: float, status: str) -> None:
    assert _judge(value, lower, upper).status == status


def test_a_difference_that_chance_explains_is_no_bias() -> None:
    """Both are asked, whatever the policy calls too wide."""
    wide = Policy(fairness=FairnessRules(interval_half_width_maximum=0.5))
    labels = {"sex": np.full(100, "female"), "region": np.empty(0, str), "age_band": np.empty(0, str)}
    o = on_one_scale(np.ones(100), np.ones(100), labels)
    by_chance, real = Estimate(value=1.2, lower=0.99, upper=1.4), Estimate(value=1.2, lower=1.01, upper=1.4)
    (passed,) = calibration_by_group(o, _measured(by_chance), known_share=1.0, policy=wide)
    (biased,) = calibration_by_group(o, _measured(real), known_share=1.0, policy=wide)
    assert (passed.status, biased.status) == ("pass", "bias")


@pytest.mark.parametrize(("patients", "status"), [(1, "insufficient data"), (99, "insufficient data"), (100, "pass")])
def test_under_a_hundred_patients_nobody_can_tell(patients: int, status: str) -> None:
    assert _judge(1.0, 0.99, 1.01, patients=patients).status == status


def test_under_a_hundred_patients_a_bias_is_not_told_from_chance_either() -> None:
    assert _judge(1.5, 1.45, 1.55, patients=99).status == "insufficient data"


@pytest.mark.parametrize(("known_share", "status"), [(0.0, "provisional"), (0.249, "provisional"), (0.25, "pass")])
def test_before_costs_have_matured_no_group_passes(known_share: float, status: str) -> None:
    assert _judge(1.0, 0.99, 1.01, known_share=known_share).status == status


def test_before_costs_have_matured_what_nobody_can_tell_is_still_insufficient() -> None:
    assert _judge(1.0, 0.99, 1.01, patients=99, known_share=0.1).status == "insufficient data"


def test_before_costs_have_matured_a_bias_does_not_pass() -> None:
    assert _judge(1.5, 1.45, 1.55, known_share=0.1).status in {"bias", "provisional"}


def test_a_group_without_cost_has_no_bias_and_does_not_pass() -> None:
    random = np.random.default_rng(3)
    region = random.choice(["east", "west"], 1_000)
    charges = np.where(region == "east", 0.0, random.gamma(2.0, 3_000.0, 1_000))
    o = on_one_scale(charges, charges + 1.0, {"sex": region, "region": region, "age_band": region})
    found = _findings(o, policy=FEW_RESAMPLES)
    east = found["region/east"]
    assert (east.bias, east.lower, east.upper, east.status) == (None, None, None, "insufficient data")
    assert (east.recall_gap, east.recall_gap_lower, east.recall_gap_upper) == (None, None, None)
    assert found["region/west"].status == "pass"


def test_a_perfect_model_has_no_ratio_of_errors() -> None:
    charges = np.random.default_rng(3).gamma(2.0, 3_000.0, 500)
    sex = np.where(np.arange(500) % 2 == 0, "female", "male")
    found = _findings(on_one_scale(charges, charges, dict.fromkeys(PROTECTED_ATTRIBUTES, sex)), policy=FEW_RESAMPLES)
    assert {each.mae_ratio for each in found.values()} == {None}
    assert {each.status for each in found.values()} == {"pass"}


def test_an_attribute_with_one_group_only_has_nothing_to_compare() -> None:
    charges: Floats = np.random.default_rng(3).gamma(2.0, 3_000.0, 400)
    two = np.where(np.arange(400) % 2 == 0, "a", "b")
    o = on_one_scale(charges, charges, {"sex": np.full(400, "female"), "region": two, "age_band": two})
    found = list(_findings(o, policy=FEW_RESAMPLES).values())
    assert undecided_attributes(found) == ["sex"]
    assert undecided_attributes([]) == list(PROTECTED_ATTRIBUTES)
    assert undecided_attributes(list(_of_the_insurance_data().values())) == []


# Recall.


@pytest.mark.parametrize(
    ("gap", "lower", "upper", "found"),
    [
        (-0.30, -0.45, -0.15, True),
        (0.20, 0.05, 0.35, True),
        (0.09, 0.05, 0.13, False),
        (-0.30, -0.65, 0.05, False),  # chance explains it
        (-0.30, None, None, False),
        (None, None, None, False),
    ],
)
def test_a_gap_in_recall_is_over_ten_points_and_more_than_chance(
    gap: float | None, lower: float | None, upper: float | None, found: bool
) -> None:
    finding = replace(_judge(1.0, 0.99, 1.01), recall_gap=gap, recall_gap_lower=lower, recall_gap_upper=upper)
    assert recall_gap_found(finding, policy=POLICY) is found


def test_a_model_that_overlooks_the_costliest_women_has_a_gap() -> None:
    random = np.random.default_rng(6)
    charges, sex = random.gamma(0.7, 9_000.0, 2_000), random.choice(["female", "male"], 2_000)
    overlooked = (sex == "female") & (charges > np.quantile(charges, 0.95))
    predicted = np.where(overlooked, np.median(charges), charges)
    found = _findings(on_one_scale(charges, predicted, dict.fromkeys(PROTECTED_ATTRIBUTES, sex)))["sex/female"]
    assert found.recall_gap is not None
    assert found.recall_gap < -0.3
    assert recall_gap_found(found, policy=POLICY)
    assert (found.recall_gap_lower or 0.0) < found.recall_gap < (found.recall_gap_upper or 0.0) < 0.0
