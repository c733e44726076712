"""Asks for a training when the monitored days give cause to; the rule itself is `domain.monitoring.retraining`."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from healthcare_assets.defs.jobs import training
from healthcare_assets.domain.monitoring.retraining import Circumstances, MonitoredEvidence, decide, evidence_from
from healthcare_assets.policy import POLICY

_MONITORED = dg.AssetKey("drift_report")
_TRAINED = dg.AssetKey("trained_model")
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

CAUSE_TAG = "healthcare/retraining_cause"


@dg.sensor(
    job=training,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a training when the newest costs show the model to be wrong, or when drift lasts.",
)
def retraining(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    instance = context.instance
    circumstances = Circumstances(
        last_trained_at=_last_trained_at(instance),
        training_under_way=_training_under_way(instance),
        last_asked_for=date.fromisoformat(context.cursor) if context.cursor else None,
    )
    decision = decide(_newest_days(instance), circumstances, policy=POLICY)
    cause = decision.cause
    if cause is None:
        return dg.SkipReason(decision.why_not)
    tags = {
        CAUSE_TAG: cause.sentence,
        "healthcare/retraining_kind": cause.kind,
        "healthcare/retraining_day": cause.day.isoformat(),
        "healthcare/retraining_instead_of_version": cause.model_version,
    }
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=cause.key, tags=tags)],
        cursor=cause.day.isoformat(),
    )


def _newest_days(instance: dg.DagsterInstance) -> list[MonitoredEvidence]:
    """What the newest monitored days say, each as it was monitored last."""
    monitored = instance.get_materialized_partitions(_MONITORED)
    if not monitored:
        return []
    newest = date.fromisoformat(max(monitored))
    wanted = {(newest - timedelta(days=back)).isoformat() for back in range(POLICY.retraining.of_last_days)}
    return [_evidence(instance, day) for day in sorted(wanted & monitored)]


def _evidence(instance: dg.DagsterInstance, day: str) -> MonitoredEvidence:
    of_the_day = dg.AssetRecordsFilter(_MONITORED, asset_partitions=[day])
    [record] = instance.fetch_materializations(of_the_day, limit=1).records
    materialization = record.asset_materialization
    metadata = {name: value.value for name, value in materialization.metadata.items()} if materialization else {}
    return evidence_from(
        metadata, day=date.fromisoformat(day), monitored_at=datetime.fromtimestamp(record.timestamp, UTC)
    )


def _last_trained_at(instance: dg.DagsterInstance) -> datetime | None:
    event = instance.get_latest_materialization_event(_TRAINED)
    return datetime.fromtimestamp(event.timestamp, UTC) if event else None


def _training_under_way(instance: dg.DagsterInstance) -> bool:
    """By the training job, or by whoever materialises the model from the asset graph."""
    return any(
        run.job_name == training.name or _TRAINED in (run.asset_selection or ())
        for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))
    )
