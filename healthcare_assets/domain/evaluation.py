"""How good a model is on patients that it has not seen: held-out predictions and the metrics drawn from them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Estimate, Floats, Statistics, estimates
from healthcare_assets.domain.conformal import cross_coverage
from healthcare_assets.domain.groups import Labels
from healthcare_assets.policy import Policy

Metrics = Mapping[str, Estimate]
"""Metrics by name; those of a group or a decile are named `metric/attribute/group`."""

Sums = Mapping[str, Floats]
"""Weighted sums over the patients by name, one a resample."""

_DECILES = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """What was predicted for each patient by a model that was fitted without them; arrays of equal length.

    The order carries no information on the charges: ties may be broken by it.
    """

    patient_key: NDArray[Any]
    fold: NDArray[np.int64]
    """The patients of one fold were predicted by a model fitted on the others; see `judged`."""
    charges: Floats
    """What the patient cost, US dollars."""
    predicted: Floats
    """US dollars."""
    baseline: Floats
    """Median charges of the patients outside the fold, US dollars: a model of nothing."""
    true_score: Floats
    """Percentile (0–100) of `charges` among the charges of the patients outside the fold."""
    risk_score: Floats
    """Percentile (0–100) of `predicted` among the same charges."""
    baseline_score: Floats
    groups: Mapping[str, Labels]
    """The group of each patient by attribute, see `groups.groups_of`."""


def judged(
    *,
    patient_key: NDArray[Any],
    fold: NDArray[np.int64],
    charges: Floats,
    predicted: Floats,
    groups: Mapping[str, Labels],
) -> OutOfFold:
    """Held-out predictions with both scores of each patient.

    A score is a percentile among the charges of the patients outside the patient's fold. All patients would flatter:
    the patient's own cost, which a model never has when it scores, would be on the scale.
    """
    baseline, true_score, risk_score, baseline_score = (np.empty(len(charges)) for _ in range(4))
    for number in np.unique(fold):
        here = fold == number
        scale = np.sort(charges[~here]) if not here.all() else np.sort(charges)
        baseline[here] = np.median(scale)
        true_score[here] = percentile(scale, charges[here])
        risk_score[here] = percentile(scale, predicted[here])
        baseline_score[here] = percentile(scale, baseline[here])
    return OutOfFold(
        patient_key=patient_key,
        fold=fold,
        charges=charges,
        predicted=predicted,
        baseline=baseline,
        true_score=true_score,
        risk_score=risk_score,
        baseline_score=baseline_score,
        groups=groups,
    )


def of_the_median(out_of_fold: OutOfFold) -> OutOfFold:
    """The same patients, for each of whom the median is predicted."""
    return replace(out_of_fold, predicted=out_of_fold.baseline, risk_score=out_of_fold.baseline_score)


def percentile(reference: Floats, values: Floats) -> Floats:
    """The percentile (0–100) of each value among the reference's, which are sorted ascending and not empty.

    The mean of the shares below the value and not above it, so that of many patients who cost nothing each stands in
    the middle of them (`scipy.stats.percentileofscore(kind="mean")`).
    """
    below = np.searchsorted(reference, values, side="left")
    not_above = np.searchsorted(reference, values, side="right")
    scores: Floats = 50.0 * (below + not_above) / len(reference)
    return scores


def metrics(out_of_fold: OutOfFold, *, policy: Policy) -> dict[str, Estimate]:
    """All metrics with their bootstrap 95 % intervals; dollars for charges, points (0–100) for risk scores.

    Overall: `r2_charges`, `rmse_charges`, `mae_charges`, `mae_share_of_cost` (of the mean cost), `predictive_ratio`
    (Σ predicted ÷ Σ actual), `risk_score_r2`, `risk_score_mae`, `high_risk_recall`, `top_share_of_cost` (what the top
    5 % by score hold of all cost), `interval_coverage`. By decile of the prediction: the predictive ratio. By group:
    predictive ratio, mean absolute error, recall, high-risk rate and coverage.
    """
    return estimates(
        statistics(out_of_fold, policy=policy),
        patients=len(out_of_fold.charges),
        resamples=policy.training.bootstrap_resamples,
        seed=policy.training.seed,
    )


def statistics(out_of_fold: OutOfFold, *, policy: Policy) -> Statistics:
    """The metrics as functions of the patients' weights."""
    columns = _columns(out_of_fold, policy)
    matrix = np.stack(list(columns.values()), axis=1)
    by_rank = _rank_statistics(out_of_fold, share=policy.promotion.high_risk_share)
    formulas = _formulas(out_of_fold)

    def of_weights(weights: Floats) -> dict[str, Floats]:
        sums: dict[str, Floats] = dict(zip(columns, (weights @ matrix).T, strict=True))
        return {name: formula(sums) for name, formula in formulas.items()} | by_rank(weights)

    return of_weights


def r_squared(actual: Floats, predicted: Floats) -> float:
    """Coefficient of determination of unweighted values. NaN where `actual` is constant."""
    total = float(np.sum((actual - actual.mean()) ** 2))
    return 1.0 - float(np.sum((actual - predicted) ** 2)) / total if total > 0 else float("nan")


def high_risk_count(patients: int, share: float) -> int:
    """How many patients the top share holds: rounded up, so that no population is without one."""
    return int(np.ceil(round(share * patients, 9)))


def deciles(values: Floats) -> NDArray[np.int64]:
    """0–9 for each value: ten parts of equal size in the order of the values, equal values by position."""
    numbers = np.empty(len(values), dtype=np.int64)
    numbers[np.argsort(values, kind="stable")] = np.arange(len(values)) * _DECILES // len(values)
    return numbers


