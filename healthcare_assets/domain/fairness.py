"""Demographic bias: whether predicted cost matches actual cost in every group of patients.

A cost model that is calibrated on cost can still be biased on need (Obermeyer et al. 2019, Science 366:447): the recall
gap and the high-risk rate beside the bias are for the reader who asks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.evaluation import Metrics, OutOfFold
from healthcare_assets.domain.groups import PROTECTED_ATTRIBUTES
from healthcare_assets.policy import FairnessRules, Policy

GroupStatus = Literal["pass", "bias", "insufficient data", "provisional"]


@dataclass(frozen=True, kw_only=True)
class GroupCalibration:
    """How the predicted cost of one group compares with its actual cost."""

    attribute: str
    """sex, region or age_band."""
    group: str
    patients: int
    bias: float | None
    """Σ predicted ÷ Σ actual − 1; None where the group has no cost to compare with."""
    lower: float | None
    upper: float | None
    """Bootstrap 95 % interval of `bias`."""
    status: GroupStatus
    recall_gap: float | None = None
    """High-risk recall of the group less that of all patients; None where none of the costliest is in the group."""
    recall_gap_lower: float | None = None
    recall_gap_upper: float | None = None
    high_risk_rate: float | None = None
    """Share of the group with a high risk score."""
    mae_ratio: float | None = None
    """Mean absolute error of the group ÷ that of all patients."""


def calibration_by_group(
    out_of_fold: OutOfFold, metrics: Metrics, *, known_share: float, policy: Policy
) -> tuple[GroupCalibration, ...]:
    """A finding for each group of sex, region and age band that has a patient.

    `metrics` are those of `out_of_fold`; `known_share` (0–1) is the share of the patients whose costs are known.
    """
    return tuple(
        _finding(attribute, str(group), int(patients), metrics, known_share=known_share, rules=policy.fairness)
        for attribute in PROTECTED_ATTRIBUTES
        for group, patients in zip(*np.unique(out_of_fold.groups[attribute], return_counts=True), strict=True)
    )


def undecided_attributes(groups: Sequence[GroupCalibration]) -> list[str]:
    """The protected attributes of which fewer than two groups are there: nothing to be compared with."""
    return [
        attribute
        for attribute in PROTECTED_ATTRIBUTES
        if sum(finding.attribute == attribute for finding in groups) < 2  # noqa: PLR2004
    ]


def recall_gap_found(finding: GroupCalibration, *, policy: Policy) -> bool:
    """Whether the group's recall differs by more than the policy allows, and by more than chance."""
    gap, lower, upper = finding.recall_gap, finding.recall_gap_lower, finding.recall_gap_upper
    if gap is None or lower is None or upper is None:
        return False
    return abs(gap) > policy.fairness.recall_gap_maximum and (lower > 0 or upper < 0)


def _finding(  # noqa: PLR0913 - a group, what was measured, and by what it is judged
    attribute: str, group: str, patients: int, metrics: Metrics, *, known_share: float, rules: FairnessRules
) -> GroupCalibration:
    ratio = metrics[f"predictive_ratio/{attribute}/{group}"]
    gap = metrics[f"high_risk_recall_gap/{attribute}/{group}"]
    error, of_all = metrics[f"mae_charges/{attribute}/{group}"].value, metrics["mae_charges"].value
    bias, lower, upper = (_known(value - 1.0) for value in (ratio.value, ratio.lower, ratio.upper))
    return GroupCalibration(
        attribute=attribute,
        group=group,
        patients=patients,
        bias=bias,
        lower=lower,
        upper=upper,
        status=_status(patients, ratio, known_share=known_share, rules=rules),
        recall_gap=_known(gap.value),
        recall_gap_lower=_known(gap.lower),
        recall_gap_upper=_known(gap.upper),
        high_risk_rate=_known(metrics[f"high_risk_rate/{attribute}/{group}"].value),
        mae_ratio=_known(error / of_all) if of_all > 0 else None,
    )


def _status(patients: int, ratio: Estimate, *, known_share: float, rules: FairnessRules) -> GroupStatus:
    bias, lower, upper = ratio.value - 1.0, ratio.lower - 1.0, ratio.upper - 1.0
    # `not <=` and not `>`: what is not a number is not narrow.
    wide = not (upper - lower) / 2 <= rules.interval_half_width_maximum
    if patients < rules.minimum_patients or wide:
        return "insufficient data"
    if known_share < rules.known_share_minimum:
        return "provisional"
    return "bias" if abs(bias) > rules.bias_maximum and (lower > 0 or upper < 0) else "pass"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
