"""When a model is trained anew: a rule over the days that were monitored, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from healthcare_assets.policy import Policy


@dataclass(frozen=True, kw_only=True)
class MonitoredEvidence:
    """What the monitoring of one day says, as its materialisation has it."""

    day: date
    monitored_at: datetime
    model_version: str | None
    """The model that scored the day; None when none did."""
    drift: bool
    """Whether a feature, the prediction or the costs drifted; not when nobody could tell."""
    matured_mae: float | None = None
    """Mean absolute error of the risk score on the newest matured service day, in points."""
    matured_day: date | None = None
    matured_version: str | None = None
    """The model that predicted that service day."""

    def as_metadata(self) -> dict[str, str | float | bool]:
        """What of it goes with the materialisation; nothing stands for None."""
        metadata: dict[str, str | float | bool | None] = {
            "drift_alert": self.drift,
            "model_version": self.model_version,
            "risk_score_mae": self.matured_mae,
            "matured_service_date": self.matured_day.isoformat() if self.matured_day else None,
            "matured_model_version": self.matured_version,
        }
        return {name: value for name, value in metadata.items() if value is not None}


def evidence_from(metadata: Mapping[str, object], *, day: date, monitored_at: datetime) -> MonitoredEvidence:
    """The evidence as `as_metadata` wrote it."""
    error, service_day = metadata.get("risk_score_mae"), metadata.get("matured_service_date")
    version, matured_version = metadata.get("model_version"), metadata.get("matured_model_version")
    return MonitoredEvidence(
        day=day,
        monitored_at=monitored_at,
        model_version=None if version is None else str(version),
        drift=metadata.get("drift_alert") is True,
        matured_mae=float(error) if isinstance(error, int | float) else None,
        matured_day=None if service_day is None else date.fromisoformat(str(service_day)),
        matured_version=None if matured_version is None else str(matured_version),
    )


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What else is to be known before a training is asked for."""

    last_trained_at: datetime | None
    training_under_way: bool
    last_asked_for: date | None
    """The newest monitored day when retraining was last asked for."""


CauseKind = Literal["drift", "error"]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a model is to be trained anew."""

    kind: CauseKind
    day: date
    model_version: str
    sentence: str

    @property
    def key(self) -> str:
        """The same for the same cause, however often it is looked at."""
        return f"{self.kind}-version-{self.model_version}-{self.day}"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Train or wait."""

    cause: Cause | None
    why_not: str = ""


def decide(days: Sequence[MonitoredEvidence], circumstances: Circumstances, *, policy: Policy) -> Decision:
    """Whether the monitored days ask for a training. Only what is known of the model that scores now counts.

    The newest matured day's error over the limit is a cause; so is drift on at least `drift_days` of the last
    `of_last_days` days, the newest among them. No cause is answered twice: not while a training is under way, not by
    evidence from before the last training, and not during the cool-down.
    """
    newest = max(days, key=lambda evidence: evidence.day, default=None)
    if newest is None:
        return Decision(cause=None, why_not="No day has been monitored yet.")
    cause = _cause(newest, days, policy)
    if cause is None:
        return Decision(cause=None, why_not=f"The monitoring of {newest.day} gives no cause.")
    if circumstances.training_under_way:
        return Decision(cause=None, why_not="A training is under way.")
    trained_at = circumstances.last_trained_at
    if trained_at is not None and trained_at >= newest.monitored_at:
        return Decision(cause=None, why_not=f"A model has been trained since {newest.day} was monitored.")
    asked = circumstances.last_asked_for
    until = None if asked is None else asked + timedelta(days=policy.retraining.cool_down_days)
    if until is not None and newest.day < until:
        return Decision(cause=None, why_not=f"Retraining was asked for on {asked}, and is not again before {until}.")
    return Decision(cause=cause)


def _cause(newest: MonitoredEvidence, days: Sequence[MonitoredEvidence], policy: Policy) -> Cause | None:
    version = newest.model_version
    if version is None:
        return None
    limit, error = policy.promotion.risk_score_mae_maximum, newest.matured_mae
    if error is not None and error > limit and newest.matured_version == version:
        return Cause(
            kind="error",
            day=newest.day,
            model_version=version,
            sentence=f"The risk score of version {version} is {error:.1f} points off on {newest.matured_day}, "
            f"the newest service day whose costs are known; the limit is {limit:g}.",
        )
    rules = policy.retraining
    since = newest.day - timedelta(days=rules.of_last_days - 1)
    drifted = sorted(e.day for e in days if e.drift and e.model_version == version and since <= e.day)
    if not newest.drift or len(drifted) < rules.drift_days:
        return None
    return Cause(
        kind="drift",
        day=newest.day,
        model_version=version,
        sentence=f"The data drifted from what version {version} was trained on, on {len(drifted)} of the last "
        f"{rules.of_last_days} days ({', '.join(day.isoformat() for day in drifted)}).",
    )
