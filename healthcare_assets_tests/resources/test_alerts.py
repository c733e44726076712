"""Messages on their way: to a real server, to one that refuses, to none."""

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from healthcare_assets.domain.monitoring.alerting import AlertState, Evaluation, addressed, observed, unheard
from healthcare_assets.domain.monitoring.messages import Message
from healthcare_assets.resources.alerts import AlertChannel, LogChannel, channels_for
from healthcare_assets.steps.alerts import Told, tell
from healthcare_assets_tests.loopback import Answer, refusing, serving

START = datetime(2026, 1, 6, 6, tzinfo=UTC)
MESSAGE = Message(title="[local] a: b failed", body="Why.\nWhat to do.", urgency="failure", notices=())
SECRET = "hunter2"  # noqa: S105 - nobody's


class Inbox:
    """A receiver that keeps what it gets, and may refuse it."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[dict[str, Any]] = []

    def __call__(self, method: str, path: str, body: Any) -> Answer:
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.got.append(body)
        return status, {}

    @property
    def titles(self) -> list[str]:
        return [body["title"] for body in self.got]


def failed(*checks: str) -> AlertState:
    """A state in which these checks have begun to fail."""
    evaluations = [
        Evaluation(
            asset="report",
            check=check,
            day=date(2026, 1, 6),
            passed=False,
            severity="error",
            description="Half of them.",
            evaluated_at=START,
        )
        for check in checks
    ]
    return observed(AlertState(), evaluations, watched={evaluation.subject for evaluation in evaluations})


def told(state: AlertState, *urls: str, seconds: float = 0) -> Told:
    channels = channels_for(urls, write=pytest.fail)
    state = addressed(state, [channel.digest for channel in channels])
    return tell(state, channels, environment="local", moment=START + timedelta(seconds=seconds))


def test_a_message_arrives_with_its_title_body_and_urgency() -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        assert AlertChannel(f"json://127.0.0.1:{port}/", position=1).send(MESSAGE).delivered
    [got] = inbox.got
    assert (got["title"], got["message"], got["type"]) == (MESSAGE.title, MESSAGE.body, "failure")


def test_a_refused_connection_is_tried_again_and_told_once() -> None:
    inbox = Inbox()
    with refusing() as port:
        first = told(failed("a"), f"json://127.0.0.1:{port}/")
    assert (first.delivered, unheard(first.state)) == (0, 1)
    assert first.troubles == ("URL 1 of HEALTHCARE_ALERT_URLS could not be reached, or did not answer in time.",)
    with serving(inbox) as port:
        url = f"json://127.0.0.1:{port}/"
        [old], [new] = first.state.recipients, [channel.digest for channel in channels_for((url,), write=pytest.fail)]
        # The server has come up at another port; for the state it is the same recipient.
        state = AlertState(checks=first.state.checks, recipients={new: first.state.recipients[old]})
        assert told(state, url, seconds=59).delivered == 0
        second = told(state, url, seconds=60)
        third = told(second.state, url, seconds=9000)
    assert (second.delivered, unheard(second.state), third.delivered) == (1, 0, 0)
    assert inbox.titles == ["[local] report: a failed for 2026-01-06"]


def test_who_has_got_it_does_not_get_it_again_while_another_is_down() -> None:
    well, ill = Inbox(), Inbox(500, 500)
    with serving(well) as one, serving(ill) as two:
        urls = (f"json://127.0.0.1:{one}/", f"json://127.0.0.1:{two}/?+token={SECRET}")
        first = told(failed("a"), *urls)
        assert first.troubles == ("URL 2 of HEALTHCARE_ALERT_URLS answered 500.",)
        second = told(first.state, *urls, seconds=60)
        third = told(second.state, *urls, seconds=180)
    assert (first.delivered, second.delivered, third.delivered) == (1, 0, 1)
    assert well.titles == ill.titles == ["[local] report: a failed for 2026-01-06"]


def test_a_message_that_is_refused_does_not_hold_up_the_others_for_long() -> None:
    inbox = Inbox(400, 200, 200)
    with serving(inbox) as port:
        url = f"json://127.0.0.1:{port}/"
        first = told(failed("a", "b", "c"), url)
        second = told(first.state, url, seconds=1)
    assert (first.delivered, second.delivered, unheard(second.state)) == (0, 2, 1)
    assert sorted(inbox.titles) == [f"[local] report: {check} failed for 2026-01-06" for check in "bc"]


def test_many_come_as_one_message() -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        after = told(failed(*"abcdef"), f"json://127.0.0.1:{port}/")
    assert inbox.titles == ["[local] 6 checks failed, 0 cleared"]
    assert after.delivered == 1


@pytest.mark.parametrize(
    "url", [f"nosuch://{SECRET}@host/", f"json://{SECRET}@", SECRET, "https://", f"slack://{SECRET}/x"]
)
def test_a_wrong_url_is_one_sentence_that_says_which_and_not_what(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    delivery = AlertChannel(url, position=3).send(MESSAGE)
    assert not delivery.delivered
    assert delivery.reason.startswith("URL 3 of HEALTHCARE_ALERT_URLS is none that Apprise can use")
    assert SECRET not in delivery.reason + caplog.text


def test_no_secret_shows_when_a_server_is_down(caplog: pytest.LogCaptureFixture) -> None:
    with refusing() as port:
        channel = AlertChannel(f"json://ann:{SECRET}@127.0.0.1:{port}/{SECRET}?+key={SECRET}", position=1)
        delivery = channel.send(MESSAGE)
    assert SECRET not in delivery.reason + channel.name + channel.digest
    assert not [record for record in caplog.records if record.name.startswith("apprise")]
    after = told(failed("a"), f"json://{SECRET}@127.0.0.1:{port}/")
    assert SECRET not in repr(after)


def test_a_service_that_breaks_is_an_undelivered_message(monkeypatch: pytest.MonkeyPatch) -> None:
    import apprise

    def broken(self: Any, *_: Any, **__: Any) -> bool:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(apprise.Apprise, "notify", broken)
    delivery = AlertChannel("json://127.0.0.1/", position=1).send(MESSAGE)
    assert delivery.reason == "URL 1 of HEALTHCARE_ALERT_URLS failed with RuntimeError."


def test_a_url_waits_a_few_seconds_at_most() -> None:
    channel = AlertChannel("json://127.0.0.1/?cto=900&rto=900", position=1)
    assert channel._service is not None
    assert channel._service.request_timeout == (5.0, 5.0)


def test_a_tick_ends_before_dagster_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("healthcare_assets.steps.alerts.monotonic", lambda: next(clock))
    inbox = Inbox()
    with serving(inbox) as port:
        url = f"json://127.0.0.1:{port}/"
        first = told(failed(*"abcde"), url)
        assert (first.delivered, unheard(first.state)) == (3, 2)
        second = told(first.state, url)
    assert (second.delivered, unheard(second.state)) == (2, 0)
    assert len(set(inbox.titles)) == 5


def test_without_a_url_the_log_is_told() -> None:
    written: list[str] = []
    [channel] = channels_for((), write=written.append)
    assert isinstance(channel, LogChannel)
    state = addressed(failed("a"), [channel.digest])
    after = tell(state, [channel], environment="local", moment=START)
    again = tell(after.state, [channel], environment="local", moment=START)
    assert (after.delivered, again.delivered) == (1, 0)
    [text] = written
    assert text.startswith("[local] report: a failed for 2026-01-06\nHalf of them.\nOpen report in Dagster")


def test_the_same_url_twice_is_one_recipient() -> None:
    channels = channels_for(("json://a/", "json://b/", "json://a/"), write=pytest.fail)
    assert [channel.name for channel in channels] == [
        "URL 1 of HEALTHCARE_ALERT_URLS",
        "URL 2 of HEALTHCARE_ALERT_URLS",
    ]


def test_what_is_given_up_is_said_with_its_headline() -> None:
    with refusing() as port:
        url = f"json://127.0.0.1:{port}/"
        first = told(failed("a"), url)
        last = told(first.state, url, seconds=24 * 3600)
    assert first.given_up == ()
    [sentence] = last.given_up
    assert sentence.startswith("Given up telling URL 1 of HEALTHCARE_ALERT_URLS: report: a failed for 2026-01-06.")
