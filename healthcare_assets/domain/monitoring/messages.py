"""What an alert says. Its sentences are made of aggregates; whatever looks like a patient in one is not sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from healthcare_assets.domain.checks import Severity
from healthcare_assets.domain.identifiers import IDENTIFIER_PATTERNS, PSEUDONYM
from healthcare_assets.policy import Policy

RUN = "run"
"""The check of a job that says how its run ended."""

LONGEST_SENTENCE = 500
"""Characters. A message is read on a telephone."""
LINES_OF_A_DIGEST = 20

WITHHELD = "Details in Dagster."
"""Stands in for a sentence that may not leave the house."""

_RUNBOOK = "What to do: docs/runbook.md."
"""Its headings are the subjects."""

Urgency = Literal["success", "warning", "failure"]
"""In the words of Apprise."""

_MAY_BE_A_PATIENT = re.compile(
    "|".join([PSEUDONYM, *(IDENTIFIER_PATTERNS[kind] for kind in ("social security number", "e-mail address"))])
    + f"|{IDENTIFIER_PATTERNS['telephone number']}",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A piece of news: a check has begun to fail, or passes again."""

    subject: str
    """`asset: check`."""
    cleared: bool
    day: date | None
    severity: Severity
    description: str
    """The check's own sentence."""

    @property
    def headline(self) -> str:
        when = f" for {self.day}" if self.day else ""
        return f"{self.subject} {'cleared' if self.cleared else 'failed'}{when}"

    @property
    def urgency(self) -> Urgency:
        if self.cleared:
            return "success"
        return "warning" if self.severity == "warning" else "failure"

    @property
    def advice(self) -> str:
        """What to do."""
        asset, _, check = self.subject.partition(": ")
        if self.cleared:
            return "Nothing is to be done."
        if check == RUN:
            return f"Open the failed run of {asset} in Dagster, mend the cause, and run it again. {_RUNBOOK}"
        where = f"{asset} in Dagster{f', partition {self.day}' if self.day else ''}"
        return f"Open {where}, and look at its check {check}. {_RUNBOOK}"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent at once, and the notices that are told with it."""

    title: str
    body: str
    urgency: Urgency
    notices: tuple[Notice, ...]


def safe(sentence: str) -> str:
    """The sentence, cut to 500 characters; or a word of where to look, when something in it may be of a patient."""
    text = " ".join(sentence.split())
    if _MAY_BE_A_PATIENT.search(text):
        return WITHHELD
    return text if len(text) <= LONGEST_SENTENCE else f"{text[: LONGEST_SENTENCE - 1]}…"


def messages(notices: Sequence[Notice], *, environment: str, policy: Policy) -> tuple[Message, ...]:
    """A message a notice, or one digest of them all when there are more than `messages_at_once`."""
    if len(notices) > policy.alerts.messages_at_once:
        return (_digest(notices, environment),)
    return tuple(
        Message(
            title=f"[{environment}] {notice.headline}",
            body=f"{safe(notice.description) or WITHHELD}\n{notice.advice}",
            urgency=notice.urgency,
            notices=(notice,),
        )
        for notice in notices
    )


def _digest(notices: Sequence[Notice], environment: str) -> Message:
    worst_first: tuple[Urgency, ...] = ("failure", "warning", "success")
    ordered = sorted(notices, key=lambda notice: (worst_first.index(notice.urgency), notice.headline))
    failed = sum(not notice.cleared for notice in notices)
    lines = [f"- {notice.headline} ({notice.urgency})" for notice in ordered[:LINES_OF_A_DIGEST]]
    if len(ordered) > LINES_OF_A_DIGEST:
        lines.append(f"- and {len(ordered) - LINES_OF_A_DIGEST} more")
    return Message(
        title=f"[{environment}] {failed} checks failed, {len(notices) - failed} cleared",
        body="\n".join([*lines, "The checks' sentences are in Dagster, with their assets."]),
        urgency=ordered[0].urgency,
        notices=tuple(ordered),
    )
