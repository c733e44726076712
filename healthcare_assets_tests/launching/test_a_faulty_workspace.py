"""Twenty days in a workspace of which every fifth answer is wrong."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from databricks_steps.bundle_jobs import JOBS
from healthcare_assets.environments import environment_from
from healthcare_assets.resources.registry import ModelRegistry
from healthcare_assets_tests.champions import promoted
from healthcare_assets_tests.launching.deliveries import delivered
from healthcare_assets_tests.launching.dev import Dev
from healthcare_assets_tests.workspace.emulator import Fault

pytestmark = pytest.mark.slow

DAYS = [date(2026, 1, 1) + timedelta(days=days) for days in range(20)]
STEPS_A_DAY = len(JOBS["batch_inference"].steps)
"""The job of Dagster, daily_scoring, has the same."""
# One in five in all: each is asked for those answers that none before it took.
FAULTS = (
    Fault(answer=429, probability=0.05),
    Fault(answer=500, probability=0.053, after_effect=True),
    Fault(answer=503, probability=0.056, after_effect=True),
    Fault(answer="drop", probability=0.059, after_effect=True),
)


def test_twenty_daily_runs_all_succeed_with_one_databricks_run_a_step(
    dev: Dev, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHCARE_SOURCE", delivered(tmp_path, DAYS, members=150))
    environment = environment_from()
    promoted(
        ModelRegistry(
            dev.variables["MLFLOW_TRACKING_URI"],
            name=environment.registered_model,
            experiment_root=environment.experiment_root,
        )
    )
    dev.workspace.faults(*FAULTS, seed=20)
    for day in DAYS:
        assert dev.materialize(instance=instance, job="daily_scoring", day=day.isoformat()).success, day
    runs, calls = dev.workspace.runs(), dev.workspace.calls()
    assert [run.result for run in runs] == ["SUCCESS"] * (len(DAYS) * STEPS_A_DAY)
    assert len({run.token for run in runs}) == len(runs) == dev.workspace.processes_started()
    assert 0.15 < sum(call.fault is not None for call in calls) / len(calls) < 0.25
    dev.workspace.faults()
    assert dev.launches() == []
