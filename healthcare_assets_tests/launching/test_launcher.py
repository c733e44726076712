"""A step in a Databricks workspace: what Dagster is told, what is started there, and what is left of it."""

from typing import Any

import dagster as dg
import pytest

from healthcare_assets_tests.launching.conftest import KEY
from healthcare_assets_tests.launching.dev import Dev, failure_of, said_of
from healthcare_assets_tests.workspace.emulator import Fault

pytestmark = pytest.mark.slow

SUBMIT = r"POST .*/runs/submit"


def test_dagster_is_told_what_it_is_told_of_a_step_in_process(
    dev: Dev, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Materialisations with their metadata and versions, checks with their sentences, logs, in the same order."""

    def told(result: Any) -> list[tuple[str, ...]]:
        assert result.success
        found: list[tuple[str, ...]] = []
        for event in result.all_events:
            if event.event_type_value == "ASSET_MATERIALIZATION":
                materialized = event.event_specific_data.materialization
                metadata = {
                    name: entry.value
                    for name, entry in materialized.metadata.items()
                    # Where it lies, and the entry that records it, whose hash covers the moment: each run's own.
                    if name not in ("location", "audit_entry") and not name.startswith("data_version")
                }
                found.append((materialized.asset_key.to_user_string(), str(sorted(metadata.items(), key=str))))
            if event.event_type_value == "ASSET_CHECK_EVALUATION":
                check = event.event_specific_data
                found.append((check.check_name, str(check.passed), str(check.description), str(check.severity)))
        return found

    remote = told(dev.materialize(instance=instance))
    monkeypatch.undo()
    monkeypatch.setenv("HEALTHCARE_HOME", str(dev.folder / "local"))
    monkeypatch.delenv("HEALTHCARE_ENV", raising=False)
    with dg.DagsterInstance.ephemeral() as of_this_machine:
        local = told(dev.materialize(instance=of_this_machine))
    assert remote == local
    assert len(remote) > 10


def test_a_step_is_one_run_the_code_is_uploaded_once_and_nothing_staged_is_left(
    dev: Dev, instance: dg.DagsterInstance
) -> None:
    assert dev.materialize(instance=instance).success
    assert [run.result for run in dev.workspace.runs()] == ["SUCCESS"] * 4
    assert len({run.token for run in dev.workspace.runs()}) == 4
    uploads = [call.call for call in dev.workspace.calls() if call.call.startswith("PUT") and ".whl" in call.call]
    assert len(uploads) == 1
    assert dev.launches() == []


def test_the_steps_of_a_day_share_one_cluster(dev: Dev, instance: dg.DagsterInstance) -> None:
    before = len(dev.workspace.cluster_starts())
    assert dev.materialize(instance=instance).success
    assert len(dev.workspace.cluster_starts()) - before <= 1
    [listed] = [c for c in dev.workspace.client().clusters.list() if c.cluster_name == "healthcare-assets-dev-daily"]
    assert listed.autotermination_minutes == 15
    assert (listed.custom_tags or {}).items() >= {
        "project": "healthcare-assets",
        "cost_centre": "data-platform-dev",
    }.items()


def test_a_submission_whose_answer_is_lost_starts_one_run(dev: Dev, instance: dg.DagsterInstance) -> None:
    dev.workspace.faults(
        Fault(calls=SUBMIT, answer=503, times=1, after_effect=True),
        Fault(calls=SUBMIT, answer="drop", times=1, after_effect=True),
        Fault(calls=SUBMIT, answer=500, times=1, after_effect=True),
    )
    assert dev.materialize("bronze_patients", instance=instance).success
    assert len([call for call in dev.workspace.calls() if "submit" in call.call]) == 4
    assert len(dev.workspace.runs()) == 1


@pytest.mark.parametrize("answer", [429, 500, 502, 503, 504, "drop"])
def test_polling_survives_a_workspace_with_faults(dev: Dev, instance: dg.DagsterInstance, answer: Any) -> None:
    dev.workspace.faults(Fault(calls=r"GET .*/runs/get\b", answer=answer, times=3))
    assert dev.materialize("bronze_patients", instance=instance).success
    assert len([call for call in dev.workspace.calls() if call.fault is not None]) == 3
    assert len(dev.workspace.runs()) == 1


def test_the_sentence_of_a_foreseen_error_is_dagsters_error(
    dev: Dev, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHCARE_SOURCE", "/data/members.csv")
    result = dev.materialize("bronze_patients", instance=instance)
    assert not result.success
    assert said_of(result).startswith("HEALTHCARE_SOURCE is /data/members.csv, and no such file exists")
    assert "databricks_run" in failure_of(result).user_failure_data.metadata
    assert dev.launches() == []


def test_an_unforeseen_error_is_told_by_kind_and_place_with_the_end_of_the_output(
    dev: Dev, instance: dg.DagsterInstance
) -> None:
    dev.before_step.write_text(
        "import sys, types\nmodule = types.ModuleType('healthcare_assets.steps.bronze')\n"
        "def run(*_):\n    print('just before it')\n    raise ZeroDivisionError('nobody ' + 'foresaw this')\n"
        "module.run = run\nsys.modules['healthcare_assets.steps.bronze'] = module\n"
    )
    said = said_of(dev.materialize("bronze_patients", instance=instance))
    assert "ZeroDivisionError" in said
    assert "nobody foresaw this" not in said
    assert "just before it" in said


def test_a_process_that_dies_without_a_word_is_told_with_its_output(dev: Dev, instance: dg.DagsterInstance) -> None:
    dev.before_step.write_text("import os\nprint('out of memory', flush=True)\nos._exit(137)\n")
    said = said_of(dev.materialize("bronze_patients", instance=instance))
    assert said.startswith("The step bronze failed on Databricks")
    assert "out of memory" in said


def test_the_step_reads_its_secret_through_faults_and_nobody_else_gets_to_see_it(
    dev: Dev, instance: dg.DagsterInstance
) -> None:
    dev.workspace.faults(Fault(calls=r"GET .*/secrets/get\b", answer=500, times=2))
    result = dev.materialize("silver_patients", "quarantined_patients", instance=instance)
    assert result.success
    assert len([call for call in dev.workspace.calls() if call.fault is not None]) == 2
    told = [str(event) for event in result.all_events]
    argv = [str(task.argv) for run in dev.workspace.runs() for task in run.tasks]
    assert KEY not in str([*told, *argv, instance.get_runs()[0].tags])
