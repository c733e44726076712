"""Governance: whether a model may become champion. Evidence in, a verdict out; there is no way around a criterion."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.comparison import MAE_RATIO, R2_GAIN, RECALL_RATIO
from healthcare_assets.domain.evaluation import Metrics
from healthcare_assets.domain.fairness import GroupCalibration, undecided_attributes
from healthcare_assets.domain.hipaa import REQUIRED_EVIDENCE, HipaaEvidence
from healthcare_assets.domain.leakage import Leak
from healthcare_assets.domain.small_cells import is_small
from healthcare_assets.domain.verdict import Comparison, Criterion, Verdict
from healthcare_assets.policy import POLICY, Policy

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "is": operator.eq,
}
_IN_WORDS: Mapping[Comparison, str] = {">=": "at least", "<=": "at most", ">": "over", "is": "exactly"}


@dataclass(frozen=True, kw_only=True)
class ChampionComparison:
    """The challenger against the champion, on the same held-out patients."""

    champion: str
    """Version of the champion."""
    metrics: Metrics
    """As `comparison.compare` gives them; empty where they could not be had."""
    fault: str | None = None
    """Why they could not be had."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a model. What is None or empty has not been found out, and so has not passed."""

    metrics: Metrics
    """Held-out metrics on the current patients."""
    groups: Sequence[GroupCalibration]
    leaks: Sequence[Leak] | None
    overlapping_patients: int | None
    """Patients whom the pipeline that predicts them was fitted on."""
    inference_faults: Sequence[str] | None
    """What went wrong when the model was loaded and scored on trial."""
    hipaa: Sequence[HipaaEvidence]
    against_champion: ChampionComparison | None
    """None where there is no other champion."""
    fault: str | None = None
    """Why the model could not be evaluated at all."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    label: str
    comparison: Comparison
    threshold: Callable[[Policy], float]


_ABSOLUTE = (
    _Rule(
        name="risk_score_r2",
        label="R² of the risk score",
        comparison=">=",
        threshold=lambda policy: policy.promotion.risk_score_r2_minimum,
    ),
    _Rule(
        name="risk_score_mae",
        label="Mean absolute error of the risk score",
        comparison="<=",
        threshold=lambda policy: policy.promotion.risk_score_mae_maximum,
    ),
    _Rule(
        name="high_risk_recall",
        label="High-risk recall",
        comparison=">=",
        threshold=lambda policy: policy.promotion.high_risk_recall_minimum,
    ),
)

_RELATIVE = (
    _Rule(
        name=MAE_RATIO,
        label="Mean absolute error relative to the champion's",
        comparison="<=",
        threshold=lambda policy: 1.0 + policy.promotion.worse_than_champion_maximum,
    ),
    _Rule(
        name=RECALL_RATIO,
        label="High-risk recall relative to the champion's",
        comparison=">=",
        threshold=lambda policy: 1.0 - policy.promotion.worse_than_champion_maximum,
    ),
)


def decide(evidence: Evidence, *, policy: Policy = POLICY) -> Verdict:
    """Approve a model when, and only when, it passes every criterion; what is not known has not passed."""
    criteria = tuple(_criteria(evidence, policy))
    reasons = tuple(criterion.detail for criterion in criteria if not criterion.passed)
    return Verdict(decision="rejected" if reasons else "approved", reasons=reasons, criteria=criteria)


def _criteria(evidence: Evidence, policy: Policy) -> Iterator[Criterion]:
    for rule in _ABSOLUTE:
        yield _metric(rule, evidence.metrics, policy, fault=evidence.fault)
    yield _predictive_ratio(evidence, policy)
    yield _no_bias(evidence, policy)
    leaks = evidence.leaks
    yield _none_found(
        "no_label_leakage",
        None if leaks is None else len(leaks),
        good="No feature gives the label away.",
        bad="; ".join(leak.detail.rstrip(".") for leak in leaks or ()),
        unknown="Whether a feature gives the label away could not be examined",
    )
    overlapping = evidence.overlapping_patients
    yield _none_found(
        "no_patient_overlap",
        overlapping,
        good="Nobody was judged by a model that had been fitted on them.",
        bad=f"{overlapping} patients would be judged by a model that has been fitted on them",
        unknown=evidence.fault or "Which patients the model was fitted on is not known",
    )
    faults = evidence.inference_faults
    yield _none_found(
        "inference_validated",
        None if faults is None else len(faults),
        good="Loaded from the registry, it scores as it did when it was made.",
        bad="; ".join(faults or ()),
        unknown="The model was not scored on trial",
    )
    for name in REQUIRED_EVIDENCE:
        yield _hipaa(name, evidence.hipaa)
    if evidence.against_champion is not None:
        yield _better_than_champion(evidence.against_champion)
        for rule in _RELATIVE:
            yield _metric(rule, evidence.against_champion.metrics, policy, fault=evidence.against_champion.fault)


def _metric(rule: _Rule, metrics: Metrics, policy: Policy, *, fault: str | None) -> Criterion:
    threshold = rule.threshold(policy)
    must_be = f"must be {_IN_WORDS[rule.comparison]} {threshold:g}"
    found, problem = _number(rule.name, metrics)
    if found is None:
        return Criterion(
            name=rule.name,
            value=None,
            threshold=threshold,
            comparison=rule.comparison,
            passed=False,
            detail=f"{rule.label} {problem} and {must_be}{f' ({fault})' if fault else ''}.",
        )
    return Criterion(
        name=rule.name,
        value=found.value,
        lower=_finite(found.lower),
        upper=_finite(found.upper),
        threshold=threshold,
        comparison=rule.comparison,
        passed=_COMPARE[rule.comparison](found.value, threshold),
        detail=f"{rule.label} is {_shown(found.value, beside=threshold)}{_interval(found)} and {must_be}.",
    )


def _better_than_champion(against: ChampionComparison) -> Criterion:
    """The lower end of the paired interval, and not the gain itself, has to be over 0: chance promotes nobody."""
    found, problem = _number(R2_GAIN, against.metrics)
    label = f"R² of the risk score less that of champion version {against.champion}"
    must_be = "the whole interval must lie above 0"
    if found is None:
        detail = f"{label} {problem} and {must_be}{f' ({against.fault})' if against.fault else ''}."
    else:
        detail = f"{label} is {found.value:.4f}{_interval(found)} and {must_be}."
    return Criterion(
        name=R2_GAIN,
        value=None if found is None else found.value,
        lower=None if found is None else _finite(found.lower),
        upper=None if found is None else _finite(found.upper),
        threshold=0.0,
        comparison=">",
        passed=found is not None and math.isfinite(found.lower) and found.lower > 0,
        detail=detail,
    )


def _predictive_ratio(evidence: Evidence, policy: Policy) -> Criterion:
    """How far the total is off; more than the tolerance does not do, unless chance alone may have brought it about."""
    tolerance = policy.promotion.predictive_ratio_tolerance
    found, problem = _number("predictive_ratio", evidence.metrics)
    must_be = f"must be within {tolerance:g} of 1, or its interval hold 1"
    # Rounded, since 1.02 − 1 is a little over 0.02 in binary, and the threshold itself passes.
    off = None if found is None else round(abs(found.value - 1.0), 12)
    by_chance = found is not None and -math.inf < found.lower <= 1.0 <= found.upper < math.inf
    said = problem if found is None else f"is {found.value:.4g}{_interval(found)}"
    return Criterion(
        name="predictive_ratio_off_by",
        value=off,
        threshold=tolerance,
        comparison="<=",
        passed=off is not None and (off <= tolerance or by_chance),
        detail=f"Predicted ÷ actual cost in total {said} and {must_be}.",
    )


def _no_bias(evidence: Evidence, policy: Policy) -> Criterion:
    """Passed when every group of every protected attribute has passed; what nobody can tell has not."""
    limit = policy.fairness.bias_maximum
    faults = [_group_fault(finding) for finding in evidence.groups if finding.status != "pass"]
    undecided = undecided_attributes(evidence.groups)
    faults += [f"{attribute} has fewer than two groups with patients to compare" for attribute in undecided]
    known = [abs(group.bias) for group in evidence.groups if group.bias is not None and not is_small(group.patients)]
    value = max(known) if known and len(known) == len(evidence.groups) and not undecided else None
    within = f"Predicted cost is within {limit:.0%} of actual cost in every group of sex, region and age band."
    return Criterion(
        name="no_demographic_bias",
        value=value,
        threshold=limit,
        comparison="<=",
        passed=not faults,
        detail=within if not faults else f"Bias must be at most {limit:.0%} in every group: {'; '.join(faults)}.",
    )


def _group_fault(finding: GroupCalibration) -> str:
    """The group and what is wrong with it; no figure of so few patients that it must not be published."""
    said = f"{finding.attribute} {finding.group}: {finding.status}"
    if is_small(finding.patients) or finding.bias is None or finding.lower is None or finding.upper is None:
        return said
    return f"{said} ({finding.bias:+.1%}, {finding.lower:+.1%} to {finding.upper:+.1%})"


def _none_found(name: str, count: int | None, *, good: str, bad: str, unknown: str) -> Criterion:
    """A criterion that is passed when something was looked for and not found."""
    passed = count == 0
    return Criterion(
        name=name,
        value=None if count is None else float(count),
        threshold=0.0,
        comparison="is",
        passed=passed,
        detail=good if passed else f"{unknown if count is None else bad}.",
    )


def _hipaa(name: str, items: Sequence[HipaaEvidence]) -> Criterion:
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


def _number(name: str, metrics: Mapping[str, Estimate]) -> tuple[Estimate | None, str]:
    """The metric as a finite number, or None and what is wrong with it."""
    if name not in metrics:
        return None, "is missing from the evidence"
    found = metrics[name]
    if math.isnan(found.value):
        return None, "is not a number (NaN)"
    if math.isinf(found.value):
        return None, "is infinite"
    return found, ""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _interval(found: Estimate) -> str:
    if not (math.isfinite(found.lower) and math.isfinite(found.upper)):
        return ""
    return f" (95 % interval {found.lower:.4g} to {found.upper:.4g})"


def _shown(value: float, *, beside: float) -> str:
    """Four digits, or all of them where four would make the value look like the threshold that it misses."""
    short = f"{value:.4g}"
    return repr(value) if short == f"{beside:.4g}" and value != beside else short
