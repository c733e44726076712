"""The audit trail: who or what did what to which tables and models, each entry chained to the one before by a hash.

An entry's hash is SHA-256 over all its other fields, the hash of the entry before among them. So whatever is changed,
removed or put in between is found where it happened, by whoever has the trail alone; what is cut off its end is found
by whoever knows the last entry, which is written down elsewhere (see `Head`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Literal

from healthcare_assets.domain.columns import Table, column

Action = Literal[
    "materialized", "failed", "promoted", "rolled back", "exported", "re-keying", "re-keyed", "erased", "expired"
]

AUDIT_TRAIL = Table(
    name="audit_trail",
    description="Append-only: who or what materialized, promoted, rolled back, exported, re-keyed or deleted what, "
    "chained by hash so that a changed or removed entry is found. Names no patient.",
    columns=(
        column("sequence", "integer", "Position in the trail, from 1, without gaps."),
        column("recorded_at", "timestamp", "When the entry was written (UTC)."),
        column("action", "string", "materialized, failed, promoted, rolled back, exported, re-keyed, erased, expired."),
        column("subject", "string", "What it was done to: assets, tables or a version of the model."),
        column("day", "date", "The partition; null where the subject has no days.", nullable=True),
        column("who", "string", "The person, schedule, sensor or job that asked for it."),
        column("why", "string", "The reason given; null for what runs by the clock.", nullable=True),
        column("run_id", "string", "The Dagster run, or the Databricks run where there is no Dagster."),
        column("code_version", "string", "Version of the code that did it."),
        column("read", "string", "Versions of the tables that were read, as a JSON object."),
        column("written", "string", "Versions of the tables that were written, as a JSON object."),
        column("detail", "string", "What else belongs to the action, as a JSON object."),
        column("previous_hash", "string", "entry_hash of the entry before; zeros for the first."),
        column("entry_hash", "string", "SHA-256 of all other fields, as 64 hex digits."),
    ),
    daily=False,
    key=("sequence",),
)

BEGINNING = "0" * 64
"""What the first entry has as the hash of the one before it."""
KEYS = "pseudonym_keys"
"""Detail of an entry: fingerprints of the keys that the pseudonyms are made with."""
EXPIRED_THROUGH, EXPIRED_HASH = "through_sequence", "through_hash"
"""Details of an `expired` entry: the last entry that the retention job dropped from the beginning of the trail."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """What is to be recorded."""

    action: Action
    subject: str
    who: str
    run_id: str
    code_version: str
    day: date | None = None
    why: str | None = None
    read: Mapping[str, int] = field(default_factory=dict)
    """Tables with the versions that were read."""
    written: Mapping[str, int] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last entry of a trail."""

    sequence: int = 0
    entry_hash: str = BEGINNING

    def __str__(self) -> str:
        return f"{self.sequence} {self.entry_hash}"

    @classmethod
    def from_text(cls, text: str) -> "Head":
        """What `str` gave. ValueError for anything else."""
        sequence, entry_hash = text.split()
        return cls(sequence=int(sequence), entry_hash=entry_hash)


Row = Mapping[str, Any]
"""An entry as a row of the table."""


def entry_after(head: Head, act: Act, *, recorded_at: datetime) -> dict[str, Any]:
    """The row that records the act as the entry after the trail's last one."""
    row = {
        **asdict(act),
        "sequence": head.sequence + 1,
        "recorded_at": recorded_at,
        "read": _json(act.read),
        "written": _json(act.written),
        "detail": _json(act.detail),
        "previous_hash": head.entry_hash,
    }
    return {**row, "entry_hash": entry_hash(row)}


