"""What Dagster is told of a step that failed."""

import errno
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.execution.plan.objects import StepFailureData

from databricks_steps.launcher import withholding
from healthcare_assets.definitions import defs
from healthcare_assets.errors import SourceError
from healthcare_assets.resources.fault import summary
from healthcare_assets.steps import bronze


def _failed(home: Path, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> tuple[StepFailureData, str]:
    """What Dagster has of a step that fails so, and all that it says of the run."""
    monkeypatch.setenv("HEALTHCARE_HOME", str(home))
    monkeypatch.setattr(bronze, "run", fail)
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            defs()
            .resolve_job_def("daily_patients")
            .execute_in_process(
                instance=instance,
                partition_key="2026-01-01",
                asset_selection=[dg.AssetKey("bronze_patients")],
                raise_on_error=False,
            )
        )
        logged = [str(entry) for entry in instance.all_logs(result.run_id)]
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    return failure, repr([str(event) for event in result.all_events]) + repr(logged)


def test_a_failure_is_the_sentence_and_not_its_cause_which_may_quote_a_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster prints and stores the chain of causes, for longer than anyone keeps a day's records."""

    def fail(*_: object) -> None:
        raise SourceError("members.csv cannot be read: deliver it again.") from ValueError("Ada " + "Lovelace")

    failure, said = _failed(tmp_path, fail, monkeypatch)
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == "members.csv cannot be read: deliver it again."
    assert "Ada Lovelace" not in said + str(failure.error)


def test_an_unforeseen_error_is_told_by_its_kinds_and_places_and_not_by_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        try:
            pl.Series(["Ada " + "Lovelace"]).cast(pl.Int64)
        except pl.exceptions.InvalidOperationError as error:
            raise OSError(errno.ECONNRESET, str(error)) from error

    failure, said = _failed(tmp_path, fail, monkeypatch)
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description is not None
    assert failure.user_failure_data.description.startswith(
        "The step bronze stopped with an unexpected ConnectionResetError (Connection reset by peer) at "
    )
    traceback = str(failure.user_failure_data.metadata["traceback"].value)
    assert traceback.index("InvalidOperationError\n") < traceback.index(
        "ConnectionResetError (Connection reset by peer)"
    )
    assert "in fail\n" in traceback
    assert "Ada Lovelace" not in said + str(failure.error)


def test_an_interruption_is_no_fault() -> None:
    with pytest.raises(KeyboardInterrupt), withholding("bronze"):
        raise KeyboardInterrupt


def test_a_condition_that_spark_has_a_name_for_is_told() -> None:
    class FromSparkError(Exception):
        def getCondition(self) -> str:  # noqa: N802 - PySpark's name
            return "CAST_INVALID_INPUT"

    assert summary(FromSparkError("Ada Lovelace")) == "FromSparkError (CAST_INVALID_INPUT)"
