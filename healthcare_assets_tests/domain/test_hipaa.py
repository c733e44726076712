"""The HIPAA evidence: what is published, what the training table holds, and that no finding tells a patient's value."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.hipaa import (
    NO_TABLE,
    AuditTrail,
    Finding,
    audit_trail_evidence,
    columns_on_allow_list,
    scan_for_identifiers,
    training_table_evidence,
)
from healthcare_assets.domain.tables import TABLES
from healthcare_assets_tests.training_populations import insurance_population, made_up_population

_PUBLISHED = {name: table.column_names for name, table in TABLES.items() if name != "bronze_patients"}
_POPULATION = made_up_population(60)


def _with(column: str, *values: Any) -> pd.DataFrame:
    """The population with the column's first values replaced."""
    frame = _POPULATION.copy()
    kept = frame[column].tolist()[len(values) :] if column in frame else [None] * (len(frame) - len(values))
    return frame.assign(**{column: [*values, *kept]})


def test_the_declared_columns_are_allowed() -> None:
    evidence = columns_on_allow_list(_PUBLISHED)
    assert evidence.satisfied
    assert f"of {len(_PUBLISHED)} published tables are declared" in evidence.detail


def test_an_unexpected_column_is_named() -> None:
    evidence = columns_on_allow_list({**_PUBLISHED, "silver_patients": ["patient_key", "first_name"]})
    assert not evidence.satisfied
    assert evidence.detail == "silver_patients.first_name is not declared"


def test_bronze_and_unknown_tables_may_not_be_published() -> None:
    assert not columns_on_allow_list({"bronze_patients": TABLES["bronze_patients"].column_names}).satisfied
    assert not columns_on_allow_list({"exports": ["patient_key"]}).satisfied


def test_looking_at_nothing_is_no_evidence() -> None:
    assert not columns_on_allow_list({}).satisfied
    assert not training_table_evidence(_POPULATION.iloc[:0]).satisfied


def test_a_de_identified_training_table_has_no_finding() -> None:
    assert scan_for_identifiers(_POPULATION) == []
    evidence = training_table_evidence(_POPULATION)
    assert evidence.satisfied
    assert evidence.detail == f"no identifier in 60 rows of {len(_POPULATION.columns)} columns"


def test_the_public_insurance_data_have_no_finding() -> None:
    assert scan_for_identifiers(insurance_population()) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("123-45-6789", "what looks like a social security number"),
        ("ada@example.org", "what looks like an e-mail address"),
        ("(555) 123-4567", "what looks like a telephone number"),
        ("+1 555.123.4567", "what looks like a telephone number"),
        ("https://example.org/ada", "what looks like a URL"),
        ("www.example.org", "what looks like a URL"),
        ("192.168.10.1", "what looks like an IP address"),
        ("2001:db8:0:0:0:0:2:1", "what looks like an IP address"),
        ("1984-02-29", "what looks like a full date"),
        ("2/29/1984", "what looks like a full date"),
        ("Ada Lovelace", "undeclared values"),
    ],
)
def test_an_identifier_is_found_named_and_not_repeated(value: str, kind: str) -> None:
    for column in ("region", "note", "patient_key"):
        frame = _with(column, value, value)
        assert scan_for_identifiers(frame) == [Finding(column=column, kind=kind, count=2)]
        evidence = training_table_evidence(frame)
        assert not evidence.satisfied
        assert evidence.detail == f"{column} holds {kind} in 2 rows"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", 91),
        ("age", -1),
        ("bmi", 9.99),
        ("children", 21),
        ("smoking_impact", 5551234567.0),
        ("family_size_factor", 4.01),
        ("regional_multiplier", 90210.0),
        ("health_risk_composite", 181.0),
        ("age_risk_score", 6),
        ("charges", -0.01),
        ("charges", float("inf")),
    ],
)
def test_a_number_that_its_column_cannot_hold_is_a_finding(column: str, value: float) -> None:
    assert scan_for_identifiers(_with(column, value)) == [Finding(column=column, kind="numbers out of range", count=1)]


def test_ages_of_90_and_over_are_90() -> None:
    assert scan_for_identifiers(_with("age", 90)) == []


