"""Whom to tell what of the checks: the difference between what is the case and what each recipient knows.

A recipient knows of the checks that it was told are failing. A check that fails and that it does not know of is news;
so is a check that it knows of and that passes. Whatever happened in between, before a message got through, is nobody's
news: a check that failed and passes again gives no message, and one that passed and fails again gives no second one.
A recipient that is new knows nothing, and is told what is failing now.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

from healthcare_assets.domain.checks import Severity
from healthcare_assets.domain.monitoring.messages import Notice, safe
from healthcare_assets.policy import Policy

Change = Literal["nothing", "failed", "cleared"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a check said of a day; or how a run of a job ended, which is a check of the job."""

    asset: str
    check: str
    day: date | None
    """None for what has no days."""
    passed: bool
    severity: Severity
    description: str
    """A sentence of aggregates."""
    evaluated_at: datetime

    @property
    def subject(self) -> str:
        return subject(self.asset, self.check)


def subject(asset: str, check: str) -> str:
    """The name of a check, unique over all assets."""
    return f"{asset}: {check}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is the case with a check: what was said last of its newest day."""

    day: date | None
    evaluated_at: datetime
    passed: bool
    severity: Severity
    description: str = ""
    """Fit to be sent; empty once nobody is to be told."""


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """A notice that did not get through to a recipient."""

    first_at: datetime
    count: int
    next_at: datetime | None
    """When it is tried again; None when it has been given up."""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """What a recipient knows, and what it could not be told yet."""

    told: frozenset[str] = frozenset()
    """Checks that it was told are failing, and not that they pass again."""
    waiting: Mapping[str, Attempts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AlertState:
    """What is carried from one look to the next. Recipients go by a digest, since their URLs hold secrets."""

    checks: Mapping[str, Standing] = field(default_factory=dict)
    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    looked_at: datetime | None = None
    """When the checks were last looked at; None for never."""


def observed(state: AlertState, evaluations: Iterable[Evaluation], *, watched: Collection[str]) -> AlertState:
    """The state after the evaluations, in whatever order they come. Checks that are not watched are forgotten.

    A check's newest day counts: an older one changes nothing, and of one day's evaluations the last one stands. What
    has no day is older than what has one: a backfill in a single run records none.
    """
    checks = {name: standing for name, standing in state.checks.items() if name in watched}
    for evaluation in sorted(evaluations, key=_age):
        known = checks.get(evaluation.subject)
        if evaluation.subject in watched and (known is None or _age(evaluation) > _age(known)):
            checks[evaluation.subject] = Standing(
                day=evaluation.day,
                evaluated_at=evaluation.evaluated_at,
                passed=evaluation.passed,
                severity=evaluation.severity,
                description=safe(evaluation.description),
            )
    return _without_the_settled(replace(state, checks=checks))


def addressed(state: AlertState, recipients: Iterable[str]) -> AlertState:
    """The state with just these recipients: new ones know nothing, and those that are gone are forgotten."""
    return replace(state, recipients={name: state.recipients.get(name, Recipient()) for name in recipients})


def at_moment(state: AlertState, moment: datetime) -> AlertState:
    """The state as it stands at this moment, which a clock that was set back may put before what the state has seen.

    Everything is looked at anew then, and what waits is due: else nobody would be told until the clock has caught up.
    """
    if state.looked_at is None or state.looked_at <= moment:
        return state
    recipients = {
        name: replace(
            recipient,
            waiting={
                check: replace(attempts, next_at=attempts.next_at and min(attempts.next_at, moment))
                for check, attempts in recipient.waiting.items()
            },
        )
        for name, recipient in state.recipients.items()
    }
    return replace(state, recipients=recipients, looked_at=None)


def due(state: AlertState, recipient: str, moment: datetime) -> tuple[Notice, ...]:
    """What the recipient is to be told at this moment, those that waited longest first."""
    waiting = state.recipients[recipient].waiting
    notices = []
    for name, standing in state.checks.items():
        change, attempts = _change(state, recipient, name), waiting.get(name)
        ready = attempts is None or (attempts.next_at is not None and attempts.next_at <= moment)
        if change != "nothing" and ready:
            notices.append(
                Notice(
                    subject=name,
                    cleared=change == "cleared",
                    day=standing.day,
                    severity=standing.severity,
                    description=standing.description,
                )
            )
    return tuple(sorted(notices, key=lambda notice: _waiting_since(waiting.get(notice.subject), moment)))


def delivered(state: AlertState, recipient: str, notices: Iterable[Notice]) -> AlertState:
    """The state once the recipient has been told."""
    old = state.recipients[recipient]
    news = {notice.subject: notice.cleared for notice in notices}
    told = (old.told - news.keys()) | {name for name, cleared in news.items() if not cleared}
    waiting = {name: attempts for name, attempts in old.waiting.items() if name not in news}
    return _without_the_settled(_with(state, recipient, Recipient(told=told, waiting=waiting)))


def undelivered(
    state: AlertState, recipient: str, notices: Iterable[Notice], moment: datetime, *, policy: Policy
) -> tuple[AlertState, tuple[Notice, ...]]:
    """The state once it could not be told, and the notices that are given up with this attempt.

    The next attempt follows after `first_retry_seconds`, then after twice as long each time, at most
    `longest_retry_seconds`, until the first attempt is `given_up_after_hours` ago.
    """
    rules, old, given_up = policy.alerts, state.recipients[recipient], []
    waiting = dict(old.waiting)
    for notice in notices:
        before = waiting.get(notice.subject)
        first_at, count = (before.first_at, before.count + 1) if before else (moment, 1)
        hopeless = moment - first_at >= timedelta(hours=rules.given_up_after_hours)
        seconds = rules.first_retry_seconds
        for _ in range(count - 1):
            seconds = min(2 * seconds, rules.longest_retry_seconds)
        next_at = None if hopeless else moment + timedelta(seconds=seconds)
        waiting[notice.subject] = Attempts(first_at=first_at, count=count, next_at=next_at)
        if hopeless:
            given_up.append(notice)
    return _with(state, recipient, replace(old, waiting=waiting)), tuple(given_up)


def failing(state: AlertState) -> tuple[str, ...]:
    """The checks that fail on their newest day."""
    return tuple(sorted(name for name, standing in state.checks.items() if not standing.passed))


def unheard(state: AlertState) -> int:
    """News, counted once a recipient, that is not told yet and not given up."""
    return sum(
        _change(state, name, check) != "nothing"
        and not (check in recipient.waiting and recipient.waiting[check].next_at is None)
        for name, recipient in state.recipients.items()
        for check in state.checks
    )


def _change(state: AlertState, recipient: str, name: str) -> Change:
    known, passed = name in state.recipients[recipient].told, state.checks[name].passed
    if known == passed:
        return "cleared" if known else "failed"
    return "nothing"


def _without_the_settled(state: AlertState) -> AlertState:
    """Drop what nobody is to be told any more: attempts overtaken by events, and sentences."""
    recipients = {
        name: Recipient(
            told=recipient.told & state.checks.keys(),
            waiting={
                check: attempts
                for check, attempts in recipient.waiting.items()
                if check in state.checks and _change(state, name, check) != "nothing"
            },
        )
        for name, recipient in state.recipients.items()
    }
    told = frozenset[str]().union(*(recipient.told for recipient in recipients.values()))
    checks = {
        name: replace(standing, description="") if standing.passed and name not in told else standing
        for name, standing in state.checks.items()
    }
    return replace(state, checks=checks, recipients=recipients)


def _with(state: AlertState, name: str, recipient: Recipient) -> AlertState:
    return replace(state, recipients={**state.recipients, name: recipient})


def _age(said: Evaluation | Standing) -> tuple[date, datetime]:
    return said.day or date.min, said.evaluated_at


def _waiting_since(attempts: Attempts | None, moment: datetime) -> datetime:
    return moment if attempts is None or attempts.next_at is None else attempts.next_at