def _columns(o: OutOfFold, policy: Policy) -> dict[str, Floats]:
    """What is summed up over the patients. Centred values lose no digits to the mean when squared."""
    centred, score_centred = o.charges - o.charges.mean(), o.true_score - o.true_score.mean()
    every = {
        "patients": np.ones(len(o.charges)),
        "cost": o.charges,
        "predicted": o.predicted,
        "error": np.abs(o.charges - o.predicted),
        "inside": cross_coverage(o.predicted, o.charges, o.fold, coverage=policy.training.interval_coverage) * 1.0,
        "high_risk": (o.risk_score > policy.bands.high_risk_above) * 1.0,
    }
    overall = {
        "squared_error": (o.charges - o.predicted) ** 2,
        "centred": centred,
        "centred_squared": centred**2,
        "score_error": np.abs(o.true_score - o.risk_score),
        "score_squared_error": (o.true_score - o.risk_score) ** 2,
        "score_centred": score_centred,
        "score_centred_squared": score_centred**2,
    }
    decile = deciles(o.predicted)
    by_decile = {
        f"{name}/decile/{number + 1:02}": every[name] * (decile == number)
        for number in range(_DECILES)
        for name in ("cost", "predicted")
    }
    by_group = {f"{name}/{group}": values * member for group, member in _members(o) for name, values in every.items()}
    return every | overall | by_decile | by_group


def _formulas(o: OutOfFold) -> dict[str, Callable[[Sums], Floats]]:
    overall: dict[str, Callable[[Sums], Floats]] = {
        "r2_charges": partial(_r_squared, error="squared_error", actual="centred"),
        "rmse_charges": lambda sums: np.sqrt(ratio(sums["squared_error"], sums["patients"])),
        "mae_charges": partial(_quotient, part="error", whole="patients"),
        "mae_share_of_cost": partial(_quotient, part="error", whole="cost"),
        "predictive_ratio": partial(_quotient, part="predicted", whole="cost"),
        "risk_score_r2": partial(_r_squared, error="score_squared_error", actual="score_centred"),
        "risk_score_mae": partial(_quotient, part="score_error", whole="patients"),
        "interval_coverage": partial(_quotient, part="inside", whole="patients"),
        "high_risk_rate": partial(_quotient, part="high_risk", whole="patients"),
    }
    parts = {
        "predictive_ratio": ("predicted", "cost"),
        "mae_charges": ("error", "patients"),
        "interval_coverage": ("inside", "patients"),
        "high_risk_rate": ("high_risk", "patients"),
    }
    of_groups = {
        f"{name}/{group}": partial(_quotient, part=f"{part}/{group}", whole=f"{whole}/{group}")
        for group, _ in _members(o)
        for name, (part, whole) in parts.items()
    }
    of_deciles = {
        f"predictive_ratio/decile/{number:02}": partial(
            _quotient, part=f"predicted/decile/{number:02}", whole=f"cost/decile/{number:02}"
        )
        for number in range(1, _DECILES + 1)
    }
    return overall | of_deciles | of_groups


def _rank_statistics(o: OutOfFold, *, share: float) -> Statistics:
    """Those that need the patients' order: recall of the costliest, and what the flagged ones hold of all cost.

    Flagged are the top `share` by risk score. Equal scores are ordered by predicted charges (every cost above the
    scale's maximum scores 100), and what is equal then by position, which knows nothing of the label.
    """
    count = high_risk_count(len(o.charges), share)
    position = np.arange(len(o.charges))
    by_cost = np.lexsort((position, -o.charges))
    by_score = np.lexsort((position, -o.predicted, -o.risk_score))
    names, members = zip(*_members(o), strict=True)
    matrix = np.stack(members, axis=1)

    def of_weights(weights: Floats) -> dict[str, Floats]:
        costliest, flagged = _top(weights, by_cost, count), _top(weights, by_score, count)
        caught = np.minimum(costliest, flagged)
        recall = caught.sum(axis=1) / count
        recalls = dict(zip(names, ratio(caught @ matrix, costliest @ matrix).T, strict=True))
        return {
            "high_risk_recall": recall,
            "top_share_of_cost": ratio(flagged @ o.charges, weights @ o.charges),
            **{f"high_risk_recall/{name}": of_group for name, of_group in recalls.items()},
            **{f"high_risk_recall_gap/{name}": of_group - recall for name, of_group in recalls.items()},
        }

    return of_weights


def _top(weights: Floats, order: NDArray[np.intp], count: int) -> Floats:
    """How much of each patient's weight lies within the first `count` of the order."""
    ordered = weights[:, order]
    before = np.cumsum(ordered, axis=1) - ordered
    inside = np.empty_like(weights)
    inside[:, order] = np.clip(count - before, 0.0, ordered)
    return inside


def _members(o: OutOfFold) -> Iterator[tuple[str, Floats]]:
    """Each group that has a patient: `attribute/group`, and 1 for each patient in it."""
    for attribute, labels in o.groups.items():
        for label in np.unique(labels):
            yield f"{attribute}/{label}", (labels == label) * 1.0


def _r_squared(sums: Sums, *, error: str, actual: str) -> Floats:
    """Coefficient of determination: 1 is exact, 0 is the mean. NaN where all actual values are the same."""
    total = sums[f"{actual}_squared"] - sums[actual] ** 2 / sums["patients"]
    return 1.0 - ratio(sums[error], np.where(total > _ROUNDING * sums[f"{actual}_squared"], total, 0.0))


_ROUNDING = 1e-12


def _quotient(sums: Sums, *, part: str, whole: str) -> Floats:
    return ratio(sums[part], sums[whole])


def ratio(part: Floats, whole: Floats) -> Floats:
    """NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole != 0)
