"""The workspace's own monitor of the predictions: Databricks computes profiles, drift and a dashboard from a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from healthcare_assets.errors import QualityMonitorError
from healthcare_assets.resources import workspace
from healthcare_assets.resources.workspace import patiently, said

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import MonitorInferenceLog, MonitorInfo, MonitorRefreshInfo

Change = Literal["created", "updated", "unchanged"]

SLICES = ("high_risk_patient", "risk_category")
"""Columns of the predictions by whose values the metrics are computed too."""

_UNDER_WAY = ("PENDING", "RUNNING")


@dataclass(frozen=True, kw_only=True)
class RefreshedMonitor:
    """The monitor as it is now, and the refresh of its metrics that was asked for."""

    change: Change
    refresh_id: str
    refresh_state: str
    """PENDING or RUNNING, as a rule: nobody waits for it."""
    dashboard_id: str | None
    """None while the monitor is being made."""
    profile_table: str
    drift_table: str


def open_client() -> "WorkspaceClient":
    """A client of the workspace that the environment names. Raises QualityMonitorError when none can be had."""
    return workspace.open_client(QualityMonitorError)


def ensure_monitor(
    client: "WorkspaceClient", *, table: str, baseline_table: str, output_schema: str, assets_dir: str
) -> RefreshedMonitor:
    """Make the monitor of the table where it has none, bring its settings up to date, and refresh its metrics.

    Tables are `<catalog>.<schema>.<table>`, the schema `<catalog>.<schema>`, the folder one of the workspace; the
    folder and what others have set (schedule, notifications, own metrics) stay as they are once the monitor is there.
    A workspace with a fault that may pass is asked again. Raises QualityMonitorError.
    """
    with _answering(table, baseline_table):
        change: Change = "unchanged"
        monitor = _current(client, table)
        if monitor is None:
            monitor, change = _created(client, table, baseline_table, output_schema, assets_dir)
        if not _fits(monitor, baseline_table, output_schema):
            monitor, change = _updated(client, monitor, baseline_table, output_schema), "updated"
        refresh = _refreshed(client, table)
    return RefreshedMonitor(
        change=change,
        refresh_id=str(refresh.refresh_id),
        refresh_state=refresh.state.value,
        dashboard_id=monitor.dashboard_id,
        profile_table=monitor.profile_metrics_table_name,
        drift_table=monitor.drift_metrics_table_name,
    )


def _current(client: "WorkspaceClient", table: str) -> "MonitorInfo | None":
    from databricks.sdk.errors import NotFound

    try:
        return patiently(lambda: client.quality_monitors.get(table))
    except NotFound:
        return None


def _created(
    client: "WorkspaceClient", table: str, baseline_table: str, output_schema: str, assets_dir: str
) -> "tuple[MonitorInfo, Change]":
    from databricks.sdk.errors import ResourceConflict

    try:
        monitor = patiently(
            lambda: client.quality_monitors.create(
                table,
                assets_dir,
                output_schema,
                baseline_table_name=baseline_table,
                inference_log=_inference_log(),
                slicing_exprs=list(SLICES),
            )
        )
    except ResourceConflict:
        # Somebody else has made it meanwhile, or an answer got lost and it was asked twice.
        return patiently(lambda: client.quality_monitors.get(table)), "unchanged"
    return monitor, "created"


def _updated(
    client: "WorkspaceClient", monitor: "MonitorInfo", baseline_table: str, output_schema: str
) -> "MonitorInfo":
    """An update replaces all settings, so those that are not ours are handed back."""
    return patiently(
        lambda: client.quality_monitors.update(
            monitor.table_name,
            output_schema,
            baseline_table_name=baseline_table,
            inference_log=_inference_log(),
            slicing_exprs=list(SLICES),
            custom_metrics=monitor.custom_metrics,
            dashboard_id=monitor.dashboard_id,
            data_classification_config=monitor.data_classification_config,
            notifications=monitor.notifications,
            schedule=monitor.schedule,
        )
    )


def _refreshed(client: "WorkspaceClient", table: str) -> "MonitorRefreshInfo":
    """A refresh of the metrics: a new one, or the one that is under way and lets no other begin."""
    from databricks.sdk.errors import InvalidState, ResourceConflict

    try:
        return patiently(lambda: client.quality_monitors.run_refresh(table))
    except (InvalidState, ResourceConflict):
        refreshes = patiently(lambda: client.quality_monitors.list_refreshes(table)).refreshes or []
        under_way = [refresh for refresh in refreshes if refresh.state.value in _UNDER_WAY]
        if not under_way:
            raise
        return max(under_way, key=lambda refresh: refresh.start_time_ms)


def _fits(monitor: "MonitorInfo", baseline_table: str, output_schema: str) -> bool:
    log = monitor.inference_log
    return (
        log is not None
        and log.as_dict() == _inference_log().as_dict()
        and monitor.baseline_table_name == baseline_table
        and monitor.output_schema_name == output_schema
        and sorted(monitor.slicing_exprs or []) == sorted(SLICES)
    )


def _inference_log() -> "MonitorInferenceLog":
    from databricks.sdk.service.catalog import MonitorInferenceLog, MonitorInferenceLogProblemType

    return MonitorInferenceLog(
        problem_type=MonitorInferenceLogProblemType.PROBLEM_TYPE_REGRESSION,
        prediction_col="predicted_charges",
        timestamp_col="predicted_at",
        model_id_col="model_version",
        granularities=["1 day"],
    )


@contextmanager
def _answering(table: str, baseline_table: str) -> Iterator[None]:
    """Turn what the SDK raises into one sentence for the user."""
    from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated
    from databricks.sdk.errors.base import DatabricksError

    try:
        yield
    except Unauthenticated as error:
        raise QualityMonitorError(
            f"The workspace does not know who asks for the monitor of {table} ({said(error)}): renew the credentials."
        ) from error
    except PermissionDenied as error:
        raise QualityMonitorError(
            f"The monitor of {table} may not be made or refreshed ({said(error)}): grant this job's user USE CATALOG "
            "and USE SCHEMA, and make it the owner of the table."
        ) from error
    except NotFound as error:
        raise QualityMonitorError(
            f"The monitor of {table} lacks a table ({said(error)}): materialise predictions, and trained_model for "
            f"{baseline_table}, first."
        ) from error
    except (DatabricksError, TimeoutError, OSError) as error:
        raise QualityMonitorError(
            f"The workspace did not take the monitor of {table} ({said(error)}): "
            "materialise predictions_quality_monitor again in some minutes."
        ) from error
