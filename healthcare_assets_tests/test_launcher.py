"""What Dagster is told of a step that failed."""

from pathlib import Path

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets.errors import SourceError
from healthcare_assets.steps import bronze


def test_a_failure_is_the_sentence_and_not_its_cause_which_may_quote_a_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster prints and stores the chain of causes, for longer than anyone keeps a day's records."""

    def fail(*_: object) -> None:
        raise SourceError("members.csv cannot be read: deliver it again.") from ValueError("Ada Lovelace")

    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    monkeypatch.setattr(bronze, "run", fail)
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs().resolve_job_def("daily_patients")
        result = job.execute_in_process(
            instance=instance,
            partition_key="2026-01-01",
            asset_selection=[dg.AssetKey("bronze_patients")],
            raise_on_error=False,
        )
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == "members.csv cannot be read: deliver it again."
    assert "Lovelace" not in repr([str(event) for event in result.all_events])
    assert "Lovelace" not in str(failure.error)
