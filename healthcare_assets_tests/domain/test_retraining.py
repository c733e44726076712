"""When retraining is asked for."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from healthcare_assets.domain.monitoring.retraining import Circumstances, MonitoredEvidence, decide
from healthcare_assets.policy import POLICY

FIRST = date(2026, 1, 1)
MORNING = datetime(2026, 1, 10, 6, tzinfo=UTC)
CALM = Circumstances(last_trained_at=None, training_under_way=False, last_asked_for=None)


def days(pattern: str, *, version: str = "1") -> list[MonitoredEvidence]:
    """A day a character: `x` drifted, `.` did not, `?` was not monitored."""
    return [
        MonitoredEvidence(
            day=FIRST + timedelta(days=number),
            monitored_at=MORNING + timedelta(days=number),
            model_version=version,
            drift=character == "x",
        )
        for number, character in enumerate(pattern)
        if character != "?"
    ]


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [
        ("", False),
        (".", False),
        ("x", False),
        (".x", False),
        ("xx", True),
        ("x.x", True),
        ("x...x", True),
        ("x....x", False),
        ("x???x", True),
        ("x????x", False),
        ("xx.", False),
        ("xxxx.", False),
        ("....xx", True),
        ("xxxxx", True),
    ],
)
def test_drift_on_two_of_the_last_five_days_the_newest_among_them(pattern: str, asked: bool) -> None:
    decision = decide(days(pattern), CALM, policy=POLICY)
    assert (decision.cause is not None) == asked
    assert asked or decision.why_not


def test_the_order_in_which_days_come_is_of_no_matter() -> None:
    assert decide(days("x..x")[::-1], CALM, policy=POLICY) == decide(days("x..x"), CALM, policy=POLICY)


def test_the_cause_names_the_model_and_the_days() -> None:
    cause = decide(days("x..x"), CALM, policy=POLICY).cause
    assert cause is not None
    assert cause.key == "drift-version-1-2026-01-04"
    assert "version 1" in cause.sentence
    assert "2026-01-01, 2026-01-04" in cause.sentence


def test_days_that_another_model_scored_do_not_count() -> None:
    """A new champion is not sent off for what happened to the one before."""
    [newest] = days("x", version="2")
    assert decide([*days("xx"), replace(newest, day=date(2026, 1, 3))], CALM, policy=POLICY).cause is None


@pytest.mark.parametrize(
    ("error", "of", "asked"), [(15.1, "1", True), (15.0, "1", False), (15.1, "0", False), (None, None, False)]
)
def test_the_error_of_the_newest_matured_day_over_the_limit(error: float | None, of: str | None, asked: bool) -> None:
    """Of the model that scores now: the one before it cannot be mended any more."""
    newest = replace(days("..")[-1], matured_mae=error, matured_version=of, matured_day=date(2025, 12, 1))
    decision = decide([newest], CALM, policy=POLICY)
    assert (decision.cause is not None) == asked
    if decision.cause is not None:
        assert decision.cause.kind == "error"
        assert "15.1 points" in decision.cause.sentence
        assert "2025-12-01" in decision.cause.sentence


def test_an_error_that_only_an_older_day_saw_is_no_cause() -> None:
    older, newest = days("..")
    bad = replace(older, matured_mae=20.0, matured_version="1", matured_day=FIRST)
    assert decide([bad, newest], CALM, policy=POLICY).cause is None


@pytest.mark.parametrize(
    ("circumstances", "asked", "says"),
    [
        (replace(CALM, training_under_way=True), False, "under way"),
        (replace(CALM, last_trained_at=MORNING + timedelta(days=2)), False, "trained since"),
        (replace(CALM, last_trained_at=MORNING + timedelta(hours=23)), True, ""),
        (replace(CALM, last_asked_for=date(2025, 12, 27)), False, "not again before 2026-01-03"),
        (replace(CALM, last_asked_for=date(2025, 12, 26)), True, ""),
        (replace(CALM, last_asked_for=date(2026, 1, 2)), False, "not again before 2026-01-09"),
    ],
)
def test_no_cause_is_answered_twice(circumstances: Circumstances, asked: bool, says: str) -> None:
    decision = decide(days("xx"), circumstances, policy=POLICY)
    assert (decision.cause is not None) == asked
    assert says in decision.why_not


def test_a_fortnight_of_drift_asks_once_a_cool_down() -> None:
    asked: list[date] = []
    for number in range(1, 15):
        seen = days("x" * number)
        last = asked[-1] if asked else None
        decision = decide(seen, replace(CALM, last_asked_for=last), policy=POLICY)
        if decision.cause is not None:
            asked.append(decision.cause.day)
    assert asked == [date(2026, 1, 2), date(2026, 1, 9)]


def test_without_a_model_there_is_nothing_to_train_anew() -> None:
    unscored = [replace(evidence, model_version=None) for evidence in days("xx")]
    assert decide(unscored, CALM, policy=POLICY).cause is None
