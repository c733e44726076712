"""What Dagster's storage says of the checks and jobs of the code location, in the words of the alerts.

Dagster has no public call that returns evaluations of checks across runs but the deprecated `get_event_records`, which
opens a file a run on SQLite. The event log storage keeps a row an evaluation, with its partition, in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecord,
)
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import PARTITION_NAME_TAG

from healthcare_assets.domain.monitoring.alerting import AlertState, Evaluation, subject
from healthcare_assets.domain.monitoring.messages import RUN

_RERUNS_OF_A_DAY = 20
"""Rows go by when a run was planned, and the last one to be planned need not be the last one to be done."""
_RUNS_AT_FIRST = 200
_OVERLAP = timedelta(minutes=5)
"""Clocks differ, and a run may be written late. What is looked at twice changes nothing."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What the code location has that can fail."""

    checks: Sequence[dg.AssetCheckKey]
    jobs: Sequence[str]

    @property
    def names(self) -> frozenset[str]:
        """As the alerts call them."""
        checks = {subject(key.asset_key.to_user_string(), key.name) for key in self.checks}
        return frozenset(checks | {subject(job, RUN) for job in self.jobs})


def watched_in(repository: dg.RepositoryDefinition) -> Watched:
    """All checks and all named jobs. Who materialises assets by hand sees for himself how it ends."""
    return Watched(
        checks=sorted(repository.asset_graph.asset_check_keys, key=str),
        jobs=sorted(name for name in repository.job_names if not name.startswith("__")),
    )


def evaluations(instance: dg.DagsterInstance, watched: Watched, state: AlertState) -> list[Evaluation]:
    """What is new since the state's last look: how runs ended, and what the checks say of their newest days.

    Where nothing has run since, nothing can be new, and nobody asks: reading forty checks with a year of days takes
    two seconds on SQLite. The first look goes by the last 200 runs, and by the newest day of every check.
    """
    since = state.looked_at
    records = instance.get_run_records(
        dg.RunsFilter(updated_after=None if since is None else since - _OVERLAP),
        limit=_RUNS_AT_FIRST if since is None else None,
        order_by="update_timestamp",
    )
    under_way = instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    if since is not None and not records and not under_way:
        return []
    endings = (_ending(instance, record) for record in records if record.dagster_run.job_name in watched.jobs)
    newest = (_newest(instance, key, state) for key in watched.checks)
    return [evaluation for evaluation in (*endings, *newest) if evaluation is not None]


def _newest(instance: dg.DagsterInstance, key: dg.AssetCheckKey, state: AlertState) -> Evaluation | None:
    """The last evaluation of the check's newest evaluated day; None where that is older than the newest known."""
    standing = state.checks.get(subject(key.asset_key.to_user_string(), key.name))
    known = standing.day if standing and standing.day else date.min
    partitions = {
        info.partition_key: _day(info.partition_key)
        for info in instance.event_log_storage.get_asset_check_partition_info([key])
    }
    # Where the newest day is still being evaluated, the one before it has the say.
    for partition in sorted(partitions, key=lambda name: partitions[name] or date.min, reverse=True):
        if (partitions[partition] or date.min) < known:
            return None
        records = instance.event_log_storage.get_asset_check_execution_history(
            key,
            limit=_RERUNS_OF_A_DAY,
            status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
            partition_filter=PartitionKeyFilter(key=partition),
        )
        said = [evaluation for record in records if (evaluation := _evaluation(record)) is not None]
        if said:
            return max(said, key=lambda evaluation: evaluation.evaluated_at)
    return None


def _evaluation(record: AssetCheckExecutionRecord) -> Evaluation | None:
    said = record.evaluation
    if record.event is None or not isinstance(said, AssetCheckEvaluation):
        return None
    return Evaluation(
        asset=said.asset_key.to_user_string(),
        check=said.check_name,
        day=_day(said.partition),
        passed=said.passed,
        severity="warning" if said.severity == dg.AssetCheckSeverity.WARN else "error",
        description=said.description or "",
        evaluated_at=datetime.fromtimestamp(record.event.timestamp, tz=UTC),
    )


def _ending(instance: dg.DagsterInstance, record: RunRecord) -> Evaluation | None:
    """How a run ended. One that a check stopped says nothing of its job: the check has its own alert."""
    run = record.dagster_run
    if run.status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE):
        return None
    passed = run.status == dg.DagsterRunStatus.SUCCESS
    sentence = "The run succeeded." if passed else _why_it_failed(instance, run.run_id)
    if sentence is None:
        return None
    # A run that its process did not live to end has no such time.
    ended_at = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
    return Evaluation(
        asset=run.job_name,
        check=RUN,
        day=_day(run.tags.get(PARTITION_NAME_TAG)),
        passed=passed,
        severity="error",
        description=sentence,
        evaluated_at=datetime.fromtimestamp(ended_at, tz=UTC),
    )


def _why_it_failed(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """In the failed step's own words, where they were written for the user; None where a check stopped the run.

    What an exception says may quote a record, so only its kind is told.
    """
    steps: dict[str, StepFailureData] = {
        event.step_key or "": event.step_failure_data
        for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        if (event := record.event_log_entry.dagster_event) is not None
    }
    if not steps:
        return "The run ended outside of its steps: its process was killed, or did not start."
    own = [(step, data) for step, data in steps.items() if _kind(data) != DagsterAssetCheckFailedError.__name__]
    for step, data in own:
        if data.user_failure_data is not None and data.user_failure_data.description:
            return f"Step {step}: {data.user_failure_data.description}"
    return f"Step {own[0][0]} stopped with an unexpected {_kind(own[0][1])}." if own else None


def _kind(data: StepFailureData) -> str:
    error = data.error.cause if data.error and data.error.cause else data.error
    return (error.cls_name if error else None) or "error"


def _day(partition: str | None) -> date | None:
    try:
        return None if partition is None else date.fromisoformat(partition)
    except ValueError:
        return None