def entry_hash(row: Row) -> str:
    """The hash of the entry's fields, whatever hash it bears itself."""
    fields = {c.name: _text(row[c.name]) for c in AUDIT_TRAIL.columns if c.name != "entry_hash"}
    return sha256(_json(fields).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What the trail says of itself."""

    entries: int
    head: Head
    faults: tuple[str, ...]
    """What was found to be changed, missing or put in between, in plain words."""


def verify(rows: Iterable[Row], *, known_head: Head | None) -> Verification:
    """Follow the chain through the rows, in whatever order they come.

    `known_head` is the last entry as it was written down elsewhere; entries after it are in order, since a process may
    have died between the two. None where nothing was written down, which is a fault of a trail that has entries.
    """
    ordered = sorted(rows, key=lambda row: int(row["sequence"]))
    faults: list[str] = []
    before = _start(ordered)
    for row in ordered:
        faults += _faults_of(row, before)
        before = Head(sequence=int(row["sequence"]), entry_hash=str(row["entry_hash"]))
    faults += _end_faults(ordered, before, known_head)
    return Verification(entries=len(ordered), head=before, faults=tuple(faults))


def tables_off_the_record(rows: Iterable[Row], versions: Mapping[str, int | None]) -> list[str]:
    """What was written to tables and is not on record: a later version than any that an entry names."""
    known: dict[str, int] = {}
    for row in rows:
        for name, version in json.loads(row["written"]).items():
            known[name] = max(known.get(name, version), version)
    return [
        f"version {version} of {name} is not on record: the last one that is, is {known.get(name, 'none')}"
        for name, version in versions.items()
        if version is not None and version > known.get(name, -1)
    ]


def tables_behind_the_record(rows: Iterable[Row], versions: Mapping[str, int | None]) -> list[str]:
    """What is on record and not in the tables: the table ends before the version that the last entry about it names.

    So it is when the newest entry of a table's log is lost, which the log itself cannot tell, and when an old copy of
    the table was put back. The versions have to be looked up after the rows were read.
    """
    last: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: int(row["sequence"])):
        last.update(json.loads(row["written"]))
    return [
        f"version {last[name]} of {name} is on record, and the table "
        + ("is not there" if version is None else f"ends with version {version}")
        for name, version in versions.items()
        if name in last and (version is None or version < last[name])
    ]


def expired(rows: Sequence[Row], *, before: datetime) -> Head | None:
    """The last of the entries from the beginning of the trail that were all recorded before; None when there is none.

    The newest entry is never among them: the chain goes on from it.
    """
    last = None
    for row in sorted(rows, key=lambda row: int(row["sequence"]))[:-1]:
        if _utc(row["recorded_at"]) >= before:
            break
        last = Head(sequence=int(row["sequence"]), entry_hash=str(row["entry_hash"]))
    return last


def _start(ordered: Sequence[Row]) -> Head:
    """What the first row has to follow: the beginning, or the last entry that expired."""
    start = Head()
    for row in ordered:
        detail = json.loads(row["detail"]) if row["action"] == "expired" else {}
        if detail.get(EXPIRED_THROUGH, 0) > start.sequence:
            start = Head(sequence=int(detail[EXPIRED_THROUGH]), entry_hash=str(detail[EXPIRED_HASH]))
    # Killed between its entry and the deletion, the retention job leaves entries that it has already named.
    return start if ordered and int(ordered[0]["sequence"]) > start.sequence else Head()


def _faults_of(row: Row, before: Head) -> list[str]:
    sequence = int(row["sequence"])
    faults = []
    if sequence == before.sequence:
        faults.append(f"entry {sequence} is there twice")
    elif sequence > before.sequence + 1:
        faults.append(f"{_entries(before.sequence + 1, sequence - 1)} missing")
    elif row["previous_hash"] != before.entry_hash:
        faults.append(f"entry {sequence} does not follow entry {before.sequence}")
    if row["entry_hash"] != entry_hash(row):
        faults.append(f"entry {sequence} was changed after it was written")
    return faults


def _end_faults(ordered: Sequence[Row], last: Head, known: Head | None) -> list[str]:
    if known is None:
        return ["the last entry is written down nowhere else, so that nobody can tell a missing end"] if ordered else []
    if known.sequence > last.sequence:
        return [f"{_entries(last.sequence + 1, known.sequence)} missing from the end"]
    there = {int(row["sequence"]): row["entry_hash"] for row in ordered}
    if known.sequence in there and there[known.sequence] != known.entry_hash:
        return [f"entry {known.sequence} is not the one that was written down elsewhere"]
    return []


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, separators=(",", ":"))


def _text(value: object) -> object:
    """A field as it is hashed: the same whatever engine and zone it was read with."""
    if isinstance(value, datetime):
        return _utc(value).isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else value


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
