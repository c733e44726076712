"""Governance: whether a model may become champion. Evidence in, a verdict out; there is no way around a criterion."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from healthcare_assets.domain.hipaa import REQUIRED_EVIDENCE, HipaaEvidence
from healthcare_assets.policy import POLICY, Policy, PromotionCriteria

Comparison = Literal[">=", "<=", "is"]
Decision = Literal["approved", "rejected"]

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "is": operator.eq,
}
_IN_WORDS: Mapping[Comparison, str] = {">=": "at least", "<=": "at most", "is": "exactly"}


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One thing that a model must show, and what it did show: the fields of `tables.CRITERION_FIELDS`."""

    name: str
    value: float | None
    """None where the evidence holds no usable number."""
    threshold: float
    comparison: Comparison
    passed: bool
    detail: str
    """The finding in one plain sentence."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision on a model."""

    decision: Decision
    reasons: tuple[str, ...]
    """A sentence a failed criterion; empty when approved."""
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a model."""

    metrics: Mapping[str, float | None]
    """Out-of-fold metrics by name, as the registry holds them."""
    hipaa: Sequence[HipaaEvidence]


@dataclass(frozen=True, kw_only=True)
class _MetricRule:
    name: str
    label: str
    comparison: Comparison
    threshold: Callable[[PromotionCriteria], float]


_METRIC_RULES = (
    _MetricRule(
        name="risk_score_r2",
        label="R² of the risk score",
        comparison=">=",
        threshold=lambda promotion: promotion.risk_score_r2_minimum,
    ),
    _MetricRule(
        name="risk_score_mae",
        label="Mean absolute error of the risk score",
        comparison="<=",
        threshold=lambda promotion: promotion.risk_score_mae_maximum,
    ),
    _MetricRule(
        name="high_risk_recall",
        label="High-risk recall",
        comparison=">=",
        threshold=lambda promotion: promotion.high_risk_recall_minimum,
    ),
)


def decide(evidence: Evidence, *, policy: Policy = POLICY) -> Verdict:
    """Approve a model when, and only when, it passes every criterion; what is not known has not passed."""
    criteria = (
        *(_metric_criterion(rule, evidence.metrics, policy.promotion) for rule in _METRIC_RULES),
        *(_hipaa_criterion(name, evidence.hipaa) for name in REQUIRED_EVIDENCE),
    )
    reasons = tuple(criterion.detail for criterion in criteria if not criterion.passed)
    return Verdict(decision="rejected" if reasons else "approved", reasons=reasons, criteria=criteria)


def _metric_criterion(
    rule: _MetricRule, metrics: Mapping[str, float | None], promotion: PromotionCriteria
) -> Criterion:
    threshold = rule.threshold(promotion)
    must_be = f"must be {_IN_WORDS[rule.comparison]} {threshold:g}"
    value, fault = _number(rule.name, metrics)
    if value is None:
        return Criterion(
            name=rule.name,
            value=None,
            threshold=threshold,
            comparison=rule.comparison,
            passed=False,
            detail=f"{rule.label} {fault} and {must_be}.",
        )
    return Criterion(
        name=rule.name,
        value=value,
        threshold=threshold,
        comparison=rule.comparison,
        passed=_COMPARE[rule.comparison](value, threshold),
        detail=f"{rule.label} is {_shown(value, beside=threshold)} and {must_be}.",
    )


def _hipaa_criterion(name: str, items: Sequence[HipaaEvidence]) -> Criterion:
    """Passed when the evidence is there and every item of that name is satisfied."""
    found = [item for item in items if item.name == name]
    satisfied = bool(found) and all(item.satisfied for item in found)
    said = "; ".join(item.detail for item in found) or "this evidence is missing"
    value = (1.0 if satisfied else 0.0) if found else None
    shown = "not known" if value is None else f"{value:g}"
    return Criterion(
        name=name,
        value=value,
        threshold=1.0,
        comparison="is",
        passed=satisfied,
        detail=f"HIPAA evidence {name} is {shown} and must be exactly 1: {said}.",
    )


def _number(name: str, metrics: Mapping[str, float | None]) -> tuple[float | None, str]:
    """The metric as a finite number, or None and what is wrong with it."""
    if name not in metrics:
        return None, "is missing from the evidence"
    value = metrics[name]
    if value is None:
        return None, "is empty in the evidence"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, "is not a number in the evidence"
    if math.isnan(value):
        return None, "is not a number (NaN)"
    if math.isinf(value):
        return None, "is infinite"
    return float(value), ""


def _shown(value: float, *, beside: float) -> str:
    """Four digits, or all of them where four would make the value look like the threshold that it misses."""
    short = f"{value:.4g}"
    return repr(value) if short == f"{beside:.4g}" and value != beside else short
