"""An asset asks for its step to be launched; what comes back are Dagster's own results.

In `local` the step runs in the process that asks. A launcher that runs it elsewhere has the same face.
"""

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

import dagster as dg

from healthcare_assets.environments import settings_from
from healthcare_assets.errors import HealthcareError
from healthcare_assets.steps.catalogue import STEPS, code_version

if TYPE_CHECKING:
    from healthcare_assets.steps.report import AssetReport, MetadataEntry
    from healthcare_assets.steps.runtime import Runtime

Results = Iterator[dg.MaterializeResult[None]]

_SEVERITIES = {"warning": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


class StepLauncher(Protocol):
    """Runs a step and yields a result for each asset that it wrote."""

    def launch(self, context: dg.AssetExecutionContext, step: str) -> Results: ...

    def operate(self, context: dg.OpExecutionContext, operation: str, *, who: str, why: str) -> None: ...


class InProcessStepLauncher:
    """Runs a step in this process, on the engine and the folder that the environment variables name."""

    def launch(self, context: dg.AssetExecutionContext, step: str) -> Results:
        """Run the step for the context's day.

        Raises dg.Failure, without retries, with the sentence of an error that was written for the user.
        """
        from healthcare_assets.steps.running import run_step

        day = date.fromisoformat(context.partition_key) if STEPS[step].daily else None
        with telling(), withholding(step):
            report = run_step(step, _runtime(context, step), day=day)
        for asset in report:
            yield asset_result(asset)

    def operate(self, context: dg.OpExecutionContext, operation: str, *, who: str, why: str) -> None:
        """Do what a person asks for, and show it as materializations of the assets that it changed.

        Raises dg.Failure, as `launch`.
        """
        from healthcare_assets.steps.running import run_operation

        with telling(), withholding(operation):
            reports = run_operation(operation, _runtime(context, operation), who=who, why=why)
        for report in reports:
            show(context, report)


def show(context: dg.OpExecutionContext, report: "AssetReport") -> None:
    """What an operation did to an asset, in the asset's own history."""
    context.log_event(dg.AssetMaterialization(report.asset, metadata=asset_result(report).metadata))


_ORDERED_BY: Mapping[str, str] = {
    "dagster/schedule_name": "schedule",
    "dagster/sensor_name": "sensor",
    "dagster/backfill": "backfill",
}
"""Tags of a run that say what asked for it."""


def ordered_by(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    """What asked for the run, or where that was nothing that runs by itself, the login that it runs with."""
    for tag, kind in _ORDERED_BY.items():
        if name := context.run.tags.get(tag):
            return f"{kind} {name}"
    return f"{_login()}, by hand"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container without a name for its user
        return "a login without a name"


@contextmanager
def telling() -> Iterator[None]:
    """An error that was written for the user fails the step with its sentence, and without retries."""
    try:
        yield
    except HealthcareError as error:
        # The sentence says it all; the cause, which Dagster would print and store, may quote a patient's record.
        raise dg.Failure(description=str(error), allow_retries=False) from None


@contextmanager
def withholding(step: str) -> Iterator[None]:
    """An error that nobody foresaw fails the step too, and is told by its kind and place: it may quote a record."""
    try:
        yield
    except HealthcareError:
        raise
    except BaseException as error:
        from healthcare_assets.resources.fault import is_fault, places, summary

        if not is_fault(error):
            raise
        raise dg.Failure(
            description=f"The step {step} stopped with an unexpected {summary(error)}. What it says is left out, since "
            "it may quote a record; docs/sources.md tells how who may read bronze sees it.",
            metadata={"traceback": dg.MetadataValue.md(f"```\n{places(error)}\n```")},
        ) from None


def _runtime(context: dg.AssetExecutionContext | dg.OpExecutionContext, name: str) -> "Runtime":
    from healthcare_assets.steps.runtime import Runtime

    return Runtime(
        settings=settings_from(),
        now=datetime.now(UTC),
        run_id=context.run.run_id,
        log=context.log.info,
        code_version=code_version(name),
        ordered_by=ordered_by(context),
    )


def asset_result(report: "AssetReport") -> "dg.MaterializeResult[None]":
    """What a step reports of an asset, as Dagster's own result: the same wherever the step ran."""
    metadata: dict[str, dg.MetadataValue] = {name: _metadata_value(entry) for name, entry in report.metadata.items()}
    metadata["location"] = dg.MetadataValue.path(report.location)
    if lineage := column_lineage(report.asset):
        metadata["dagster/column_lineage"] = dg.MetadataValue.column_lineage(lineage)
    if report.rows is not None:
        metadata["dagster/partition_row_count"] = dg.MetadataValue.int(report.rows)
    if report.rows_in_table is not None:
        metadata["dagster/row_count"] = dg.MetadataValue.int(report.rows_in_table)
    return dg.MaterializeResult(
        asset_key=report.asset,
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                asset_key=report.asset,
                check_name=check.name,
                passed=check.passed,
                description=check.description,
                metadata=dict(check.metadata),
                severity=_SEVERITIES[check.severity],
            )
            for check in report.checks
        ],
        data_version=dg.DataVersion(report.data_version) if report.data_version else None,
    )


def column_lineage(asset: str) -> dg.TableColumnLineage | None:
    """Which columns of other assets each column of the asset is made from; None for what is no such table."""
    from healthcare_assets.domain.lineage import LINEAGE

    if asset not in LINEAGE:
        return None
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=table, column_name=origin) for table, origin in origins]
            for column, origins in LINEAGE[asset].items()
        }
    )


def _metadata_value(entry: "MetadataEntry") -> dg.MetadataValue:
    from healthcare_assets.steps.report import Link, Markdown

    match entry:
        case Markdown(text):
            return dg.MetadataValue.md(text)
        case Link(url):
            return dg.MetadataValue.url(url)
        case bool():
            return dg.MetadataValue.bool(entry)
        case int():
            return dg.MetadataValue.int(entry)
        case float():
            return dg.MetadataValue.float(entry)
        case str():
            return dg.MetadataValue.text(entry)
