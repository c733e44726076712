"""A disk that is full or closed, and files of tables that are damaged."""

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from healthcare_assets.domain.tables import DIM_PATIENTS, SILVER_PATIENTS
from healthcare_assets.errors import HealthcareError, LakehouseError
from healthcare_assets.steps.audit import examine
from healthcare_assets.steps.running import run_step
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.faults.disks import closed, enlarged, opened
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.members import PATIENT_STEPS, all_rows, members_runtime, run_days, write_members

FIRST, SECOND = date(2026, 1, 5), date(2026, 1, 6)


def _patients(number: int) -> list[dict[str, str]]:
    return [{"patient_id": f"P{n}", "first_name": os.urandom(12).hex()} for n in range(number)]


def _without_the_trail(runtime: Runtime) -> dict[str, list[str]]:
    return {name: rows for name, rows in all_rows(runtime.lakehouse).items() if name != "audit_trail"}


def test_a_full_disk_is_one_sentence_and_the_step_succeeds_once_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    write_members(tmp_path, FIRST, *_patients(40))
    write_members(tmp_path, SECOND, *_patients(60_000))
    runtime = runtime_at(small_disk, source=str(tmp_path / "members-{date}.csv"))
    run_days(runtime, FIRST)
    before = _without_the_trail(runtime)
    with pytest.raises(
        LakehouseError, match=r"^\S+ cannot be written \(No space left on device\): make room on the disk"
    ):
        run_step("bronze", runtime, day=SECOND)
    assert _without_the_trail(runtime) == before
    enlarged(small_disk)
    run_days(runtime, SECOND)
    assert len(_without_the_trail(runtime)["silver_patients"]) == 60_040
    assert examine(runtime)[0].faults == ()


def test_a_disk_that_is_closed_is_one_sentence(tmp_path: Path, small_disk: Path) -> None:
    write_members(tmp_path, FIRST, *_patients(40))
    runtime = runtime_at(small_disk, source=str(tmp_path / "members-{date}.csv"))
    run_days(runtime, FIRST)
    before = _without_the_trail(runtime)
    closed(small_disk)
    for step in PATIENT_STEPS:
        with pytest.raises(HealthcareError) as told:
            run_step(step, runtime_at(small_disk, source=str(tmp_path / "members-{date}.csv")), day=FIRST)
        assert "\n" not in str(told.value)
        assert "Read-only file system" in str(told.value)
    assert _without_the_trail(runtime) == before
    opened(small_disk)
    run_days(runtime, FIRST)
    assert _without_the_trail(runtime) == before


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _overwritten(path: Path) -> None:
    """Of the same size, which is all that the table's log knows."""
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes(len(content) - 80) + content[-40:])


@pytest.mark.parametrize("damage", [_truncated, _overwritten, Path.unlink])
def test_a_damaged_file_is_named_with_its_day_which_is_then_made_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for day in (FIRST, SECOND):
        write_members(tmp_path, day, *_patients(30))
    runtime = members_runtime(tmp_path)
    run_days(runtime, FIRST, SECOND)
    before = _without_the_trail(runtime)
    folder = Path(runtime.lakehouse.location(SILVER_PATIENTS))
    [file] = folder.glob(f"partition_date={FIRST}/*.parquet")
    damage(file)
    with pytest.raises(LakehouseError, match=rf"silver_patients .*{file.name}.*{FIRST}") as told:
        run_step("features", runtime, day=FIRST)
    assert "\n" not in str(told.value)
    run_step("features", runtime, day=SECOND)
    run_days(runtime, FIRST)
    assert _without_the_trail(runtime) == before


@pytest.mark.parametrize("content", ["", "{", '{"add": 7}', "no JSON at all"])
def test_a_damaged_entry_of_a_table_s_log_is_one_sentence(tmp_path: Path, content: str) -> None:
    write_members(tmp_path, FIRST, *_patients(30))
    run_days(members_runtime(tmp_path), FIRST)
    runtime = members_runtime(tmp_path)
    log = Path(runtime.lakehouse.location(SILVER_PATIENTS)) / "_delta_log"
    entry = log / "00000000000000000001.json"
    whole = entry.read_bytes()
    entry.write_text(content)
    with pytest.raises(LakehouseError, match="silver_patients") as told:
        run_step("features", runtime, day=FIRST)
    assert "\n" not in str(told.value)
    entry.write_bytes(whole)
    run_step("features", runtime, day=FIRST)


def test_a_missing_entry_of_a_table_s_log_is_one_sentence(tmp_path: Path) -> None:
    for day in (FIRST, SECOND):
        write_members(tmp_path, day, *_patients(30))
    run_days(members_runtime(tmp_path), FIRST, SECOND)
    runtime = members_runtime(tmp_path)
    before = _without_the_trail(runtime)
    entry = Path(runtime.lakehouse.location(SILVER_PATIENTS)) / "_delta_log" / "00000000000000000001.json"
    away = entry.rename(tmp_path / "entry")
    with pytest.raises(LakehouseError, match=rf"silver_patients .*cannot be read: {entry.name} of its .* is missing\."):
        run_step("features", members_runtime(tmp_path), day=SECOND)
    away.rename(entry)
    run_days(members_runtime(tmp_path), FIRST, SECOND)
    assert _without_the_trail(members_runtime(tmp_path)) == before


def test_a_damaged_dimension_is_moved_away_and_made_anew_from_its_days(tmp_path: Path) -> None:
    """It has no days of its own: every day's patients make it, in whatever order."""
    write_members(tmp_path, FIRST, *_patients(30))
    write_members(tmp_path, SECOND, *({**patient, "bmi": "31"} for patient in _patients(30)))
    runtime = members_runtime(tmp_path)
    run_days(runtime, FIRST, SECOND)
    before = _without_the_trail(runtime)
    folder = Path(runtime.lakehouse.location(DIM_PATIENTS))
    for file in folder.glob("*.parquet"):
        _truncated(file)
    with pytest.raises(LakehouseError, match=r"dim_patients .*or move it away and materialise it again\.$"):
        run_step("dimension", runtime, day=SECOND)
    shutil.move(folder, tmp_path / "damaged")
    run_days(runtime, SECOND, FIRST, steps=("dimension", "features"))
    assert _without_the_trail(runtime) == before
