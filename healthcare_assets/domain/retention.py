"""How long what is kept, and which rows are past that: by what a table holds, patients' shorter than decisions."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import narwhals as nw

from healthcare_assets.domain.columns import PATIENT_KEY, Table
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    CHAMPION_HISTORY,
    DIM_PATIENTS,
    GOVERNANCE_VERDICT,
    TABLES,
    TRAINING_PATIENTS,
)
from healthcare_assets.policy import RetentionRules

Frame = nw.LazyFrame[Any]

DAILY: tuple[Table, ...] = tuple(table for table in TABLES.values() if table.daily)
"""Whose days are dropped as a whole."""
WRITTEN_AT: Mapping[str, str] = {
    TRAINING_PATIENTS.name: "predicted_at",
    GOVERNANCE_VERDICT.name: "decided_at",
    CHAMPION_HISTORY.name: "moved_at",
}
"""The undated tables whose rows go by their age, and the column that says it."""


def days_kept(table: Table, rules: RetentionRules) -> int:
    """How many days the table's rows are kept."""
    if table is BRONZE_PATIENTS:
        return rules.identifiers
    return rules.patients if PATIENT_KEY.name in table.column_names else rules.records


def kept_from(table: Table, on: date, rules: RetentionRules) -> date:
    """The first day whose rows of the table are kept on the given one."""
    return on - timedelta(days=days_kept(table, rules))


def expired_rows(table: Table, frame: Frame, *, before: date, champion: str | None) -> Frame:
    """The keys of the table's rows that were written before the day, but for those of the present champion: what is in
    effect is kept, however old it is."""
    old = frame.filter(nw.col(WRITTEN_AT[table.name]).cast(nw.Date) < nw.lit(before))
    if champion is not None:
        old = old.filter(nw.col("model_version") != nw.lit(champion))
    return old.select(*table.key)


def expired_versions(dimension: Frame, patients: Frame, *, before: date) -> Frame:
    """The keys of the versions of `dim_patients` that ended before the day, and of the patients of whom silver has no
    day any more. `patients` are the keys that silver has."""
    ended = dimension.filter(nw.col("expiry_date") < nw.lit(before)).select(*DIM_PATIENTS.key)
    gone = (
        dimension.filter(nw.col("expiry_date").is_null() & (nw.col("effective_date") < nw.lit(before)))
        .join(patients.select(PATIENT_KEY.name).unique(), on=PATIENT_KEY.name, how="anti")
        .select(*DIM_PATIENTS.key)
    )
    return nw.concat([ended, gone])