def test_an_undeclared_column_of_any_type_is_a_finding() -> None:
    frame = _POPULATION.assign(zip_code=90210, seen=date(2026, 1, 5), consents=True)
    assert [(f.column, f.kind, f.count) for f in scan_for_identifiers(frame)] == [
        ("zip_code", "undeclared values", 60),
        ("seen", "what looks like a full date", 60),
        ("consents", "undeclared values", 60),
    ]


def test_a_text_among_numbers_is_a_finding() -> None:
    assert {finding.column for finding in scan_for_identifiers(_with("age", "123-45-6789"))} == {"age"}


def test_nulls_identify_nobody() -> None:
    assert scan_for_identifiers(_with("region", None, None)) == []


@settings(deadline=None)  # a whole table is scanned for each example
@given(st.text(min_size=1))
def test_only_pseudonyms_pass_for_pseudonyms(text: str) -> None:
    passed = scan_for_identifiers(_with("patient_key", text)) == []
    assert passed == bool(re.fullmatch("[0-9a-f]{32}", text))


LINEAGE = {
    "code_version": "abc",
    "dagster_run_id": "run",
    "dataset_digest": "0123",
    "data_version.risk_features": "4",
    "data_version.silver_patients": "7",
}
TRAIL = AuditTrail(
    lineage=LINEAGE,
    table_versions={"risk_features": 4, "silver_patients": 9},
    champion=None,
    last_move=None,
    approved_versions=(),
)


def _of_champion(version: str, *, moved_to: str, instead_of: str | None, approved: tuple[str, ...]) -> AuditTrail:
    move = {"model_version": moved_to, "replaced_version": instead_of}
    return replace(TRAIL, champion=version, last_move=move, approved_versions=approved)


def test_a_first_model_with_its_lineage_has_a_complete_audit_trail() -> None:
    evidence = audit_trail_evidence(TRAIL)
    assert (evidence.name, evidence.satisfied) == ("hipaa_audit_trail_complete", True)


@pytest.mark.parametrize("tag", sorted(LINEAGE))
def test_lineage_that_is_missing_is_named(tag: str) -> None:
    evidence = audit_trail_evidence(replace(TRAIL, lineage={k: v for k, v in LINEAGE.items() if k != tag}))
    assert (evidence.satisfied, evidence.detail) == (False, f"the model has no {tag}")


@pytest.mark.parametrize(("recorded", "latest"), [("5", 4), ("4", None), ("latest", 4), ("-1", 4)])
def test_a_data_version_that_the_table_does_not_have_is_a_gap(recorded: str, latest: int | None) -> None:
    lineage = {**LINEAGE, "data_version.risk_features": recorded}
    trail = replace(TRAIL, lineage=lineage, table_versions={"risk_features": latest, "silver_patients": 9})
    assert f"version {recorded} of risk_features" in audit_trail_evidence(trail).detail


@pytest.mark.parametrize("latest", [None, 3])
def test_a_model_can_have_been_trained_before_there_were_outcomes_but_not_without_features(latest: int | None) -> None:
    versions = {**TRAIL.table_versions, "observed_outcomes": latest}
    trail = replace(TRAIL, table_versions=versions, lineage={**LINEAGE, "data_version.observed_outcomes": NO_TABLE})
    assert audit_trail_evidence(trail).satisfied
    without = replace(TRAIL, lineage={**LINEAGE, "data_version.risk_features": NO_TABLE})
    assert not audit_trail_evidence(without).satisfied


@pytest.mark.parametrize(
    ("trail", "satisfied"),
    [
        (_of_champion("2", moved_to="2", instead_of="1", approved=("1", "2")), True),
        # Written down, and then the process died before the alias moved.
        (_of_champion("1", moved_to="2", instead_of="1", approved=("1", "2")), True),
        # The same of a first promotion: nobody is champion.
        (replace(TRAIL, last_move={"model_version": "1", "replaced_version": None}), True),
        (_of_champion("3", moved_to="2", instead_of="1", approved=("1", "2", "3")), False),
        (_of_champion("2", moved_to="2", instead_of="1", approved=("1",)), False),
        (replace(TRAIL, champion="1", approved_versions=("1",)), False),
    ],
)
def test_a_champion_must_have_come_to_be_one_on_record(trail: AuditTrail, satisfied: bool) -> None:
    assert audit_trail_evidence(trail).satisfied == satisfied
