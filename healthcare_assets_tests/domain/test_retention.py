"""How long what is kept."""

from datetime import date

import pytest

from healthcare_assets.domain.audit import AUDIT_TRAIL
from healthcare_assets.domain.retention import DAILY, WRITTEN_AT, days_kept, kept_from
from healthcare_assets.domain.tables import DIM_PATIENTS, TABLES
from healthcare_assets.policy import POLICY


@pytest.mark.parametrize(
    ("table", "days"),
    [
        ("bronze_patients", 90),
        ("silver_patients", 1096),
        ("quarantined_patients", 1096),
        ("dim_patients", 1096),
        ("training_patients", 1096),
        ("governance_verdict", 2192),
        ("champion_history", 2192),
        ("drift_report", 2192),
        ("audit_trail", 2192),
        ("pricing_factors", 2192),
        ("population_health", 2192),
    ],
)
def test_identifiers_go_first_then_patients_then_decisions(table: str, days: int) -> None:
    assert days_kept(TABLES[table], POLICY.retention) == days


def test_six_years_are_six_years_whichever_have_a_leap_day() -> None:
    assert kept_from(AUDIT_TRAIL, date(2032, 3, 1), POLICY.retention) <= date(2026, 3, 1)
    assert kept_from(AUDIT_TRAIL, date(2029, 2, 28), POLICY.retention) <= date(2023, 2, 28)


def test_no_table_is_without_a_rule() -> None:
    assert {*(t.name for t in DAILY), *WRITTEN_AT, DIM_PATIENTS.name, AUDIT_TRAIL.name} == set(TABLES)
