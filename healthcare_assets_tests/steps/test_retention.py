"""What is past its time goes, and nothing else does, on either engine."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import pytest

from healthcare_assets.domain.audit import AUDIT_TRAIL, Head
from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    CHAMPION_HISTORY,
    DIM_PATIENTS,
    GOVERNANCE_VERDICT,
    PREDICTIONS,
    RISK_FEATURES,
    SILVER_PATIENTS,
    TRAINING_PATIENTS,
)
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps import recording
from healthcare_assets.steps.audit import examine
from healthcare_assets.steps.patient_tables import versions
from healthcare_assets.steps.report import Markdown
from healthcare_assets.steps.running import run_step
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.steps.care_days import predicted, prediction
from healthcare_assets_tests.steps.members import all_rows, members_runtime, on_polars, rows_of, run_days, write_members

FIRST, SECOND = date(2026, 1, 5), date(2026, 1, 6)


def _at(runtime: Runtime, today: date) -> Runtime:
    later = replace(runtime, now=datetime(today.year, today.month, today.day, 8, tzinfo=UTC))
    later.__dict__["lakehouse"] = runtime.lakehouse
    return later


def _retained(runtime: Runtime, today: date) -> Any:
    (report,) = run_step("retention", _at(runtime, today), day=None)
    return report


def _two_days(folder: Path, lakehouse: Lakehouse | None = None) -> Runtime:
    """A1 on both days, changed; B2 on the first alone."""
    write_members(folder, FIRST, {"patient_id": "A1", "bmi": "21"}, {"patient_id": "B2"})
    write_members(folder, SECOND, {"patient_id": "A1", "bmi": "31"})
    runtime = members_runtime(folder, None if lakehouse is None else on_polars(lakehouse))
    run_days(runtime, FIRST, SECOND)
    for day in (FIRST, SECOND):
        predicted(runtime.lakehouse, day, prediction("A1", 99.0))
    recording.record(runtime, "materialized", PREDICTIONS.name, written=versions(runtime.lakehouse, [PREDICTIONS]))
    run_days(runtime, FIRST, SECOND, steps=("care",))
    return members_runtime(folder, lakehouse)


def test_a_quarter_after_a_delivery_its_identifiers_go_and_its_patients_stay(
    tmp_path: Path, lakehouse: Lakehouse
) -> None:
    runtime = _two_days(tmp_path, lakehouse)
    before = all_rows(lakehouse)
    report = _retained(runtime, FIRST + timedelta(days=91))
    assert lakehouse.days(BRONZE_PATIENTS) == [SECOND]
    left = all_rows(lakehouse)
    assert {name for name in before if left[name] != before[name]} == {"bronze_patients", "audit_trail"}
    assert report.metadata["tables_changed"] == 1
    listed = report.metadata["tables"]
    assert isinstance(listed, Markdown)
    assert "| bronze_patients | 90 | 2026-01-06 | 1 days, to 2026-01-05 |" in listed.text
    [entry] = [row for row in entries(lakehouse) if row["action"] == "expired"]
    assert entry["subject"] == "bronze_patients"
    assert json.loads(entry["detail"]) == {"days": 1, "kept_days": 90, "through_day": "2026-01-05"}
    assert (examine(runtime)[0].faults, examine(runtime)[1]) == ((), [])


def test_after_three_years_a_patient_of_whom_no_day_is_left_leaves_the_dimension(
    tmp_path: Path, lakehouse: Lakehouse
) -> None:
    runtime = _two_days(tmp_path, lakehouse)
    _retained(runtime, FIRST + timedelta(days=1097))
    kept_days = {table.name: lakehouse.days(table) for table in (SILVER_PATIENTS, RISK_FEATURES, CARE_MANAGEMENT)}
    assert set(map(tuple, kept_days.values())) == {(SECOND,)}
    assert [path.name for path in (tmp_path / "exports").iterdir()] == [f"care_management-{SECOND}.csv"]
    [entry] = [row for row in entries(lakehouse) if row["subject"] == "exports of care_management"]
    assert json.loads(entry["detail"]) == {"files": 1, "kept_days": 1096, "through_day": FIRST.isoformat()}
    [kept] = rows_of(lakehouse, SILVER_PATIENTS)
    # B2's only version, and A1's first, which ended on the day that is the first to be kept.
    assert {row["patient_key"] for row in rows_of(lakehouse, DIM_PATIENTS)} == {kept["patient_key"]}
    _retained(runtime, SECOND + timedelta(days=1098))
    assert rows_of(lakehouse, DIM_PATIENTS) == []


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    today = FIRST + timedelta(days=2000)
    assert _retained(runtime, today).metadata["tables_changed"] > 0
    before = {table.name: runtime.lakehouse.version(table) for table in (SILVER_PATIENTS, DIM_PATIENTS)}
    assert _retained(runtime, today).metadata["tables_changed"] == 0
    assert before == {table.name: runtime.lakehouse.version(table) for table in (SILVER_PATIENTS, DIM_PATIENTS)}


def _append(runtime: Runtime, table: Table, *rows: dict[str, Any]) -> None:
    runtime.lakehouse.append(table, frame_of(runtime.lakehouse, table, list(rows)))


def test_what_the_champion_stands_on_is_kept_however_old_it_is(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    runtime = members_runtime(tmp_path, polars_lakehouse)
    long_ago, lately = datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)
    for version, when in (("1", long_ago), ("2", long_ago + timedelta(days=1)), ("3", lately)):
        _append(
            runtime,
            GOVERNANCE_VERDICT,
            {"verdict_id": version, "model_version": version, "decided_at": when, "reasons": [], "criteria": []},
        )
        row = {"mlflow_run_id": version, "patient_key": "k", "model_version": version, "predicted_at": when}
        _append(runtime, TRAINING_PATIENTS, row)
    for version in ("1", "2"):
        moved = long_ago + timedelta(days=int(version))
        _append(runtime, CHAMPION_HISTORY, {"move_id": version, "model_version": version, "moved_at": moved})
    _retained(runtime, date(2026, 6, 1))
    assert [row["move_id"] for row in rows_of(polars_lakehouse, CHAMPION_HISTORY)] == ["2"]
    for table in (GOVERNANCE_VERDICT, TRAINING_PATIENTS):
        assert {row["model_version"] for row in rows_of(polars_lakehouse, table)} == {"2", "3"}


def test_the_audit_trail_is_kept_for_six_years_and_then_goes_from_its_beginning(
    tmp_path: Path, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = members_runtime(tmp_path, lakehouse)
    for year in (2020, 2021, 2022):
        monkeypatch.setattr(recording, "datetime", _clock_at(datetime(year, 6, 1, tzinfo=UTC)))
        recording.record(runtime, "materialized", f"of {year}")
    monkeypatch.setattr(recording, "datetime", _clock_at(datetime(2027, 7, 1, tzinfo=UTC)))
    _retained(runtime, date(2027, 7, 1))
    left = sorted(entries(lakehouse), key=lambda row: row["sequence"])
    assert [(row["sequence"], row["action"]) for row in left] == [
        (3, "materialized"),
        (4, "expired"),
        (5, "materialized"),
    ]
    assert examine(runtime)[0].faults == ()
    newest = Head(sequence=5, entry_hash=left[-1]["entry_hash"])
    (told,) = recording.operation_report(runtime, newest, who="A. Nurse", why="A test.", metadata={})
    assert told.rows_in_table == 3
    polars = on_polars(lakehouse)
    third = polars.scan(AUDIT_TRAIL).filter(nw.col("sequence") == nw.lit(3)).select("sequence")
    polars.update(AUDIT_TRAIL, lambda _: (polars.scan(AUDIT_TRAIL).head(0), third))
    assert examine(runtime)[0].faults == ("entry 3 is missing",)


def _clock_at(moment: datetime) -> type:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return moment

    return Clock


def test_a_day_whose_records_have_expired_does_not_become_empty(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    today = SECOND + timedelta(days=100)
    _retained(runtime, today)
    before = all_rows(runtime.lakehouse)["silver_patients"]
    with pytest.raises(LakehouseError, match="The records of 2026-01-06 have expired from bronze_patients, and silver"):
        run_step("silver", _at(runtime, today), day=SECOND)
    assert all_rows(runtime.lakehouse)["silver_patients"] == before
    run_days(_at(runtime, today), SECOND)
    assert all_rows(runtime.lakehouse)["silver_patients"] == before
