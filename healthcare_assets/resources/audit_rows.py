"""Reading the audit trail."""

import json
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from healthcare_assets.domain.audit import AUDIT_TRAIL, KEYS, Head
from healthcare_assets.resources.lakehouse import Lakehouse


@dataclass(frozen=True, kw_only=True)
class RecordedKeys:
    """What is on record of the keys that pseudonyms are made with."""

    fingerprints: tuple[str, ...]
    rotation_unfinished: bool
    """Whether some tables have them already and others not yet."""


def entries(lakehouse: Lakehouse) -> list[dict[str, Any]]:
    """The audit trail, as its rows."""
    rows: list[dict[str, Any]] = lakehouse.collect(lakehouse.scan(AUDIT_TRAIL)).to_pylist()
    return rows


def last_entry(lakehouse: Lakehouse) -> Head:
    """The trail's head; that of an empty trail where there is none."""
    trail = lakehouse.scan(AUDIT_TRAIL).select("sequence", "entry_hash")
    newest = lakehouse.collect(trail.filter(nw.col("sequence") == nw.col("sequence").max())).to_pylist()
    return Head(**newest[0]) if newest else Head()


def recorded_keys(lakehouse: Lakehouse) -> RecordedKeys | None:
    """The keys of the newest entry that names some; None where there is none: no pseudonym has been made yet."""
    naming = lakehouse.scan(AUDIT_TRAIL).filter(nw.col("detail").str.contains(f'"{KEYS}":', literal=True))
    rows = lakehouse.collect(naming.select("sequence", "action", "detail")).to_pylist()
    if not rows:
        return None
    newest = max(rows, key=lambda row: int(row["sequence"]))
    return RecordedKeys(
        fingerprints=tuple(json.loads(newest["detail"])[KEYS]), rotation_unfinished=newest["action"] == "re-keying"
    )
