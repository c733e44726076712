"""Tell each recipient what is due, within the time that a tick has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from healthcare_assets.domain.monitoring.alerting import AlertState, delivered, due, undelivered
from healthcare_assets.domain.monitoring.messages import messages
from healthcare_assets.policy import POLICY, Policy
from healthcare_assets.resources.alerts import Channel

_SECONDS = 30
"""Dagster ends a tick after a minute, and the state with it: everything would be told again."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What became of what was due."""

    state: AlertState
    delivered: int
    """Messages that got through."""
    troubles: tuple[str, ...]
    """A sentence each recipient that did not get one."""
    given_up: tuple[str, ...]
    """A sentence each notice that is not tried any more."""


def tell(
    state: AlertState, channels: Sequence[Channel], *, environment: str, moment: datetime, policy: Policy = POLICY
) -> Told:
    """Send what is due at this moment. The channels are those that the state is addressed to.

    After a message that does not get through, the recipient's other ones stay due: one that a service refuses holds
    up the others for a tick, and one that is unreachable costs a time-out a tick.
    """
    until, sent = monotonic() + _SECONDS, 0
    troubles: list[str] = []
    given_up: list[str] = []
    for channel in channels:
        for message in messages(due(state, channel.digest, moment), environment=environment, policy=policy):
            if monotonic() > until:
                break
            delivery = channel.send(message)
            if delivery.delivered:
                state, sent = delivered(state, channel.digest, message.notices), sent + 1
                continue
            state, lost = undelivered(state, channel.digest, message.notices, moment, policy=policy)
            troubles.append(delivery.reason)
            given_up += [f"Given up telling {channel.name}: {notice.headline}. {delivery.reason}" for notice in lost]
            break
    return Told(state=state, delivered=sent, troubles=tuple(troubles), given_up=tuple(given_up))
