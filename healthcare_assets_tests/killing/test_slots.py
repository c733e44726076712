"""What a killed run holds of Dagster's pools is given back."""

import datetime
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.monitoring import concurrency

from healthcare_assets.dagster_home import prepare
from healthcare_assets.environments import settings_from

POOL = "dim_patients"


def test_the_slot_of_a_run_that_was_killed_is_free_again_once_the_run_is_known_to_have_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_from({"HEALTHCARE_HOME": str(tmp_path)})
    prepare(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        slots = instance.event_log_storage
        slots.initialize_concurrency_limit_to_default(POOL)
        run = create_run_for_test(instance, "daily_scoring", status=dg.DagsterRunStatus.STARTED)
        slots.claim_concurrency_slot(POOL, run.run_id, "dim_patients")
        instance.report_run_failed(run)

        def freed(*, minutes_later: int) -> bool:
            now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes_later)
            monkeypatch.setattr(concurrency, "get_current_datetime", lambda: now)
            daemon: Any = SimpleNamespace(instance=instance)
            list(concurrency.execute_concurrency_slots_iteration(daemon, logging.getLogger(__name__)))
            return slots.get_concurrency_info(POOL).active_slot_count == 0

        assert not freed(minutes_later=1)
        assert freed(minutes_later=6)
