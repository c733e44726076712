"""The state of the alerts as a text that a cursor keeps. It is short: Dagster stores it anew with every tick."""

import json
from datetime import UTC, date, datetime
from typing import Any

from healthcare_assets.domain.monitoring.alerting import AlertState, Attempts, Recipient, Standing

_VERSION = 1


def text_from(state: AlertState) -> str:
    """The state as JSON, with a version."""
    return json.dumps(
        {
            "version": _VERSION,
            "looked_at": _seconds(state.looked_at),
            "checks": {name: _from_standing(standing) for name, standing in state.checks.items()},
            "recipients": {
                name: {
                    "told": sorted(recipient.told),
                    "waiting": {
                        check: [_seconds(attempts.first_at), attempts.count, _seconds(attempts.next_at)]
                        for check, attempts in recipient.waiting.items()
                    },
                }
                for name, recipient in state.recipients.items()
            },
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


def state_from(text: str | None) -> AlertState:
    """The state that the text holds. No text, or one that is damaged or of another version, is a new beginning.

    Whatever fails then is told once more: nobody knows any longer who was told of it.
    """
    try:
        kept = json.loads(text or "{}")
        if kept["version"] != _VERSION:
            return AlertState()
        return AlertState(
            checks={str(name): _standing(entry) for name, entry in kept["checks"].items()},
            recipients={
                str(name): Recipient(
                    told=frozenset(map(str, entry["told"])),
                    waiting={str(check): _attempts(attempts) for check, attempts in entry["waiting"].items()},
                )
                for name, entry in kept["recipients"].items()
            },
            looked_at=_moment(kept["looked_at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        return AlertState()


def _from_standing(standing: Standing) -> list[Any]:
    return [
        standing.day.isoformat() if standing.day else None,
        _seconds(standing.evaluated_at),
        int(standing.passed),
        standing.severity,
        *([standing.description] if standing.description else []),
    ]


def _standing(entry: Any) -> Standing:  # noqa: ANN401 - whatever JSON holds
    day, evaluated_at, passed, severity, *description = entry
    if severity not in ("warning", "error"):
        raise ValueError("unknown severity")
    return Standing(
        day=date.fromisoformat(day) if day else None,
        evaluated_at=_required(evaluated_at),
        passed=bool(passed),
        severity=severity,
        description=str(description[0]) if description else "",
    )


def _attempts(entry: Any) -> Attempts:  # noqa: ANN401 - whatever JSON holds
    first_at, count, next_at = entry
    return Attempts(first_at=_required(first_at), count=int(count), next_at=_moment(next_at))


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _moment(seconds: Any) -> datetime | None:  # noqa: ANN401 - whatever JSON holds
    return None if seconds is None else _required(seconds)


def _required(seconds: Any) -> datetime:  # noqa: ANN401 - whatever JSON holds
    return datetime.fromtimestamp(float(seconds), tz=UTC)
