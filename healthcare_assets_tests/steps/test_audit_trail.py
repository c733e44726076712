"""What is done to tables and models goes on record, on either engine, and what is done to the record is found."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from healthcare_assets.domain.audit import AUDIT_TRAIL
from healthcare_assets.domain.tables import BRONZE_PATIENTS, DIM_PATIENTS, SILVER_PATIENTS
from healthcare_assets.errors import LakehouseError, SettingsError
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps.audit import examine
from healthcare_assets.steps.recording import kept_head, record
from healthcare_assets.steps.running import run_step
from healthcare_assets_tests.runtimes import KEY, runtime_at
from healthcare_assets_tests.steps.members import members_runtime, run_days, write_members

DAY, NEXT_DAY = date(2026, 1, 5), date(2026, 1, 6)
ROOT = Path(__file__).parents[2]


def test_a_day_s_steps_are_on_record_with_what_they_read_and_wrote(tmp_path: Path, lakehouse: Lakehouse) -> None:
    write_members(tmp_path, DAY, {"patient_id": "A1"}, {"patient_id": "B2", "bmi": "?"})
    runtime = members_runtime(tmp_path, lakehouse)
    run_days(runtime, DAY)
    bronze, silver, dimension, features = sorted(entries(lakehouse), key=lambda row: row["sequence"])
    assert [row["action"] for row in (bronze, silver, dimension, features)] == ["materialized"] * 4
    assert (silver["subject"], silver["day"]) == ("silver_patients, quarantined_patients", DAY)
    assert (silver["run_id"], silver["code_version"], silver["who"]) == (
        "test-run",
        "test",
        "a process of this machine",
    )
    versions = {table.name: lakehouse.version(table) for table in (BRONZE_PATIENTS, SILVER_PATIENTS, DIM_PATIENTS)}
    assert json.loads(silver["read"]) == {"bronze_patients": versions["bronze_patients"]}
    assert json.loads(silver["written"])["silver_patients"] == versions["silver_patients"]
    assert json.loads(silver["detail"])["rows"] == {"silver_patients": 1, "quarantined_patients": 1}
    assert json.loads(dimension["written"]) == {"dim_patients": versions["dim_patients"]}
    assert json.loads(features["read"])["dim_patients"] == versions["dim_patients"]
    found, unrecorded = examine(runtime)
    assert (found.entries, found.faults, unrecorded) == (4, (), [])


def test_no_entry_names_a_patient(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    write_members(tmp_path, DAY, {"patient_id": "MARKED-1", "first_name": "Marked", "last_name": "Person"})
    run_days(members_runtime(tmp_path, polars_lakehouse), DAY)
    assert "MARKED" not in repr(entries(polars_lakehouse)).upper()


def test_a_step_that_fails_is_on_record_with_the_kind_of_its_fault_alone(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    (tmp_path / f"members-{DAY}.csv").write_text("age,sex\n44,MARKED\n")
    runtime = members_runtime(tmp_path, polars_lakehouse)
    with pytest.raises(Exception, match="region"):
        run_step("bronze", runtime, day=DAY)
    [row] = entries(polars_lakehouse)
    assert (row["action"], row["subject"], row["day"]) == ("failed", "bronze_patients", DAY)
    assert json.loads(row["detail"]).keys() == {"error"}
    assert "MARKED" not in repr(row)


def test_writers_at_once_each_get_an_entry_of_their_own(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from healthcare_assets.steps.recording import record\n"
        "from healthcare_assets_tests.runtimes import runtime_at\n"
        "runtime = runtime_at(Path(sys.argv[1]))\n"
        "for n in range(4): record(runtime, 'materialized', f'{sys.argv[2]}.{n}')\n"
    )
    runtime = runtime_at(tmp_path)
    record(runtime, "materialized", "first")

    def writer(name: str) -> int:
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT, check=False)
        return done.returncode

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(writer, "abc")) == [0, 0, 0]
    found, _ = examine(runtime)
    assert (found.entries, found.faults) == (13, ())
    kept = kept_head(runtime.settings)
    assert kept is not None
    assert kept.sequence <= 13


def test_what_other_tools_do_to_the_trail_is_found(tmp_path: Path) -> None:
    runtime = runtime_at(tmp_path)
    for number in range(5):
        record(runtime, "materialized", f"table {number}")
    folder = runtime.lakehouse.location(AUDIT_TRAIL)

    def faults_after(change: pl.DataFrame) -> tuple[str, ...]:
        whole = pl.read_delta(folder)
        write_deltalake(folder, change, mode="overwrite")
        try:
            return examine(runtime)[0].faults
        finally:
            write_deltalake(folder, whole, mode="overwrite")

    whole = pl.read_delta(folder)
    assert faults_after(whole.filter(pl.col("sequence") != 3)) == ("entry 3 is missing",)
    assert faults_after(whole.filter(pl.col("sequence") < 4)) == ("entries 4 to 5 are missing from the end",)
    changed = whole.with_columns(who=pl.when(pl.col("sequence") == 2).then(pl.lit("Mallory")).otherwise("who"))
    assert faults_after(changed) == ("entry 2 was changed after it was written",)
    assert examine(runtime)[0].faults == ()


def test_rows_that_other_tools_write_to_a_table_are_found(tmp_path: Path) -> None:
    write_members(tmp_path, DAY, {"patient_id": "A1"})
    runtime = members_runtime(tmp_path)
    run_days(runtime, DAY)
    DeltaTable(Path(runtime.settings.lakehouse_root) / "silver_patients").delete()
    report = run_step("audit", runtime, day=None)[0]
    chain, on_record = report.checks
    assert (chain.name, chain.passed) == ("audit_chain_whole", True)
    assert (on_record.name, on_record.passed, on_record.severity) == ("tables_on_record", False, "warning")
    assert on_record.description == "Version 2 of silver_patients is not on record: the last one that is, is 1."
    run_days(runtime, DAY)
    assert examine(runtime)[1] == []


def test_a_table_that_lost_its_newest_commit_is_found(tmp_path: Path) -> None:
    """The table's own log ends well without its last entry, and reads as if it had never been."""
    write_members(tmp_path, DAY, {"patient_id": "A1"})
    write_members(tmp_path, NEXT_DAY, {"patient_id": "A1"})
    runtime = members_runtime(tmp_path)
    run_days(runtime, DAY, NEXT_DAY)
    log = Path(runtime.lakehouse.location(SILVER_PATIENTS)) / "_delta_log"
    max(log.glob("*.json")).unlink()
    assert examine(members_runtime(tmp_path))[1] == [
        "version 2 of silver_patients is on record, and the table ends with version 1"
    ]
    shutil.rmtree(log.parent)
    assert examine(members_runtime(tmp_path))[1] == [
        "version 2 of silver_patients is on record, and the table is not there"
    ]
    run_days(members_runtime(tmp_path), DAY, NEXT_DAY)
    assert examine(members_runtime(tmp_path))[1] == []


