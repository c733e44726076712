"""What the law forbids of the factors that were written, and what is wrong with them otherwise."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.pricing.age_curves import AGE_LEVELS, faults
from healthcare_assets.domain.pricing.factors import DIMENSIONS, TOBACCO_LEVELS, family_levels
from healthcare_assets.domain.pricing.law import RatingLaw

Rows = Sequence[Mapping[str, Any]]


def relativities_allowed(rows: Rows, *, law: RatingLaw) -> CheckOutcome:
    """Every relativity of the rows of `pricing_factors` is one that the law allows; the description says which is not.

    Read back from the table: whatever wrote a row, it is held to the rule.
    """
    found = [*_forbidden(rows), *_no_numbers(rows)]
    by_dimension = {
        name: {row["level"]: row["relativity"] for row in rows if row["dimension"] == name} for name in DIMENSIONS
    }
    if not found:  # no rule can be held against what is no number
        found += [f"age: {fault}" for fault in faults(by_dimension["age"], rules=law.rules)]
        found += _tobacco(by_dimension["tobacco"], law)
        found += _family(by_dimension["family"], law)
    which = law.curve.name if law.state is None else f"{law.state}, {law.curve.name}"
    good = f"All {len(rows)} relativities are within the law ({which})."
    bad = f"Relativities break the law ({'; '.join(found)}): use none of the month's factors, and look for what "
    return CheckOutcome(
        name="relativities_allowed",
        passed=not found,
        description=good if not found else f"{bad}wrote pricing_factors.",
        metadata={"factors": len(rows), "faults": len(found)},
    )


def _forbidden(rows: Rows) -> list[str]:
    names = sorted({str(row["dimension"]) for row in rows} - set(DIMENSIONS))
    return [f"a factor by {name}, which no premium may depend on (45 CFR 147.102(a))" for name in names]


def _no_numbers(rows: Rows) -> list[str]:
    return [
        f"{row['dimension']} {row['level']}: {row['relativity']} is no positive number"
        for row in rows
        if row["relativity"] is None or not 0.0 < row["relativity"] < math.inf
    ]


def _tobacco(levels: Mapping[str, float], law: RatingLaw) -> list[str]:
    if set(levels) != set(TOBACCO_LEVELS):
        return [f"tobacco: levels {', '.join(levels)} instead of {', '.join(TOBACCO_LEVELS)}"]
    ratio = levels["yes"] / levels["no"]
    if ratio <= law.tobacco_limit * (1.0 + law.rules.rounding):
        return []
    return [f"tobacco: users pay {ratio:.3f} times what others pay, over {law.tobacco_limit:g}:1"]


def _family(levels: Mapping[str, float], law: RatingLaw) -> list[str]:
    known = family_levels(law)
    if unknown := [level for level in levels if level not in known]:
        most = law.rules.rated_children_maximum
        return [f"family {', '.join(unknown)}: of more children than {most}, {most} count"]
    limits = {level: law.family(children) for children, level in enumerate(known)}
    return [
        f"family {level}: {value:.3f} is over {limits[level]:.3f}, {law.because('family')}"
        for level, value in levels.items()
        if value > limits[level] * (1.0 + law.rules.rounding)
    ]


def summary(rows: Rows) -> str:
    """Areas, tobacco and family sizes, and every tenth age, as a Markdown table."""
    shown = [row for row in rows if row["dimension"] != "age" or row["level"] in _SHOWN_AGES]
    lines = [
        f"| {row['dimension']} | {row['level']} | {_count(row['members'])} | {_dollars(row['observed_cost'])} "
        f"| {_share(row['credibility'])} | {_dollars(row['expected_cost'])} | {row['relativity']:.3f} |"
        for row in shown
    ]
    head = [
        "| by | level | members | observed | credibility | expected | relativity |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines])


_SHOWN_AGES = (AGE_LEVELS[0], "21", "30", "40", "50", "60", AGE_LEVELS[-1])


def _count(value: int | None) -> str:
    return "withheld" if value is None else f"{value:,}"


def _dollars(value: float | None) -> str:
    return "–" if value is None else f"${value:,.0f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
