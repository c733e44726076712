"""What a column is said to be made from is what it is made from: change one column, and see what changes."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.lineage import LINEAGE
from healthcare_assets.domain.tables import SOURCE_COLUMNS, TABLES
from healthcare_assets_tests.steps.members import members_runtime, rows_of, run_days, write_members

DAY = date(2026, 1, 5)
OTHER = {
    "patient_id": "OTHER-9",
    "first_name": "Other",
    "last_name": "Other",
    "age": "71",
    "sex": "female",
    "region": "northeast",
    "bmi": "41.5",
    "smoker": "no",
    "children": "4",
    "charges": "99.5",
    "insurance_plan": "gold",
    "coverage_start_date": "2019-03-01",
    "zip_code": "10001",
}


def test_every_origin_is_a_column_that_there_is() -> None:
    for table, columns in LINEAGE.items():
        assert set(columns) <= set(TABLES[table].column_names), table
        for origins in columns.values():
            assert origins
            assert all(column in TABLES[origin].column_names for origin, column in origins)


def test_no_feature_or_prediction_comes_from_charges() -> None:
    for table in ("risk_features", "predictions"):
        for origins in LINEAGE[table].values():
            assert "charges" not in {column for _, column in origins}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if before[name] != after[name]} - {PARTITION_COLUMN}


@pytest.mark.parametrize("source", sorted(set(OTHER) & set(SOURCE_COLUMNS)))
def test_a_changed_source_column_changes_what_comes_from_it_and_nothing_else(tmp_path: Path, source: str) -> None:
    found = []
    for name, record in (("a", {}), ("b", {source: OTHER[source]})):
        folder = tmp_path / name
        folder.mkdir()
        write_members(folder, DAY, record)
        runtime = members_runtime(folder)
        run_days(runtime, DAY)
        found.append({t: rows_of(runtime.lakehouse, TABLES[t])[0] for t in ("silver_patients", "risk_features")})
    before, after = found
    for table, origin in (("silver_patients", "bronze_patients"), ("risk_features", "silver_patients")):
        changed_at_origin = {source} if origin == "bronze_patients" else _changed(before[origin], after[origin])
        said = {
            column
            for column, origins in LINEAGE[table].items()
            if any((origin, name) in origins for name in changed_at_origin)
        }
        assert _changed(before[table], after[table]) <= said, table
