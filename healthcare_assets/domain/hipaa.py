"""HIPAA evidence: computed from what is published and from the training table, never asserted.

Safe Harbor, 45 CFR 164.514(b)(2), is tested from the safe side: a value passes only when it is of a declared kind. The
patterns of identifiers serve to name what was found, not to find it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from healthcare_assets.domain.features import plausible_ranges
from healthcare_assets.domain.identifiers import IDENTIFIER_PATTERNS, PSEUDONYM
from healthcare_assets.domain.model_features import (
    BOOLEAN_FEATURES,
    CATEGORICAL_FEATURES,
    LABEL,
    PATIENT_KEY,
)
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.tables import BRONZE_PATIENTS, TABLES
from healthcare_assets.policy import POLICY, Policy

ALLOW_LIST_EVIDENCE = "hipaa_columns_on_allow_list"
IDENTIFIER_SCAN_EVIDENCE = "hipaa_no_identifier_in_training_table"
AUDIT_TRAIL_EVIDENCE = "hipaa_audit_trail_complete"
NO_TABLE = "none"
"""On record as the version of a table that was not there when a model was trained."""

REQUIRED_EVIDENCE = (ALLOW_LIST_EVIDENCE, IDENTIFIER_SCAN_EVIDENCE, AUDIT_TRAIL_EVIDENCE)
"""Without each of these, satisfied, no model is approved."""

_YES_NO = (False, True)


@dataclass(frozen=True, kw_only=True)
class HipaaEvidence:
    """One item of evidence."""

    name: str
    satisfied: bool
    detail: str
    """What was examined and what was found, in plain words and without a patient's value."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Values in a column that should not be there. Never says which."""

    column: str
    kind: str
    count: int


def columns_on_allow_list(published: Mapping[str, Sequence[str]]) -> HipaaEvidence:
    """Whether each published table's columns are among those declared for it. Bronze may not be published at all."""
    faults = [fault for table, columns in published.items() for fault in _unexpected(table, columns)]
    if not published:
        faults = ["no published table was examined"]
    count = sum(len(columns) for columns in published.values())
    return HipaaEvidence(
        name=ALLOW_LIST_EVIDENCE,
        satisfied=not faults,
        detail="; ".join(faults) or f"all {count} columns of {len(published)} published tables are declared",
    )


def training_table_evidence(frame: pd.DataFrame, *, policy: Policy = POLICY) -> HipaaEvidence:
    """Whether the scan of the training table finds no identifier. A table without rows is evidence of nothing."""
    findings = scan_for_identifiers(frame, policy=policy)
    faults = [f"{f.column} holds {f.kind} in {f.count} rows" for f in findings]
    if frame.empty:
        faults = ["the training table has no row to scan"]
    return HipaaEvidence(
        name=IDENTIFIER_SCAN_EVIDENCE,
        satisfied=not faults,
        detail="; ".join(faults) or f"no identifier in {len(frame)} rows of {len(frame.columns)} columns",
    )


@dataclass(frozen=True, kw_only=True)
class AuditTrail:
    """What is on record about a model that is to be judged, and about the moves of the champion alias before it."""

    lineage: Mapping[str, str]
    """The model version's tags."""
    table_versions: Mapping[str, int | None]
    """Of the tables that it was trained on: their latest version, None where there is no table."""
    champion: str | None
    """The version that is champion."""
    last_move: Mapping[str, Any] | None
    """The last row of `champion_history`."""
    approved_versions: Sequence[str]
    """Versions that a verdict approved."""
    chain_faults: Sequence[str] = ()
    """What was found to be changed or missing in `audit_trail`."""


def audit_trail_evidence(trail: AuditTrail) -> HipaaEvidence:
    """Whether it is on record what the model was made of and by what, and how the champion came to be one."""
    faults = [*_lineage_faults(trail), *_champion_faults(trail), *(f"audit_trail: {f}" for f in trail.chain_faults)]
    return HipaaEvidence(
        name=AUDIT_TRAIL_EVIDENCE,
        satisfied=not faults,
        detail="; ".join(faults)
        or f"{len(trail.table_versions)} tables, code, run and data of the model, and the champion's last move, "
        "are on record",
    )


