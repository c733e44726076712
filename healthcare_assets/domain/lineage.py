"""Which columns each column is made from, from what was delivered to what was predicted."""

from collections.abc import Mapping
from typing import TypeAlias

from healthcare_assets.domain.columns import PATIENT_KEY, Table
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    DIM_PATIENTS,
    PREDICTIONS,
    QUARANTINED_PATIENTS,
    RISK_FEATURES,
    SILVER_PATIENTS,
    SOURCE_COLUMNS,
)

Origins: TypeAlias = tuple[tuple[str, str], ...]
"""Tables with a column of theirs."""

_KEY = PATIENT_KEY.name
_ATTRIBUTES = ("age", "sex", "region", "bmi", "smoker", "children")
_ENROLMENT = ("charges", "insurance_plan", "coverage_start_year", "zip3")


def _of(table: Table, *columns: str) -> Origins:
    return tuple((table.name, column) for column in columns)


def _same(table: Table, *columns: str) -> dict[str, Origins]:
    return {column: _of(table, column) for column in columns}


_FROM_BRONZE: Mapping[str, Origins] = {
    # Of a source without ids the whole record is the id.
    _KEY: _of(BRONZE_PATIENTS, *(c for c in SOURCE_COLUMNS if c not in ("timestamp", "zip_code"))),
    "age": _of(BRONZE_PATIENTS, "age", "birth_date"),
    **_same(BRONZE_PATIENTS, "sex", "region", "bmi", "smoker", "children", "charges", "insurance_plan"),
    "coverage_start_year": _of(BRONZE_PATIENTS, "coverage_start_date"),
    "zip3": _of(BRONZE_PATIENTS, "zip_code"),
}
_BY_MODEL = _of(RISK_FEATURES, *_ATTRIBUTES)

LINEAGE: Mapping[str, Mapping[str, Origins]] = {
    SILVER_PATIENTS.name: {
        **_FROM_BRONZE,
        "data_quality_score": _of(
            BRONZE_PATIENTS, *(c for c in SOURCE_COLUMNS if c not in ("first_name", "last_name"))
        ),
        "hipaa_deidentified": _of(BRONZE_PATIENTS, "patient_id", "age", "birth_date"),
        "source_records": _of(BRONZE_PATIENTS, "patient_id"),
    },
    QUARANTINED_PATIENTS.name: {
        **_FROM_BRONZE,
        "reasons": _of(BRONZE_PATIENTS, *SOURCE_COLUMNS, "malformed"),
        "source_row": _of(BRONZE_PATIENTS, "source_row"),
    },
    DIM_PATIENTS.name: {
        **_same(SILVER_PATIENTS, _KEY, *_ATTRIBUTES, *_ENROLMENT),
        **{
            column: _of(SILVER_PATIENTS, *_ATTRIBUTES, *_ENROLMENT)
            for column in ("effective_date", "expiry_date", "is_current_record", "record_version")
        },
    },
    RISK_FEATURES.name: {
        **_same(SILVER_PATIENTS, _KEY, *_ATTRIBUTES),
        "age_risk_score": _of(SILVER_PATIENTS, "age"),
        "bmi_category": _of(SILVER_PATIENTS, "bmi"),
        "smoking_impact": _of(SILVER_PATIENTS, "age", "smoker"),
        "family_size_factor": _of(SILVER_PATIENTS, "children"),
        "regional_multiplier": _of(SILVER_PATIENTS, "region"),
        "health_risk_composite": _of(SILVER_PATIENTS, "age", "bmi", "smoker"),
    },
    PREDICTIONS.name: {
        **_same(RISK_FEATURES, _KEY),
        **dict.fromkeys(
            (
                "predicted_charges",
                "charges_lower",
                "charges_upper",
                "risk_score",
                "adjusted_risk_score",
                "risk_category",
                "high_risk_patient",
                "requires_review",
                "high_cost",
                "reason_codes",
            ),
            _BY_MODEL,
        ),
    },
    OBSERVED_OUTCOMES.name: _same(DIM_PATIENTS, _KEY),
}
"""By table and column. What is not here comes from no column: a day, a name of a model, a moment."""


def told_origin(table: str, column: str) -> str:
    """What the column is made from, table by table (`silver_patients: age, smoker`); empty for what comes from none."""
    by_table: dict[str, list[str]] = {}
    for origin, name in LINEAGE.get(table, {}).get(column, ()):
        by_table.setdefault(origin, []).append(name)
    return "; ".join(f"{origin}: {', '.join(names)}" for origin, names in by_table.items())
