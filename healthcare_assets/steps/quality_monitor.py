"""Predictions → the workspace's own monitor of them, where there is a Unity Catalog."""

from datetime import date

from healthcare_assets.domain.tables import PREDICTIONS, TRAINING_PATIENTS
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime

ASSET = "predictions_quality_monitor"


def run(runtime: Runtime, day: date) -> StepReport:
    """See that the predictions are monitored as declared, and have the metrics computed with the day's in them."""
    environment = runtime.settings.environment
    if environment.schema is None:
        told = f"no Unity Catalog here (HEALTHCARE_ENV={environment.name}): nothing to create"
        return (AssetReport(asset=ASSET, location="none", metadata={"monitor": told}),)
    from healthcare_assets.resources.quality_monitor import ensure_monitor, open_client

    table = f"{environment.schema}.{PREDICTIONS.name}"
    monitor = ensure_monitor(
        open_client(),
        table=table,
        baseline_table=f"{environment.schema}.{TRAINING_PATIENTS.name}",
        output_schema=environment.schema,
        assets_dir=f"/Workspace/Shared/healthcare_assets/{environment.name}/{PREDICTIONS.name}",
    )
    runtime.log(f"The monitor of {table} is {monitor.change}; refresh {monitor.refresh_id} takes {day} in.")
    return (
        AssetReport(
            asset=ASSET,
            location=table,
            metadata={
                "monitor": monitor.change,
                "refresh_id": monitor.refresh_id,
                "refresh_state": monitor.refresh_state,
                "dashboard_id": monitor.dashboard_id or "none yet: the monitor is being made",
                "profile_table": monitor.profile_table,
                "drift_table": monitor.drift_table,
            },
        ),
    )
