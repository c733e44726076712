"""What a training says of its candidates, and of the best of them: on patients that they were not fitted on."""

from collections.abc import Callable

import numpy as np

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.figures import levels
from healthcare_assets.domain.figures.figure import NOBODY, Figure
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.monitoring.report_figures import dollars, finite, number, short_dollars
from healthcare_assets.domain.small_cells import MINIMUM_CELL, calibration_by_decile_data
from healthcare_assets.domain.training import TrainedModel
from healthcare_assets.policy import Policy

TOLD = (
    *("r2_charges", "mae_charges", "risk_score_r2", "risk_score_mae"),
    *("high_risk_recall", "predictive_ratio", "interval_coverage"),
)
"""Metrics of the best candidate that are told as numbers, so that they can be followed from training to training."""


def metrics_of(trained: TrainedModel) -> dict[str, float]:
    """The best candidate's overall metrics, out of fold; without those that are not known."""
    found = {name: trained.metrics[name].value for name in TOLD if name in trained.metrics}
    return {name: value for name, value in found.items() if finite(value) is not None}


def candidate_figures(trained: TrainedModel, *, policy: Policy) -> dict[str, Figure]:
    """By name: R² of the charges, by which the best is chosen, and the risk score's R² and error over their limits."""
    rules = policy.promotion
    return {
        "r2_of_charges": _candidates(trained, "r2_charges", "R² of yearly charges", number, limit=None),
        "r2_of_risk_score": _candidates(
            trained, "risk_score_r2", "R² of the risk score", number, limit=rules.risk_score_r2_minimum
        ),
        "error_of_risk_score": _candidates(
            trained,
            "risk_score_mae",
            "Mean absolute error of the risk score (points)",
            number,
            limit=rules.risk_score_mae_maximum,
        ),
    }


def calibration_figure(trained: TrainedModel) -> Figure | None:
    """Mean predicted and actual charges by tenth of the prediction; None of too few patients."""
    out_of_fold = trained.out_of_fold
    deciles = calibration_by_decile_data(out_of_fold.charges, out_of_fold.predicted)
    if not len(deciles.predicted):
        return None
    found = [
        Level(label=f"{place + 1} of {len(deciles.predicted)}", value=float(predicted), other=float(actual))
        for place, (predicted, actual) in enumerate(zip(deciles.predicted, deciles.actual, strict=True))
    ]
    height, marks = levels.drawn(found, Axis(form=dollars, tick=short_dollars))
    return Figure(
        identity="calibration",
        title="Predicted and actual charges by tenth of the prediction",
        description=f"A dot for the mean prediction and a hollow one for the mean cost, by tenth, the cheapest first. "
        f"{levels.described(found, dollars)}",
        height=height,
        marks=marks,
        head=("tenth", "predicted", "actual", "predicted ÷ actual"),
        rows=[
            (level.label, dollars(level.value), dollars(level.other), number(ratio) if np.isfinite(ratio) else NOBODY)
            for level, ratio in zip(found, deciles.ratio.tolist(), strict=True)
        ],
        said=[f"Out of fold, the cheapest tenth first; each is of at least {MINIMUM_CELL} patients."],
        legend=(("dot", "mean predicted charges"), ("dot hollow", "mean actual charges")),
    )


def _candidates(
    trained: TrainedModel, metric: str, title: str, form: Callable[[float], str], *, limit: float | None
) -> Figure:
    results = [*trained.candidates, trained.baseline]
    found = [_level(result.name, result.metrics.get(metric)) for result in results]
    height, marks = levels.drawn(found, Axis(form=form, tick=form, limit=limit))
    best = f"The best is {trained.candidate}."
    marked = () if limit is None else (("limit", "limit"),)
    bound = [] if limit is None else [f"To become champion a model must be on the right side of {form(limit)}."]
    return Figure(
        identity=metric.replace("_", "-"),
        title=title,
        description=f"A dot with its 95 % interval for each candidate, out of fold. {levels.described(found, form)}",
        height=height,
        marks=marks,
        head=("candidate", "value", "95 % interval"),
        rows=[
            (
                level.label,
                levels.written(level, form),
                NOBODY if level.lower is None or level.upper is None else f"{form(level.lower)} to {form(level.upper)}",
            )
            for level in found
        ],
        said=[" ".join([best, *bound])],
        legend=(
            ("dot", "out of fold"),
            ("line", "95 % interval"),
            *marked,
        ),
    )


def _level(name: str, found: Estimate | None) -> Level:
    if found is None or finite(found.value) is None:
        return Level(label=name, value=None)
    return Level(label=name, value=found.value, lower=finite(found.lower), upper=finite(found.upper))
