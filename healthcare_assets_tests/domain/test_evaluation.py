"""The metrics, against other implementations and by hand."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import percentileofscore
from sklearn.metrics import mean_absolute_error as sklearn_mae
from sklearn.metrics import r2_score, root_mean_squared_error

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.conformal import cross_coverage
from healthcare_assets.domain.evaluation import (
    OutOfFold,
    deciles,
    high_risk_count,
    judged,
    metrics,
    of_the_median,
    percentile,
    r_squared,
    statistics,
)
from healthcare_assets.domain.groups import Labels
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import FEW_RESAMPLES, on_one_scale

_COSTS = st.integers(min_value=0, max_value=20).map(lambda units: units * 250.5)
_OVERALL = {
    "r2_charges",
    "rmse_charges",
    "mae_charges",
    "mae_share_of_cost",
    "predictive_ratio",
    "risk_score_r2",
    "risk_score_mae",
    "high_risk_recall",
    "high_risk_rate",
    "top_share_of_cost",
    "interval_coverage",
}


def _population(count: int = 1_000) -> tuple[Floats, Floats]:
    random = np.random.default_rng(4)
    charges = random.gamma(0.7, 9_000.0, count)
    return charges, charges * random.lognormal(0.0, 0.4, count)


def _groups(count: int) -> Mapping[str, Labels]:
    random = np.random.default_rng(9)
    return {"sex": random.choice(["female", "male"], count), "region": random.choice(["east", "north", "west"], count)}


def _costs(kind: str) -> tuple[Floats, Floats]:
    """Charges and predictions, with the ties and zeros that real ones have."""
    charges, predicted = _population(600)
    if kind == "ties":
        return np.round(charges, -4), np.round(predicted, -4)
    if kind == "zeros":
        return charges * (np.random.default_rng(8).random(600) > 0.4), np.maximum(predicted - 4_000.0, 0.0)
    return charges, predicted


def _held_out(charges: Floats, predicted: Floats) -> OutOfFold:
    count = len(charges)
    fold = np.random.default_rng(5).integers(0, 5, count)
    groups = _groups(count)
    return judged(patient_key=np.arange(count), fold=fold, charges=charges, predicted=predicted, groups=groups)


def _value(charges: Floats, predicted: Floats, name: str) -> float:
    return metrics(on_one_scale(charges, predicted), policy=FEW_RESAMPLES)[name].value


kinds = pytest.mark.parametrize("kind", ["distinct", "ties", "zeros"])


# The scores.


@given(
    reference=arrays(np.float64, st.integers(1, 40), elements=_COSTS),
    values=arrays(np.float64, st.integers(1, 10), elements=_COSTS),
)
def test_the_risk_score_is_the_percentile_that_scipy_computes(reference: Floats, values: Floats) -> None:
    scores = percentile(np.sort(reference), values)
    assert scores == pytest.approx([percentileofscore(reference, value, kind="mean") for value in values])


@given(reference=arrays(np.float64, st.integers(1, 40), elements=_COSTS))
def test_the_risk_score_rises_with_the_charges_from_0_to_100(reference: Floats) -> None:
    scores = percentile(np.sort(reference), np.array([-1.0, *np.sort(reference), 1e12]))
    assert (scores[0], scores[-1]) == (0.0, 100.0)
    assert (np.diff(scores) >= 0).all()


def test_of_many_who_cost_nothing_each_stands_in_their_middle() -> None:
    assert percentile(np.array([0.0, 0.0, 0.0, 0.0, 10.0, 20.0, 30.0, 40.0]), np.array([0.0])).tolist() == [25.0]


@kinds
def test_scores_are_percentiles_among_the_patients_outside_the_fold(kind: str) -> None:
    o = _held_out(*_costs(kind))
    for patient in range(0, 600, 7):
        others = o.charges[o.fold != o.fold[patient]]
        assert o.true_score[patient] == pytest.approx(percentileofscore(others, o.charges[patient], kind="mean"))
        assert o.risk_score[patient] == pytest.approx(percentileofscore(others, o.predicted[patient], kind="mean"))
        assert o.baseline[patient] == np.median(others)
        assert o.baseline_score[patient] == pytest.approx(percentileofscore(others, np.median(others), kind="mean"))


def test_a_patients_own_cost_is_not_on_their_scale() -> None:
    charges = np.arange(1.0, 11.0)
    o = judged(patient_key=np.arange(10), fold=np.arange(10), charges=charges, predicted=charges, groups={})
    assert o.true_score[[0, -1]].tolist() == [0.0, 100.0]  # on the scale of all ten: 5 and 95


# Against other implementations.


@kinds
def test_the_metrics_are_those_of_scikit_learn_and_numpy(kind: str) -> None:
    o = _held_out(*_costs(kind))
    found = {name: estimate.value for name, estimate in metrics(o, policy=FEW_RESAMPLES).items() if "/" not in name}
    count = high_risk_count(600, 0.05)
    patients = range(600)
    costliest = sorted(patients, key=lambda patient: (-o.charges[patient], patient))[:count]
    flagged = sorted(patients, key=lambda patient: (-o.risk_score[patient], -o.predicted[patient], patient))[:count]
    assert found == pytest.approx(
        {
            "r2_charges": r2_score(o.charges, o.predicted),
            "rmse_charges": root_mean_squared_error(o.charges, o.predicted),
            "mae_charges": sklearn_mae(o.charges, o.predicted),
            "mae_share_of_cost": sklearn_mae(o.charges, o.predicted) / o.charges.mean(),
            "predictive_ratio": o.predicted.sum() / o.charges.sum(),
            "risk_score_r2": r2_score(o.true_score, o.risk_score),
            "risk_score_mae": sklearn_mae(o.true_score, o.risk_score),
            "high_risk_recall": len({*costliest} & {*flagged}) / count,
            "high_risk_rate": np.mean(o.risk_score > 75.0),
            "top_share_of_cost": o.charges[flagged].sum() / o.charges.sum(),
            "interval_coverage": cross_coverage(o.predicted, o.charges, o.fold, coverage=0.90).mean(),
        },
        rel=1e-9,
    )
    assert set(found) == _OVERALL


@kinds
def test_the_metrics_of_a_group_are_those_of_its_patients(kind: str) -> None:
    o = _held_out(*_costs(kind))
    found = {name: estimate.value for name, estimate in metrics(o, policy=FEW_RESAMPLES).items()}
    inside = cross_coverage(o.predicted, o.charges, o.fold, coverage=0.90)
    count = high_risk_count(600, 0.05)
    costliest = np.isin(np.arange(600), np.lexsort((np.arange(600), -o.charges))[:count])
    flagged = np.isin(np.arange(600), np.lexsort((np.arange(600), -o.predicted, -o.risk_score))[:count])
    for attribute, labels in o.groups.items():
        for label in set(labels.tolist()):
            here, group = labels == label, f"{attribute}/{label}"
            recall = np.mean(flagged[here & costliest])
            expected = {
                f"predictive_ratio/{group}": o.predicted[here].sum() / o.charges[here].sum(),
                f"mae_charges/{group}": sklearn_mae(o.charges[here], o.predicted[here]),
                f"interval_coverage/{group}": inside[here].mean(),
                f"high_risk_rate/{group}": np.mean(o.risk_score[here] > 75.0),
                f"high_risk_recall/{group}": recall,
                f"high_risk_recall_gap/{group}": recall - np.mean(flagged[costliest]),
            }
            assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_predictive_ratio_by_decile_is_that_of_pandas() -> None:
    charges, predicted = _population()
    found = metrics(on_one_scale(charges, predicted), policy=FEW_RESAMPLES)
    frame = pd.DataFrame({"charges": charges, "predicted": predicted})
    sums = frame.groupby(pd.qcut(frame["predicted"], 10, labels=False)).sum()
    expected = sums["predicted"] / sums["charges"]
    assert [found[f"predictive_ratio/decile/{n:02}"].value for n in range(1, 11)] == pytest.approx(expected.tolist())


def test_deciles_are_of_equal_size_even_of_equal_values() -> None:
    assert np.bincount(deciles(np.full(100, 7.0))).tolist() == [10] * 10
    assert sorted(np.bincount(deciles(np.arange(1_337.0)))) == [133] * 3 + [134] * 7
    assert deciles(np.array([5.0, 1.0, 3.0])).tolist() == [6, 0, 3]


# Weights.


@cache
def _small(kind: str) -> OutOfFold:
    random = np.random.default_rng(11)
    charges: Floats = random.integers(0, 12, 60) * np.float64(250.5)
    if kind == "distinct":
        charges = charges + random.permutation(60)
    predicted: Floats = np.maximum(charges + random.integers(-4, 5, 60) * np.float64(250.5), 0.0)
    return _held_out(charges, predicted)


def _repeated(o: OutOfFold, times: "np.typing.NDArray[np.int64]") -> OutOfFold:
    names = ("patient_key", "fold", "charges", "predicted", "baseline", "true_score", "risk_score", "baseline_score")
    rows = {name: np.repeat(getattr(o, name), times) for name in names}
    return replace(o, **rows, groups={name: np.repeat(labels, times) for name, labels in o.groups.items()})


@settings(max_examples=60)
@given(drawn=arrays(np.int64, 60, elements=st.integers(0, 59)), kind=st.sampled_from(["distinct", "ties"]))
def test_a_patient_of_weight_three_counts_as_three_patients(drawn: "np.typing.NDArray[np.int64]", kind: str) -> None:
    """As many patients as before, some of them several times, as a resample has them."""
    o = _small(kind)
    assume(len(set(o.fold[drawn])) > 1)
    times = np.bincount(drawn, minlength=60)
    weighted = statistics(o, policy=POLICY)(times[None, :].astype(np.float64))
    repeated = statistics(_repeated(o, times), policy=POLICY)(np.ones((1, 60)))
    by_decile = deciles(
        o.predicted
    )  # who is in which decile, and in the interval, is settled before patients are drawn
    inside = cross_coverage(o.predicted, o.charges, o.fold, coverage=0.90)
    for name, value in weighted.items():
        metric, *group = name.split("/")
        if group[:1] == ["decile"]:
            here = times * (by_decile == int(group[1]) - 1)
            cost = here @ o.charges
            expected = here @ o.predicted / cost if cost else np.nan
        elif metric == "interval_coverage":
            here = times * (o.groups[group[0]] == group[1]) if group else times
            expected = here @ inside / here.sum() if here.any() else np.nan
        else:
            expected = repeated[name][0] if name in repeated else np.nan  # nobody of the group was drawn
        # R² loses digits where those who were drawn cost almost the same.
        assert value[0] == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True), name


def test_several_resamples_at_once_are_each_as_if_alone() -> None:
    o, random = _small("ties"), np.random.default_rng(1)
    weights = np.stack([np.bincount(random.integers(0, 60, 60), minlength=60) for _ in range(5)]).astype(np.float64)
    together = statistics(o, policy=POLICY)(weights)
    for number in range(5):
        alone = statistics(o, policy=POLICY)(weights[[number]])
        assert {name: value[number] for name, value in together.items()} == pytest.approx(
            {name: value[0] for name, value in alone.items()}, rel=1e-12, abs=1e-12, nan_ok=True
        )


# Intervals.


def test_every_metric_has_an_interval_around_it() -> None:
    found = metrics(_held_out(*_population()), policy=POLICY)
    for name, estimate in found.items():
        assert estimate.lower < estimate.value < estimate.upper, name


def test_the_intervals_are_those_of_scipy() -> None:
    charges, predicted = _population(500)
    found = metrics(on_one_scale(charges, predicted), policy=POLICY)
    for name, statistic in {
        "r2_charges": lambda actual, made: float(r2_score(actual, made)),
        "mae_charges": lambda actual, made: float(sklearn_mae(actual, made)),
        "predictive_ratio": lambda actual, made: float(made.sum() / actual.sum()),
    }.items():
        theirs = scipy_bootstrap(
            (charges, predicted),
            statistic,
            paired=True,
            vectorized=False,
            n_resamples=1000,
            method="percentile",
            rng=np.random.default_rng(2),
        ).confidence_interval
        width = theirs.high - theirs.low
        assert found[name].lower == pytest.approx(theirs.low, abs=0.12 * width), name
        assert found[name].upper == pytest.approx(theirs.high, abs=0.12 * width), name


def test_metrics_are_the_same_each_time_to_the_last_bit() -> None:
    o = _held_out(*_population())
    assert metrics(o, policy=POLICY) == metrics(o, policy=POLICY)


def test_a_group_of_one_has_a_ratio_but_no_interval_of_its_recall() -> None:
    charges, predicted = _population()
    region = np.full(1_000, "everywhere else")
    region[np.argmax(charges)] = "atlantis"
    found = metrics(on_one_scale(charges, predicted, {"region": region}), policy=POLICY)
    assert found["predictive_ratio/region/atlantis"].value == pytest.approx(predicted[charges.argmax()] / charges.max())
    recall = found["high_risk_recall/region/atlantis"]
    assert recall.value in (0.0, 1.0)
    assert np.isnan([recall.lower, recall.upper]).all()


# By hand.


def test_the_median_for_everyone_is_25_points_off() -> None:
    of_nothing = metrics(of_the_median(_held_out(*_population())), policy=FEW_RESAMPLES)
    assert of_nothing["risk_score_mae"].value == pytest.approx(25.0, abs=0.1)
    assert of_nothing["risk_score_r2"].value == pytest.approx(0.0, abs=0.001)
    assert of_nothing["r2_charges"].value < 0


def test_the_median_is_judged_by_every_metric_that_a_model_is() -> None:
    o = _held_out(*_population())
    assert set(metrics(of_the_median(o), policy=FEW_RESAMPLES)) == set(metrics(o, policy=FEW_RESAMPLES))


def test_a_constant_label_has_no_r_squared() -> None:
    assert np.isnan(r_squared(np.ones(5), np.ones(5)))
    assert np.isnan(_value(np.full(300, 0.1), np.arange(300.0), "r2_charges"))


def test_where_nobody_costs_anything_nothing_is_measured_by_cost() -> None:
    found = metrics(on_one_scale(np.zeros(300), np.arange(300.0)), policy=FEW_RESAMPLES)
    for name in ("r2_charges", "predictive_ratio", "mae_share_of_cost", "top_share_of_cost"):
        estimate = found[name]
        assert np.isnan([estimate.value, estimate.lower, estimate.upper]).all(), name


@given(charges=arrays(np.float64, st.integers(2, 40), elements=_COSTS))
def test_r_squared_is_that_of_scikit_learn(charges: Floats) -> None:
    predicted = charges[::-1] + 1.0
    if charges.min() < charges.max():
        assert r_squared(charges, predicted) == pytest.approx(r2_score(charges, predicted))
    else:
        assert np.isnan(r_squared(charges, predicted))


@pytest.mark.parametrize(("patients", "count"), [(1, 1), (20, 1), (21, 2), (500, 25), (501, 26), (1337, 67)])
def test_the_top_five_percent_are_rounded_up(patients: int, count: int) -> None:
    assert high_risk_count(patients, 0.05) == count


def test_high_risk_recall_counts_who_is_on_both_lists() -> None:
    charges = np.arange(1.0, 501.0)
    swapped = charges.copy()
    swapped[495:], swapped[:5] = 1.0, 900.0  # of the 25 costliest, five give way to five cheap ones
    assert _value(charges, charges, "high_risk_recall") == 1.0
    assert _value(charges, swapped, "high_risk_recall") == 0.8
    assert _value(charges, 1_000.0 - charges, "high_risk_recall") == 0.0


def test_a_model_that_tells_nobody_apart_gets_no_recall_from_ties() -> None:
    charges, _ = _population(4_000)
    assert _value(charges, np.full(4_000, 5_000.0), "high_risk_recall") < 0.12


def test_beyond_the_scale_the_larger_prediction_is_the_riskier() -> None:
    charges = np.arange(1.0, 501.0)
    predicted = np.where(charges > 400, 1_000.0 + charges, charges)  # a hundred patients score 100
    assert _value(charges, predicted, "high_risk_recall") == 1.0


def test_the_top_five_percent_hold_their_share_of_the_cost() -> None:
    charges = np.full(1_000, 100.0)
    charges[:50] = 1_900.0  # as much as all the others together
    assert _value(charges, charges, "top_share_of_cost") == 0.5


def test_the_interval_holds_its_share_of_patients() -> None:
    random = np.random.default_rng(5)
    predicted = random.uniform(1e4, 2e4, 5_000)
    charges = predicted + random.normal(0.0, 1_000.0, 5_000)
    assert _value(charges, predicted, "interval_coverage") == pytest.approx(0.90, abs=0.01)