def test_a_trail_that_cannot_be_written_fails_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_members(tmp_path, DAY, {"patient_id": "A1"})
    runtime = members_runtime(tmp_path)

    def fails(*_: object) -> None:
        raise LakehouseError("The disk is full.")

    monkeypatch.setattr(runtime.lakehouse, "append_next", fails)
    with pytest.raises(LakehouseError, match="The disk is full"):
        run_step("bronze", runtime, day=DAY)


def test_with_another_key_no_patient_would_be_known_again_and_no_step_goes_on(tmp_path: Path) -> None:
    write_members(tmp_path, DAY, {"patient_id": "A1"})
    write_members(tmp_path, NEXT_DAY, {"patient_id": "A1"})
    run_days(members_runtime(tmp_path), DAY)
    runtime = runtime_at(tmp_path, source=str(tmp_path / "members-{date}.csv"), key=KEY[::-1])
    run_step("bronze", runtime, day=NEXT_DAY)
    with pytest.raises(SettingsError, match="not made with the key in HEALTHCARE_PSEUDONYM_KEY, so that no patient"):
        run_step("silver", runtime, day=NEXT_DAY)


def test_a_key_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    write_members(tmp_path, DAY, {"patient_id": "A1"})
    source = str(tmp_path / "members-{date}.csv")
    run_days(runtime_at(tmp_path, source=source, key=None), DAY)
    (tmp_path / "pseudonym.key").unlink()
    with pytest.raises(SettingsError, match=r"pseudonym.key is gone, .*: put it back from your backup of secrets\."):
        run_step("silver", runtime_at(tmp_path, source=source, key=None), day=DAY)
    assert not (tmp_path / "pseudonym.key").exists()
