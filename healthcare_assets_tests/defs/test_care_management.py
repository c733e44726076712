"""The care team's list as Dagster makes it and shows it."""

import csv
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.care_days import predicted, prediction

DAY = date(2026, 1, 5)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four scored patients, three of whom a rule lists."""
    for variable in ("HEALTHCARE_ENV", "HEALTHCARE_ENGINE", "HEALTHCARE_SOURCE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    monkeypatch.setenv("HEALTHCARE_CARE_CAPACITY", "2")
    people = (prediction(f"{number:032x}", score) for number, score in enumerate((10.0, 99.0, 91.0, 86.0)))
    predicted(runtime_at(tmp_path).lakehouse, DAY, *people)
    return tmp_path


def _materialised(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return (
        defs()
        .resolve_job_def("daily_scoring")
        .execute_in_process(
            instance=instance,
            partition_key=DAY.isoformat(),
            asset_selection=[dg.AssetKey("care_management")],
            raise_on_error=False,
        )
    )


def test_the_list_is_made_exported_and_shown(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = _materialised(instance)
        assert result.success
        [materialization] = result.asset_materializations_for_node("care_management")
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(("schema_matches_contract", "one_row_per_patient", "ranks_without_gaps"), True)
    metadata = {name: entry.value for name, entry in materialization.metadata.items()}
    assert metadata["dagster/partition_row_count"] == 3
    assert (metadata["capacity"], metadata["beyond_capacity"]) == (2, 1)
    assert "| high_cost | withheld | all |" in str(metadata["by_rule"])
    assert "| 3 | critical | critical | 86.0 |  | $34,400 |" in str(metadata["first_of_the_list"])
    exported = Path(str(metadata["export"]))
    assert exported == home / "exports" / f"care_management-{DAY}.csv"
    with exported.open(encoding="utf-8", newline="") as file:
        assert [row["patient_key"] for row in csv.DictReader(file)] == [f"{number:032x}" for number in (1, 2)]
    assert "0" * 30 not in str(metadata)


def test_a_capacity_that_is_none_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHCARE_CARE_CAPACITY", "a few")
    with dg.DagsterInstance.ephemeral() as instance:
        [failure] = [event for event in _materialised(instance).all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert str(said.description).startswith("HEALTHCARE_CARE_CAPACITY is 'a few': set it to how many patients")
