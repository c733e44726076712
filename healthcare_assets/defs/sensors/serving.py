"""Whenever the champion may have moved, by a verdict or by a rollback, the endpoint is to follow."""

import dagster as dg

from healthcare_assets.defs.jobs import serving


@dg.asset_sensor(
    name="follow_champion",
    asset_key=dg.AssetKey("champion_history"),
    job=serving,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts the champion behind the serving endpoint when it has moved, by a verdict or by a rollback.",
)
def follow_champion(context: dg.SensorEvaluationContext, moved: dg.EventLogEntry) -> dg.RunRequest:  # noqa: ARG001 - Dagster's signature
    return dg.RunRequest(run_key=f"{moved.run_id}-{moved.timestamp}")
