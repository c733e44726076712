"""What was decided, by whom and why: verdicts, moves of the champion, and the audit trail."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from healthcare_assets.domain.audit import Verification
from healthcare_assets.domain.monitoring.report_figures import plural
from healthcare_assets.domain.monitoring.report_parts import nothing, section, tiles
from healthcare_assets.domain.page import escaped, table
from healthcare_assets.domain.site.frame import site_page

Rows = Sequence[Mapping[str, Any]]

NEWEST_ENTRIES = 100


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is on record: rows of the three tables, in any order, and what their verification found."""

    verdicts: Rows
    moves: Rows
    entries: Rows
    found: Verification
    unrecorded: Sequence[str]


def decisions_page(record: Record, *, made_at: datetime) -> str:
    verdicts, moves, entries, found = record.verdicts, record.moves, record.entries, record.found
    faults = [*found.faults, *record.unrecorded]
    return site_page(
        "decisions",
        "Decisions and their record",
        "Who or what decided what, when and why, newest first.",
        tiles(
            ("Verdicts", str(len(verdicts)), f"{sum(row['decision'] == 'approved' for row in verdicts)} approved"),
            ("Moves of the champion", str(len(moves)), "promotions and rollbacks"),
            ("Audit trail", f"{found.entries:,} entries", "whole" if not found.faults else "not whole"),
            ("Faults found", str(len(faults)), "in the trail and in what it says of the tables"),
        )
        + section("verdicts", "Verdicts on models", "", _verdicts(verdicts))
        + section("moves", "Moves of the champion", "", _moves(moves))
        + section(
            "trail",
            "Audit trail",
            f"The newest {NEWEST_ENTRIES} entries. Each bears a hash of itself and of the one before.",
            _faults(faults) + _entries(entries),
        ),
        made_at=made_at,
    )


def _verdicts(rows: Rows) -> str:
    if not rows:
        return nothing("no model has been judged yet")
    return _wide(
        "Verdicts on models",
        ("decided at (UTC)", "version", "decision", "champion then", "reasons"),
        [
            (
                _moment(row["decided_at"]),
                str(row["model_version"]),
                str(row["decision"]),
                str(row["champion_version"] or "none"),
                " ".join(row["reasons"]) or "All criteria passed.",
            )
            for row in _newest(rows, "decided_at")
        ],
    )


def _moves(rows: Rows) -> str:
    if not rows:
        return nothing("no model has become champion yet")
    return _wide(
        "Moves of the champion",
        ("moved at (UTC)", "move", "to version", "instead of", "who and why"),
        [
            (
                _moment(row["moved_at"]),
                str(row["action"]),
                str(row["model_version"]),
                str(row["replaced_version"] or "none"),
                f"{row['who']}: {row['why']}",
            )
            for row in _newest(rows, "moved_at")
        ],
    )


def _entries(rows: Rows) -> str:
    if not rows:
        return nothing("nothing is on record yet")
    return _wide(
        "Audit trail",
        ("no.", "recorded at (UTC)", "action", "subject", "day", "who", "why", "written"),
        [
            (
                str(row["sequence"]),
                _moment(row["recorded_at"]),
                str(row["action"]),
                str(row["subject"]),
                str(row["day"] or ""),
                str(row["who"]),
                str(row["why"] or ""),
                ", ".join(f"{name} {version}" for name, version in json.loads(row["written"]).items()),
            )
            for row in _newest(rows, "sequence")[:NEWEST_ENTRIES]
        ],
    )


def _faults(faults: Sequence[str]) -> str:
    if not faults:
        return (
            '<p class="verdict good">Every entry follows the one before unchanged, and every table is on record.</p>\n'
        )
    listed = "".join(f"<li>{escaped(fault)}</li>" for fault in faults)
    return f'<p class="verdict bad">{plural(len(faults), "fault")} found.</p>\n<ul>{listed}</ul>\n'


def _wide(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """All but the first column hold words."""
    return f'<div class="wide long">{table(caption, head, rows, words=range(1, len(head)))}</div>\n'


def _newest(rows: Rows, by: str) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: row[by], reverse=True)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
