"""The day's checks: what monitoring found, against what limit, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from healthcare_assets.domain.checks import CheckOutcome, Severity
from healthcare_assets.domain.monitoring.findings import ALL, DriftStatistic, Performance
from healthcare_assets.domain.monitoring.performance import EVERYBODY, newest_matured
from healthcare_assets.domain.reference import PREDICTED_CHARGES
from healthcare_assets.domain.small_cells import counted, is_small
from healthcare_assets.policy import Policy

DELIVERED_CHARGES = "charges"
"""Costs that came with the day's records."""
OBSERVED_CHARGES = "observed_charges"
"""Costs of earlier service days that became known on the day."""
_COSTS = (DELIVERED_CHARGES, OBSERVED_CHARGES)

INSUFFICIENT = "insufficient data"
DRIFT_CHECKS = ("feature_drift", "prediction_drift", "outcome_drift")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What there is to judge of a day."""

    day: date
    model_version: str | None
    """The model that scored the day, else the champion; None when there is neither."""
    without_reference: str | None
    """Why nothing can be compared, with the next step; None when it can."""
    predictions: int
    drift: Sequence[DriftStatistic]
    performance: Sequence[Performance]


def day_checks(seen: Seen, *, policy: Policy) -> tuple[CheckOutcome, ...]:
    """The outcome of every check of monitoring, each with its `status` in the metadata.

    What cannot be told for want of data says so: as a failure where the day itself lacks what has to be there, and as
    a pass where it only has to be waited for.
    """
    features = [found for found in seen.drift if found.column not in (*_COSTS, PREDICTED_CHARGES, ALL)]
    predicted = [found for found in seen.drift if found.column == PREDICTED_CHARGES]
    costs = [found for found in seen.drift if found.column in _COSTS]
    return (
        _drift("feature_drift", "the features", features, seen),
        _drift("prediction_drift", "the predicted charges", predicted, seen),
        _outcome_drift(costs, seen),
        _risk_score_error(seen, policy),
        _prediction_volume(seen, policy),
        _demographic_bias(seen, policy),
        _outcomes_overdue(seen, policy),
    )


def drift_alert(checks: Sequence[CheckOutcome]) -> bool:
    """Whether the day drifted; not when nobody could tell."""
    return any(c.name in DRIFT_CHECKS and c.metadata["status"] == "failed" for c in checks)


def _drift(name: str, what: str, found: Sequence[DriftStatistic], seen: Seen) -> CheckOutcome:
    if seen.without_reference is not None:
        return _outcome(name, INSUFFICIENT, seen.without_reference, passed=False, severity="warning")
    alerts = [statistic for statistic in found if statistic.alert]
    if not alerts and all(statistic.n_current == 0 for statistic in found):
        sentence = (
            f"{seen.day} has no rows from which to tell whether {what} drifted: materialise the day from "
            "bronze_patients to predictions, then drift_report again."
        )
        return _outcome(name, INSUFFICIENT, sentence, passed=False, severity="warning")
    if not alerts:
        rows, columns = max(statistic.n_current for statistic in found), len({s.column for s in found})
        sentence = (
            f"{what[0].upper()}{what[1:]} of {counted(rows)} patients ({columns} column{'s' if columns > 1 else ''}) "
            f"are as version {seen.model_version} was trained on."
        )
        return _outcome(name, "passed", sentence, severity="warning")
    sentence = (
        f"On {seen.day} {what} differ from what version {seen.model_version} was trained on: {_named(alerts)}. "
        "Investigate the day's delivery (the report shows the distributions); if it is right, a retraining is due."
    )
    columns = len({statistic.column for statistic in alerts})
    return _outcome(name, "failed", sentence, passed=False, severity="warning", columns=columns)


def _named(alerts: Sequence[DriftStatistic], most: int = 6) -> str:
    """The alerts in words, the columns furthest over their limit first."""

    def beyond(statistic: DriftStatistic) -> float:
        return abs(statistic.value or 0.0) / statistic.threshold if statistic.threshold else float("inf")

    by_column: dict[str, list[str]] = {}
    for statistic in sorted(alerts, key=beyond, reverse=True):
        limit = "" if statistic.threshold is None else f" (limit {statistic.threshold:.3g})"
        by_column.setdefault(statistic.column, []).append(f"{statistic.statistic}{_figure(statistic)}{limit}")
    named = [f"{column} by {', '.join(figures)}" for column, figures in by_column.items()]
    rest = len(named) - most
    return "; ".join(named[:most]) + (f"; and {rest} more" if rest > 0 else "")


def _figure(statistic: DriftStatistic) -> str:
    """The value, but where it stands for a few patients."""
    if statistic.value is None:
        return ""
    shares = {"null_rate", "new_categories"}
    few = statistic.statistic in shares and is_small(round(statistic.value * statistic.n_current))
    return "" if few or is_small(statistic.n_current) else f" {statistic.value:.3g}"


def _outcome_drift(costs: Sequence[DriftStatistic], seen: Seen) -> CheckOutcome:
    known = [statistic for statistic in costs if statistic.n_current > 0]
    if seen.without_reference is None and not known:
        # A day on which no bill arrives is a day like any other; that too few arrive is `outcomes_overdue`.
        sentence = f"No cost came with the records of {seen.day} or became known on it: nothing to compare."
        return _outcome("outcome_drift", INSUFFICIENT, sentence, severity="warning")
    return _drift("outcome_drift", "the costs", known, seen)


def _risk_score_error(seen: Seen, policy: Policy) -> CheckOutcome:
    name, limit = "risk_score_error", policy.promotion.risk_score_mae_maximum
    newest = newest_matured(seen.performance, policy=policy)
    if newest is None or newest.risk_score_mae is None:
        known = sum(found.outcomes for found in seen.performance if found.scope == "service day")
        sentence = (
            f"The costs of no service day have matured yet ({counted(known)} known so far): "
            "how far off the risk score is cannot be told before they have."
        )
        return _outcome(name, "provisional", sentence)
    of = f"the newest service day{'s' if newest.scope == 'window' else ''} whose costs are known"
    what = (
        f"The risk score of version {newest.model_version} is {newest.risk_score_mae:.1f} points off "
        f"({newest.outcomes:,} outcomes up to {newest.service_date}, {of}); the limit is {limit:g}"
    )
    if newest.risk_score_mae <= limit:
        return _outcome(name, "passed", f"{what}.", mae=newest.risk_score_mae)
    return _outcome(
        name, "failed", f"{what}: the model no longer holds, train it anew.", passed=False, mae=newest.risk_score_mae
    )


def _prediction_volume(seen: Seen, policy: Policy) -> CheckOutcome:
    limit = policy.data.low_volume_below
    what = f"{seen.day} has {counted(seen.predictions)} predictions"
    if seen.predictions >= limit:
        return _outcome("prediction_volume", "passed", f"{what}; at least {limit} are expected.", rows=seen.predictions)
    return _outcome(
        "prediction_volume",
        "failed",
        f"{what}, and at least {limit} are expected: check the pipeline, from the source's delivery to predictions.",
        passed=False,
        rows=seen.predictions,
    )


def _demographic_bias(seen: Seen, policy: Policy) -> CheckOutcome:
    name, limit = "demographic_bias", policy.fairness.bias_maximum
    groups = [found for found in seen.performance if found.scope == "window" and found.attribute != EVERYBODY]
    told = [group for group in groups if group.status == "matured"]
    if not groups:
        return _outcome(name, "provisional", "The costs of no service day have matured yet: bias cannot be told.")
    if not told:
        sentence = f"None of {len(groups)} groups has enough known costs to tell whether its predictions are biased."
        return _outcome(name, INSUFFICIENT, sentence)
    biased = [group for group in told if group.biased]
    if not biased:
        sentence = (
            f"The predicted costs of {len(told)} groups of patients are within {limit:.0%} of the actual ones, "
            "or no further from them than chance explains."
        )
        unclear = len(groups) - len(told)
        more = f" For {unclear} more there are too few." if unclear else ""
        return _outcome(name, "passed", sentence + more)
    named = ", ".join(
        f"{group.attribute} {group.group} {(group.predictive_ratio or 0) - 1:+.0%}"
        for group in sorted(biased, key=lambda group: -abs((group.predictive_ratio or 0) - 1))
    )
    return _outcome(
        name,
        "failed",
        f"The predicted costs are off by more than {limit:.0%}, and by more than chance, for {named} (service days up "
        f"to {biased[0].service_date}, version {biased[0].model_version}): have the model reviewed.",
        passed=False,
        groups=len(biased),
    )


def _outcomes_overdue(seen: Seen, policy: Policy) -> CheckOutcome:
    name, rules = "outcomes_overdue", policy.monitoring
    days = [found for found in seen.performance if found.scope == "service day"]
    late = [found for found in days if found.status == "overdue"]
    if not late:
        waiting = sum(found.predictions - found.outcomes for found in days)
        return _outcome(
            name,
            "passed",
            f"No costs are overdue ({rules.outcomes_due_days} days after the service); {counted(waiting)} are awaited.",
            severity="warning",
        )
    missing = sum(found.predictions - found.outcomes for found in late)
    first, last = min(found.service_date for found in late), max(found.service_date for found in late)
    when = f"{first}" if first == last else f"{len(late)} service days from {first} to {last}"
    return _outcome(
        name,
        "failed",
        f"{counted(missing)} costs of {when} are not known {rules.outcomes_due_days} days after the service: ask "
        "whoever delivers the outcomes (HEALTHCARE_OUTCOMES), then materialise observed_outcomes.",
        passed=False,
        severity="warning",
        missing=missing,
    )


def _outcome(
    name: str,
    status: str,
    description: str,
    *,
    passed: bool = True,
    severity: Severity = "error",
    **metadata: float,
) -> CheckOutcome:
    return CheckOutcome(
        name=name,
        passed=passed,
        description=description,
        severity=severity,
        metadata={"status": status, **metadata},
    )
