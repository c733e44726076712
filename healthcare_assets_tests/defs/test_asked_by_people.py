"""Erasure and rotation as an operator runs them: Dagster jobs, on record with who and why; and verification."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable

from healthcare_assets.definitions import defs
from healthcare_assets.domain.tables import SILVER_PATIENTS
from healthcare_assets.resources.at_work import beside_others
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets_tests.steps.members import members_runtime, rows_of, run_days, write_members

DAY = date(2026, 1, 5)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients of a day, pseudonymised with the key of the home."""
    for variable in ("HEALTHCARE_ENV", "HEALTHCARE_ENGINE", "HEALTHCARE_PSEUDONYM_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    monkeypatch.setenv("HEALTHCARE_SOURCE", str(tmp_path / "members-{date}.csv"))
    write_members(tmp_path, DAY, {"patient_id": "A1"}, {"patient_id": "B2"})
    run_days(members_runtime(tmp_path, key=None), DAY)
    return tmp_path


def _asked(op: str) -> dict[str, object]:
    return {"ops": {op: {"config": {"who": "Grace Hopper", "why": "request 4711"}}}}


def _patients(home: Path) -> set[str]:
    return {row["patient_key"] for row in rows_of(members_runtime(home).lakehouse, SILVER_PATIENTS)}


def test_a_patient_is_erased_and_dagster_s_storage_never_hears_of_whom(home: Path) -> None:
    (home / "erasure_requests").mkdir()
    (home / "erasure_requests" / "letter.txt").write_text("A1\n")
    storage = home / "storage"
    storage.mkdir()
    with dg.DagsterInstance.local_temp(str(storage)) as instance:
        job = defs().resolve_job_def("erase_patients")
        assert job.execute_in_process(run_config=_asked("erase"), instance=instance).success
        shown = instance.get_latest_materialization_event(dg.AssetKey("audit_trail"))
    assert shown is not None
    assert shown.asset_materialization is not None
    assert shown.asset_materialization.metadata["patients"].value == 1
    assert len(_patients(home)) == 1
    assert not any(b"A1" in path.read_bytes() for path in storage.rglob("*.json"))


def test_every_patient_gets_another_pseudonym(home: Path) -> None:
    before = _patients(home)
    assert defs().resolve_job_def("rotate_pseudonym_key").execute_in_process(run_config=_asked("re_key")).success
    assert len(_patients(home) - before) == 2
    last = max(entries(members_runtime(home).lakehouse), key=lambda row: int(row["sequence"]))
    assert (last["action"], last["who"], last["why"]) == ("re-keyed", "Grace Hopper", "request 4711")


@pytest.mark.parametrize(("job", "op"), [("erase_patients", "erase"), ("rotate_pseudonym_key", "re_key")])
def test_while_a_step_is_under_way_they_wait_for_a_person(home: Path, job: str, op: str) -> None:
    before = _patients(home)
    with beside_others(home, waits=lambda: None):
        ran = defs().resolve_job_def(job).execute_in_process(run_config=_asked(op), raise_on_error=False)
    [failure] = [event for event in ran.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert said.description == (f"Others are at work on the tables in {home}: run this again when they have ended.")
    assert _patients(home) == before


def test_a_run_that_was_killed_and_is_still_in_progress_to_dagster_hinders_nobody(home: Path) -> None:
    before = _patients(home)
    job = defs().resolve_job_def("rotate_pseudonym_key")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.create_run_for_job(job, run_config=_asked("re_key"), status=dg.DagsterRunStatus.STARTED)
        assert job.execute_in_process(run_config=_asked("re_key"), instance=instance).success
    assert len(_patients(home) - before) == 2


def test_the_job_that_looks_after_tables_verifies_the_trail_last(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ran = defs().resolve_job_def("maintenance").execute_in_process(instance=instance)
    evaluations = {check.check_name: check.passed for check in ran.get_asset_check_evaluations()}
    assert evaluations == {"audit_chain_whole": True, "tables_on_record": True}
    subjects = [r["subject"] for r in sorted(entries(members_runtime(home).lakehouse), key=lambda r: r["sequence"])]
    assert subjects[-3:] == ["data_retention", "table_maintenance", "audit_trail"]


def _verified(home: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "healthcare_assets.audit"],
        cwd=ROOT,
        env={**os.environ, "HEALTHCARE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_finds_what_was_done_to_the_trail(home: Path) -> None:
    code, said = _verified(home)
    assert (code, said.splitlines()[-1].startswith("4 entries verified through 4 ")) == (0, True)
    assert said.endswith(": no faults found.\n")
    DeltaTable(home / "lakehouse" / "audit_trail").delete("sequence = 2")
    code, said = _verified(home)
    assert code == 1
    assert said.startswith("- entry 2 is missing\n")
    assert "\n3 entries verified through 4 " in said


def test_where_the_tables_are_elsewhere_the_command_says_what_verifies_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHCARE_ENV", "prod")
    code, said = _verified(home)
    assert code == 2
    assert "materialize the asset audit_trail, which verifies the trail there." in said
