"""A day's steps on either engine: what goes in, what comes out, and that nothing is lost on the way."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.deidentification import pseudonyms
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    DIM_PATIENTS,
    QUARANTINED_PATIENTS,
    RISK_FEATURES,
    SILVER_PATIENTS,
)
from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps import bronze, dimension, features, silver
from healthcare_assets.steps.report import StepReport
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.domain.frames import GOOD_RECORD
from healthcare_assets_tests.runtimes import KEY, runtime_at

DAY, NEXT_DAY = date(2026, 1, 5), date(2026, 1, 6)


def _write(folder: Path, day: date, records: Sequence[Mapping[str, str | None]]) -> None:
    with (folder / f"members-{day}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(GOOD_RECORD))
        writer.writeheader()
        writer.writerows([{**GOOD_RECORD, **record} for record in records])


def _day(runtime: Runtime, day: date) -> list[StepReport]:
    return [step.run(runtime, day) for step in (bronze, silver, dimension, features)]


def _rows(lakehouse: Lakehouse, table: Table, day: date | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lakehouse.collect(lakehouse.scan(table, day=day)).to_pylist()
    return rows


def _checks(reports: Sequence[StepReport]) -> dict[str, CheckOutcome]:
    return {f"{asset.asset}.{check.name}": check for report in reports for asset in report for check in asset.checks}


def _runtime(folder: Path, lakehouse: Lakehouse) -> Runtime:
    return runtime_at(folder, lakehouse=lakehouse, source=str(folder / "members-{date}.csv"))


def test_two_days_of_members(tmp_path: Path, lakehouse: Lakehouse) -> None:
    """Repeats, corrections, ids in other spellings, bad records, and a member who comes back changed."""
    runtime = _runtime(tmp_path, lakehouse)
    _write(
        tmp_path,
        DAY,
        [
            {"patient_id": "A1", "charges": "100", "timestamp": "2026-01-05T08:00:00Z"},
            {"patient_id": " a1 ", "charges": "300", "timestamp": "2026-01-05T10:00:00Z"},
            {"patient_id": "A1", "charges": "200", "timestamp": "2026-01-05T09:00:00Z"},
            {"patient_id": "B2", "charges": None, "timestamp": None},
            {"patient_id": "B2", "charges": "7", "timestamp": None},
            {"patient_id": "C3", "bmi": "?", "region": "atlantis"},
            {"patient_id": "", "first_name": "Nameless"},
            {"patient_id": "D4", "age": "97"},
        ],
    )
    _write(tmp_path, NEXT_DAY, [{"patient_id": "A1", "charges": "300", "region": "NE"}, {"patient_id": "E5"}])

    first = _day(runtime, DAY)
    assert all(check.passed for name, check in _checks(first).items() if name != "silver_patients.quarantine_rate")
    assert not _checks(first)["silver_patients.quarantine_rate"].passed  # 2 of 8 are more than a tenth
    assert len(_rows(lakehouse, BRONZE_PATIENTS)) == 8

    key = {name: pseudonyms(KEY.encode())(name) for name in ("a1", "b2", "c3", "d4", "e5")}
    patients = {row["patient_key"]: row for row in _rows(lakehouse, SILVER_PATIENTS, DAY)}
    assert {k: (row["charges"], row["source_records"]) for k, row in patients.items()} == {
        key["a1"]: (300.0, 3),  # the latest timestamp, whatever its place
        key["b2"]: (7.0, 2),  # the later in the delivery where no timestamp decides
        key["d4"]: (7281.51, 1),
    }
    assert patients[key["d4"]]["age"] == 90
    assert all(row["hipaa_deidentified"] for row in patients.values())
    refused = {row["source_row"]: row for row in _rows(lakehouse, QUARANTINED_PATIENTS, DAY)}
    assert refused[6]["reasons"] == [
        "region is not northeast, northwest, southeast or southwest",
        "bmi is not a number",
    ]
    assert refused[6]["patient_key"] == key["c3"]
    assert (refused[7]["reasons"], refused[7]["patient_key"]) == (["patient_id is missing"], None)

    second = _day(runtime, NEXT_DAY)
    assert all(check.passed for check in _checks(second).values())
    history = {(row["patient_key"], row["record_version"]): row for row in _rows(lakehouse, DIM_PATIENTS)}
    assert len(history) == 5
    assert history[key["a1"], 1]["expiry_date"] == history[key["a1"], 2]["effective_date"] == NEXT_DAY
    assert [history[key["a1"], version]["is_current_record"] for version in (1, 2)] == [False, True]

    multipliers = {
        (row["patient_key"], row["partition_date"]): row["regional_multiplier"]
        for row in _rows(lakehouse, RISK_FEATURES)
    }
    assert len(multipliers) == 5
    assert (multipliers[key["a1"], DAY], multipliers[key["a1"], NEXT_DAY]) == (0.95, 1.2)

    before = {table.name: _sorted(lakehouse, table) for table in (SILVER_PATIENTS, DIM_PATIENTS, RISK_FEATURES)}
    _day(runtime, DAY)
    assert before == {table.name: _sorted(lakehouse, table) for table in (SILVER_PATIENTS, DIM_PATIENTS, RISK_FEATURES)}


def _sorted(lakehouse: Lakehouse, table: Table) -> list[str]:
    return sorted(repr(row) for row in _rows(lakehouse, table))


def test_a_day_without_records_is_legal(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    runtime = _runtime(tmp_path, polars_lakehouse)
    _write(tmp_path, DAY, [{}])
    reports = _day(runtime, DAY) + _day(runtime, NEXT_DAY)
    assert all(check.passed for check in _checks(reports).values())
    assert _rows(runtime.lakehouse, SILVER_PATIENTS, NEXT_DAY) == []
    assert len(_rows(runtime.lakehouse, DIM_PATIENTS)) == 1


def test_a_day_that_is_delivered_again_without_a_patient_forgets_them(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    runtime = _runtime(tmp_path, polars_lakehouse)
    _write(tmp_path, DAY, [{"patient_id": "A1"}, {"patient_id": "B2"}])
    _day(runtime, DAY)
    _write(tmp_path, DAY, [{"patient_id": "B2"}])
    _day(runtime, DAY)
    for table in (SILVER_PATIENTS, DIM_PATIENTS, RISK_FEATURES):
        keys = [row["patient_key"] for row in _rows(runtime.lakehouse, table)]
        assert keys == [pseudonyms(KEY.encode())("b2")], table.name


def test_the_tables_are_for_this_user_only_since_bronze_carries_identifiers(tmp_path: Path) -> None:
    _write(tmp_path, DAY, [{}])
    runtime = runtime_at(tmp_path, source=str(tmp_path / "members-{date}.csv"))
    _day(runtime, DAY)
    assert runtime.settings.lakehouse_root.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="set HEALTHCARE_HOME to a folder that you may write to"):
        bronze.run(runtime_at(tmp_path / "file" / "home"), DAY)