def _lineage_faults(trail: AuditTrail) -> list[str]:
    tags = (
        "code_version",
        "dagster_run_id",
        "dataset_digest",
        *(f"data_version.{name}" for name in trail.table_versions),
    )
    faults = [f"the model has no {tag}" for tag in tags if not trail.lineage.get(tag)]
    for name, latest in trail.table_versions.items():
        recorded = trail.lineage.get(f"data_version.{name}", "")
        if recorded == NO_TABLE and name == OBSERVED_OUTCOMES.name:
            continue  # a model can be trained before any cost became known later; not without its other tables
        if recorded and not (recorded.isdecimal() and latest is not None and int(recorded) <= latest):
            faults.append(f"version {recorded} of {name}, which the model was trained on, is not in the table's log")
    return faults


def _champion_faults(trail: AuditTrail) -> list[str]:
    """A move that is on record and did not come about, because its process died between the two, is no fault."""
    move = trail.last_move
    if trail.champion is None:
        return []
    if move is None or trail.champion not in (move["model_version"], move["replaced_version"]):
        return [
            f"version {trail.champion} is champion and champion_history does not say who made it so: put the alias back"
        ]
    if trail.champion not in trail.approved_versions:
        return [f"version {trail.champion} is champion and no verdict approved it"]
    return []


def scan_for_identifiers(frame: pd.DataFrame, *, policy: Policy = POLICY) -> list[Finding]:
    """Values that are not of a declared kind, by column and kind. Nulls identify nobody.

    Declared are: the pseudonym, the model's features and the charges. A text must be of its column's categories, a
    number within the plausible range of its column, age at most 90.
    """
    ranges = _ranges(policy)
    return [finding for name, values in frame.items() for finding in _scan(str(name), values.dropna(), ranges)]


def _unexpected(table: str, columns: Sequence[str]) -> list[str]:
    if table == BRONZE_PATIENTS.name:
        return [f"{table} holds identifiers and is published"]
    if table not in TABLES:
        return [f"{table} is published and not declared"]
    return [f"{table}.{name} is not declared" for name in columns if name not in TABLES[table].column_names]


def _ranges(policy: Policy) -> Mapping[str, tuple[float, float]]:
    """What each number may be, both bounds inclusive."""
    return {**plausible_ranges(policy), LABEL: (0.0, sys.float_info.max)}


def _scan(name: str, values: "pd.Series[Any]", ranges: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """Findings of one column, whose nulls have been dropped."""
    if name in ranges and pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        outside = int((~values.astype("float64").between(*ranges[name])).sum())
        return [Finding(column=name, kind="numbers out of range", count=outside)] if outside else []
    if name == PATIENT_KEY:
        return _named(name, values[~values.astype(str).str.fullmatch(PSEUDONYM)])
    declared: Sequence[object] = _YES_NO if name in BOOLEAN_FEATURES else CATEGORICAL_FEATURES.get(name, ())
    return _named(name, values[~values.isin(declared)])


def _named(column: str, refused: "pd.Series[Any]") -> list[Finding]:
    """The refused values by the identifiers that they look like; what looks like none is an undeclared value."""
    recognised = _recognised(column, refused)
    rest = len(refused) - sum(finding.count for finding in recognised)
    return [*recognised, Finding(column=column, kind="undeclared values", count=rest)] if rest else recognised


def _recognised(column: str, values: "pd.Series[Any]") -> list[Finding]:
    texts, findings = values.astype(str), []
    for kind, pattern in IDENTIFIER_PATTERNS.items():
        matches = texts.str.contains(pattern, regex=True)
        if count := int(matches.sum()):
            findings.append(Finding(column=column, kind=f"what looks like {_article(kind)}", count=count))
        texts = texts[~matches]
    return findings


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'eI' else 'a'} {kind}"
