"""How good a model is on patients that it has not seen: out-of-fold predictions and the metrics drawn from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.policy import Policy

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """What was predicted for each patient by a model that was fitted without them; arrays of equal length.

    The order carries no information on the charges: ties may be broken by it.
    """

    patient_key: NDArray[Any]
    fold: NDArray[np.int64]
    charges: Floats
    """What the patient cost, US dollars."""
    predicted: Floats
    """US dollars."""
    baseline: Floats
    """Median charges of the patients that the fold's model was fitted on, US dollars."""
    true_score: Floats
    """Percentile (0–100) of `charges` among the charges that the fold's model was fitted on."""
    risk_score: Floats
    """Percentile (0–100) of `predicted` among the same charges."""
    baseline_score: Floats


def percentile(reference: Floats, values: Floats) -> Floats:
    """The percentile (0–100) of each value among the reference's, which are sorted ascending and not empty.

    The mean of the shares below the value and not above it, so that of many patients who cost nothing each stands in
    the middle of them (`scipy.stats.percentileofscore(kind="mean")`).
    """
    below = np.searchsorted(reference, values, side="left")
    not_above = np.searchsorted(reference, values, side="right")
    scores: Floats = 50.0 * (below + not_above) / len(reference)
    return scores


def metrics(out_of_fold: OutOfFold, *, policy: Policy) -> dict[str, float]:
    """Metrics by name; dollars for charges, points (0–100) for risk scores.

    Both scores of a patient are percentiles among the charges of the fold's training part. The whole population would
    flatter: the patient's own cost, which a model never has when it scores, would be on the scale. The baselines say
    what the median of the training part, a model of nothing, would reach.
    """
    o = out_of_fold
    return {
        "r2_charges": r_squared(o.charges, o.predicted),
        "mae_charges": mean_absolute_error(o.charges, o.predicted),
        "rmse_charges": float(np.sqrt(np.mean((o.charges - o.predicted) ** 2))),
        "predictive_ratio": float(o.predicted.sum() / o.charges.sum()),
        "risk_score_r2": r_squared(o.true_score, o.risk_score),
        "risk_score_mae": mean_absolute_error(o.true_score, o.risk_score),
        "high_risk_recall": high_risk_recall(o, share=policy.promotion.high_risk_share),
        "interval_coverage": interval_coverage(o, coverage=policy.training.interval_coverage),
        "baseline_mae_charges": mean_absolute_error(o.charges, o.baseline),
        "baseline_risk_score_mae": mean_absolute_error(o.true_score, o.baseline_score),
    }


def r_squared(actual: Floats, predicted: Floats) -> float:
    """Coefficient of determination: 1 is exact, 0 is the mean of `actual`. NaN where `actual` is constant."""
    total = float(np.sum((actual - actual.mean()) ** 2))
    return 1.0 - float(np.sum((actual - predicted) ** 2)) / total if total > 0 else float("nan")


def mean_absolute_error(actual: Floats, predicted: Floats) -> float:
    """In the unit of the arguments."""
    return float(np.mean(np.abs(actual - predicted)))


def high_risk_count(patients: int, share: float) -> int:
    """How many patients the top share holds: rounded up, so that no population is without one."""
    return int(np.ceil(round(share * patients, 9)))


def high_risk_recall(out_of_fold: OutOfFold, *, share: float) -> float:
    """Of the top `share` by charges, the share among the model's own top `share` by risk score; chance is `share`.

    Equal scores are ordered by predicted charges (every cost above the training part's maximum scores 100), and what
    is equal then by position, which knows nothing of the label.
    """
    o = out_of_fold
    count = high_risk_count(len(o.charges), share)
    position = np.arange(len(o.charges))
    costliest = np.lexsort((position, -o.charges))[:count]
    flagged = np.lexsort((position, -o.predicted, -o.risk_score))[:count]
    return len(np.intersect1d(costliest, flagged)) / count


def residual_bounds(residuals: Floats, *, coverage: float) -> tuple[float, float]:
    """The two quantiles of `charges − predicted` (US dollars) between which the middle `coverage` of them lies."""
    tail = (1.0 - coverage) / 2.0
    lower, upper = np.quantile(residuals, (tail, 1.0 - tail))
    return float(lower), float(upper)


def interval_coverage(out_of_fold: OutOfFold, *, coverage: float) -> float:
    """Share of patients whose charges lie in the interval that the residuals of the *other* folds give."""
    residuals = out_of_fold.charges - out_of_fold.predicted
    inside = 0
    for fold in np.unique(out_of_fold.fold):
        here = out_of_fold.fold == fold
        lower, upper = residual_bounds(residuals[~here], coverage=coverage)
        inside += int(np.sum((residuals[here] >= lower) & (residuals[here] <= upper)))
    return inside / len(residuals)
