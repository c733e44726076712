"""A verdict on a model: the decision, and every criterion with what was found beside what must be."""

from dataclasses import dataclass, replace
from typing import Literal

Comparison = Literal[">=", "<=", ">", "is"]
Decision = Literal["approved", "rejected"]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One thing that a model must show, and what it did show: the fields of `tables.CRITERION_FIELDS`."""

    name: str
    value: float | None
    """None where the evidence holds no usable number."""
    lower: float | None = None
    upper: float | None = None
    """Bootstrap 95 % interval of the value, where it has one."""
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


def refused(verdict: Verdict, reason: str) -> Verdict:
    """The verdict as a rejection, for one reason more."""
    return replace(verdict, decision="rejected", reasons=(*verdict.reasons, reason))
