"""Whom to tell what: a table of cases, and what holds whatever happens."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.monitoring.alert_state import state_from, text_from
from healthcare_assets.domain.monitoring.alerting import (
    AlertState,
    Evaluation,
    addressed,
    delivered,
    due,
    failing,
    observed,
    undelivered,
    unheard,
)
from healthcare_assets.domain.monitoring.messages import WITHHELD, Notice, messages, safe
from healthcare_assets.policy import POLICY

START = datetime(2026, 1, 6, 6, tzinfo=UTC)
CHECK = "drift_report: feature_drift"
ANN = "ann"


def said(day: int | None, outcome: str, *, minute: int = 0, check: str = "feature_drift") -> Evaluation:
    """An evaluation of the day of January, made at that minute."""
    return Evaluation(
        asset="drift_report",
        check=check,
        day=None if day is None else date(2026, 1, day),
        passed=outcome == "pass",
        severity="warning" if outcome == "warn" else "error",
        description=f"The sentence of {day}: {outcome}.",
        evaluated_at=START + timedelta(minutes=minute),
    )


def look(state: AlertState, *evaluations: Evaluation) -> tuple[AlertState, list[str]]:
    """One look at which everything due is delivered; returns the headlines."""
    watched = {evaluation.subject for evaluation in evaluations} | state.checks.keys()
    state = observed(state, evaluations, watched=watched)
    notices = due(state, ANN, START)
    return delivered(state, ANN, notices), [notice.headline.removeprefix(f"{CHECK} ") for notice in notices]


def begun() -> AlertState:
    return addressed(AlertState(), [ANN])


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        pytest.param([[said(6, "pass")]], [[]], id="a check that passes is no news"),
        pytest.param([[said(6, "fail")], []], [["failed for 2026-01-06"], []], id="told once"),
        pytest.param(
            [[said(6, "fail")], [said(7, "fail", minute=1)], [said(8, "warn", minute=2)]],
            [["failed for 2026-01-06"], [], []],
            id="it goes on failing",
        ),
        pytest.param(
            [[said(6, "fail")], [said(6, "fail", minute=1)]],
            [["failed for 2026-01-06"], []],
            id="the same day evaluated again",
        ),
        pytest.param(
            [[said(6, "fail")], [said(6, "pass", minute=1)]],
            [["failed for 2026-01-06"], ["cleared for 2026-01-06"]],
            id="the same day mended",
        ),
        pytest.param(
            [[said(6, "fail")], [said(7, "pass", minute=1)], [said(8, "fail", minute=2)]],
            [["failed for 2026-01-06"], ["cleared for 2026-01-07"], ["failed for 2026-01-08"]],
            id="well, and ill again",
        ),
        pytest.param(
            [[said(6, "pass")], [said(3, "fail", minute=1), said(5, "fail", minute=2)]],
            [[], []],
            id="a backfill of older days fails",
        ),
        pytest.param(
            [[said(6, "fail")], [said(5, "pass", minute=1)]],
            [["failed for 2026-01-06"], []],
            id="a backfill of older days passes",
        ),
        pytest.param([[said(6, "fail"), said(7, "pass", minute=1)]], [[]], id="over before anybody looked"),
        pytest.param(
            [[said(6, "fail")], [said(7, "pass", minute=1), said(8, "fail", minute=2)]],
            [["failed for 2026-01-06"], []],
            id="well and ill again before anybody looked",
        ),
        pytest.param(
            [[said(7, "fail", minute=1), said(6, "pass", minute=5)]],
            [["failed for 2026-01-07"]],
            id="in whatever order",
        ),
        pytest.param(
            [[said(6, "pass", minute=5)], [said(6, "fail", minute=1)]], [[], []], id="an earlier word on the same day"
        ),
        pytest.param(
            [[said(6, "pass")], [said(None, "fail", minute=9)]], [[], []], id="a backfill that records no day"
        ),
        pytest.param(
            [[said(None, "fail")], [said(None, "pass", minute=1)]], [["failed"], ["cleared"]], id="a check without days"
        ),
    ],
)
def test_what_is_told(looks: Sequence[Sequence[Evaluation]], told: list[list[str]]) -> None:
    state, heard = begun(), []
    for evaluations in looks:
        state, headlines = look(state_from(text_from(state)), *evaluations)
        heard.append(headlines)
    assert heard == told


def test_a_new_recipient_is_told_what_fails_now_and_the_old_one_not_again() -> None:
    state, _ = look(begun(), said(6, "fail"), said(6, "pass", check="prediction_drift"))
    state = addressed(state, [ANN, "bob"])
    assert due(state, ANN, START) == ()
    assert [notice.subject for notice in due(state, "bob", START)] == [CHECK]


def test_a_check_that_is_watched_no_longer_is_forgotten() -> None:
    state, _ = look(begun(), said(6, "fail"))
    state = observed(state, [said(7, "pass", minute=1)], watched=())
    assert (due(state, ANN, START), failing(state), state.recipients[ANN].told) == ((), (), frozenset())


def test_what_does_not_get_through_is_tried_ever_more_rarely_for_a_day() -> None:
    state = observed(begun(), [said(6, "fail")], watched=[CHECK])
    moment, attempts = START, []
    lost: tuple[Notice, ...] = ()
    while not lost:
        notices = due(state, ANN, moment)
        assert len(notices) == 1
        attempts.append((moment - START).total_seconds())
        state, lost = undelivered(state, ANN, notices, moment, policy=POLICY)
        state = state_from(text_from(state))
        step = state.recipients[ANN].waiting[CHECK].next_at
        if step is not None:
            assert due(state, ANN, step - timedelta(seconds=1)) == ()
            moment = step
    waits = [later - earlier for earlier, later in pairwise(attempts)]
    assert waits[:7] == [60, 120, 240, 480, 960, 1920, 3600]
    assert set(waits[7:]) == {3600}
    assert 24 * 3600 <= attempts[-1] < 25 * 3600
    assert (unheard(state), due(state, ANN, moment + timedelta(days=9))) == (0, ())
    # What was given up stays unsaid until there is other news.
    state, headlines = look(state, said(7, "pass", minute=1))
    assert headlines == []
    state, headlines = look(state, said(8, "fail", minute=2))
    assert headlines == ["failed for 2026-01-08"]


def test_what_is_over_before_it_got_through_is_no_news() -> None:
    state = observed(begun(), [said(6, "fail")], watched=[CHECK])
    state, _ = undelivered(state, ANN, due(state, ANN, START), START, policy=POLICY)
    state = observed(state, [said(7, "pass", minute=1)], watched=[CHECK])
    assert due(state, ANN, START + timedelta(days=1)) == ()
    assert unheard(state) == 0


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not JSON",
        "[]",
        "7",
        '{"version":1}',
        '{"version":2,"checks":{},"recipients":{},"looked_at":null}',
        '{"version":1,"checks":{"a: b":["no date",1,0,"error"]},"recipients":{},"looked_at":null}',
        '{"version":1,"checks":{"a: b":[null,1,0,"shrug"]},"recipients":{},"looked_at":null}',
        '{"version":1,"checks":{},"recipients":{"x":{"told":3,"waiting":{}}},"looked_at":null}',
        '{"version":1,"checks":{},"recipients":{},"looked_at":1e300}',
    ],
)
def test_a_damaged_state_is_a_new_beginning(text: str | None) -> None:
    assert state_from(text) == AlertState()


@given(st.text())
def test_no_text_upsets_it(text: str) -> None:
    assert isinstance(state_from(text), AlertState)


_EVALUATIONS = st.lists(
    st.builds(
        said,
        st.none() | st.integers(1, 5),
        st.sampled_from(["pass", "fail", "warn"]),
        minute=st.integers(0, 20),
        check=st.sampled_from(["a", "b", "c"]),
    ),
    max_size=4,
)


@given(st.lists(st.tuples(_EVALUATIONS, st.booleans()), max_size=12))
def test_nobody_hears_the_same_twice_and_in_the_end_everybody_knows_what_is(
    ticks: list[tuple[list[Evaluation], bool]],
) -> None:
    heard: list[Notice] = []
    state, watched = begun(), ["drift_report: a", "drift_report: b", "drift_report: c"]
    transitions, before = 0, dict.fromkeys(watched, True)
    for number, (evaluations, gets_through) in enumerate([*ticks, ([], True)]):
        moment = START + timedelta(hours=2 * number)
        state = observed(state_from(text_from(state)), evaluations, watched=watched)
        now = {name: name not in failing(state) for name in watched}
        transitions += sum(before[name] != now[name] for name in watched)
        before = now
        notices = due(state, ANN, moment)
        if gets_through:
            heard += notices
            state = delivered(state, ANN, notices)
        else:
            state, _ = undelivered(state, ANN, notices, moment, policy=POLICY)
    for name in watched:
        of_it = [notice.cleared for notice in heard if notice.subject == name]
        assert of_it == [number % 2 == 1 for number in range(len(of_it))]
    assert len(heard) <= transitions
    # Two hours between looks are more than the longest wait: only what was given up may still be unsaid.
    given_up = {name for name, attempts in state.recipients[ANN].waiting.items() if attempts.next_at is None}
    assert state.recipients[ANN].told - given_up == set(failing(state)) - given_up


@given(_EVALUATIONS, _EVALUATIONS)
def test_the_text_holds_the_whole_state(first: list[Evaluation], second: list[Evaluation]) -> None:
    watched = {evaluation.subject for evaluation in [*first, *second]}
    state = observed(begun(), first, watched=watched)
    state, _ = undelivered(state, ANN, due(state, ANN, START), START, policy=POLICY)
    state = observed(addressed(state, [ANN, "bob"]), second, watched=watched)
    assert state_from(text_from(state)) == state


def notice(number: int = 0, *, cleared: bool = False, description: str = "Half of them.", day: int = 6) -> Notice:
    return Notice(
        subject=f"{CHECK}{number or ''}",
        cleared=cleared,
        day=date(2026, 1, day),
        severity="warning",
        description=description,
    )


def test_a_message_names_place_check_day_cause_and_next_step() -> None:
    [message] = messages([notice()], environment="prod", policy=POLICY)
    assert message.title == "[prod] drift_report: feature_drift failed for 2026-01-06"
    assert message.body == (
        "Half of them.\nOpen drift_report in Dagster, partition 2026-01-06, and look at its check feature_drift. "
        "What to do: docs/runbook.md."
    )
    assert message.urgency == "warning"
    [message] = messages([notice(cleared=True)], environment="prod", policy=POLICY)
    assert message.title == "[prod] drift_report: feature_drift cleared for 2026-01-06"
    assert message.urgency == "success"


def test_more_than_five_come_as_one() -> None:
    five = [notice(number, cleared=number == 3) for number in range(5)]
    assert len(messages(five, environment="prod", policy=POLICY)) == 5
    [digest] = messages([*five, notice(6)], environment="prod", policy=POLICY)
    assert digest.title == "[prod] 5 checks failed, 1 cleared"
    assert digest.urgency == "warning"
    assert all(part.headline in digest.body for part in [*five, notice(6)])
    assert len(digest.notices) == 6
    [many] = messages([notice(number) for number in range(1000)], environment="prod", policy=POLICY)
    assert len(many.body) < 3000
    assert "and 980 more" in many.body
    assert len(many.notices) == 1000


@pytest.mark.parametrize(
    "leak",
    [
        "0123456789abcdef0123456789abcdef",
        "123-45-6789",
        "jane.doe@example.org",
        "(555) 123-4567",
        "+1 555 123 4567",
        "555-123-4567",
    ],
)
def test_nothing_that_may_be_of_a_patient_is_sent(leak: str) -> None:
    for sentence in (f"Record {leak} is late.", f"{'x ' * 300}{leak}"):
        [message] = messages([notice(description=sentence)], environment="prod", policy=POLICY)
        assert leak not in message.body + message.title
        assert message.body.startswith(WITHHELD)
        state = observed(begun(), [replace(said(6, "fail"), description=sentence)], watched=[CHECK])
        assert state.checks[CHECK].description == WITHHELD
        assert leak not in text_from(state)


@pytest.mark.parametrize(
    "sentence",
    [
        "The risk score of version 12 is 15.3 points off on 2026-01-06; the limit is 15.",
        "120 of 1338 records (9.0%) are quarantined; the limit is 10%.",
        "1338 records in, 1200 silver + 100 quarantined + 38 duplicates = 1338.",
        "Drift on 2 of the last 5 days (2026-01-05, 2026-01-06).",
    ],
)
def test_sentences_of_aggregates_go_out_as_they_are(sentence: str) -> None:
    assert safe(sentence) == sentence


def test_long_sentences_are_cut() -> None:
    assert len(safe("word " * 1000)) == 500
