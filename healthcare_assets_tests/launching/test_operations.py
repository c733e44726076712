"""What a person asks for, done in a workspace: an erasure, and another key of the pseudonyms."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets.domain.audit import AUDIT_TRAIL
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.deidentification import pseudonyms
from healthcare_assets.domain.tables import BRONZE_PATIENTS, DIM_PATIENTS, SILVER_PATIENTS
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets_tests.launching.conftest import KEY
from healthcare_assets_tests.launching.dev import DAY, Dev, said_of
from healthcare_assets_tests.steps.members import write_members

pytestmark = pytest.mark.slow

NEXT = "another secret of the tests, long enough"


@pytest.fixture
def day(dev: Dev, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two patients' records, up to their features."""
    write_members(
        tmp_path, date.fromisoformat(DAY), *({"patient_id": known, "timestamp": ""} for known in ("A1", "B2"))
    )
    monkeypatch.setenv("HEALTHCARE_SOURCE", str(tmp_path / "members-{date}.csv"))
    assert dev.materialize(instance=instance).success


def _asked(job: str, op: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return (
        defs()
        .resolve_job_def(job)
        .execute_in_process(
            run_config={"ops": {op: {"config": {"who": "Grace Hopper", "why": "request 4711"}}}},
            instance=instance,
            raise_on_error=False,
        )
    )


def _rows(dev: Dev, table: Table) -> list[dict[str, Any]]:
    lakehouse = PolarsLakehouse(dev.volume / "home" / "lakehouse")
    rows: list[dict[str, Any]] = lakehouse.collect(lakehouse.scan(table)).to_pylist()
    return rows


@pytest.mark.usefixtures("day")
def test_a_patient_leaves_every_table_of_the_workspace(dev: Dev, instance: dg.DagsterInstance) -> None:
    requests = dev.volume / "home" / "erasure_requests"
    requests.mkdir()
    (requests / "letter.txt").write_text("A1\n")
    result = _asked("erase_patients", "erase", instance)
    assert result.success
    assert [row["patient_id"] for row in _rows(dev, BRONZE_PATIENTS)] == ["B2"]
    for table in (SILVER_PATIENTS, DIM_PATIENTS):
        assert [row["patient_key"] for row in _rows(dev, table)] == [pseudonyms(KEY.encode())("B2")], table.name
    assert list(requests.iterdir()) == []
    last = max(_rows(dev, AUDIT_TRAIL), key=lambda row: int(row["sequence"]))
    assert (last["action"], last["who"], last["why"]) == ("erased", "Grace Hopper", "request 4711")
    [shown] = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    assert shown.materialization.metadata["patients"].value == 1


@pytest.mark.usefixtures("day")
def test_tables_are_re_keyed_with_the_next_secret_of_the_scope_and_days_after_it_are_joined(
    dev: Dev, instance: dg.DagsterInstance
) -> None:
    workspace = ENVIRONMENTS["dev"].workspace
    assert workspace is not None
    secrets = dev.workspace.client().secrets
    refused = _asked("rotate_pseudonym_key", "re_key", instance)
    assert said_of(refused).startswith("There is no next pseudonym key: put a new random secret into the scope")
    secrets.put_secret(workspace.secret_scope, "pseudonym_key_next", string_value=NEXT)
    try:
        assert _asked("rotate_pseudonym_key", "re_key", instance).success
        new = pseudonyms(KEY.encode(), NEXT.encode())
        assert {row["patient_key"] for row in _rows(dev, SILVER_PATIENTS)} == {new("A1"), new("B2")}
        assert dev.materialize(instance=instance).success
        assert {row["patient_key"] for row in _rows(dev, DIM_PATIENTS)} == {new("A1"), new("B2")}
    finally:
        secrets.delete_secret(workspace.secret_scope, "pseudonym_key_next")


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize(("job", "op"), [("erase_patients", "erase"), ("rotate_pseudonym_key", "re_key")])
def test_while_another_run_is_in_progress_they_wait_for_a_person(
    dev: Dev, instance: dg.DagsterInstance, job: str, op: str
) -> None:
    launched = len(dev.workspace.runs())
    instance.create_run_for_job(defs().resolve_job_def("daily_scoring"), status=dg.DagsterRunStatus.STARTED)
    assert said_of(_asked(job, op, instance)) == (
        "Other runs are in progress (daily_scoring): wait until they have ended, terminate in the UI one whose process "
        "has died, and run this again."
    )
    assert len(dev.workspace.runs()) == launched
