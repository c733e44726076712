"""Launches a step as a Databricks run, and follows it to its end.

Better than the library's own clients in this: one run whatever answer gets lost, polling that survives a workspace with
faults, a deadline, a cancelled step that fails, the step's own error in Dagster's, and a retry that joins the run which
a dead orchestrator left behind.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg

from databricks_steps.clusters import required_workspace
from databricks_steps.code import staged_code
from databricks_steps.following import Following
from databricks_steps.launcher import Results, asset_result, ordered_by, show, telling
from databricks_steps.launches import Context, launches_folder, new_launch
from databricks_steps.mlflow_run import mlflow_run
from databricks_steps.order import FORWARDED, Order
from databricks_steps.pipes import VolumeContextInjector, VolumeMessageReader
from databricks_steps.request import run_request
from databricks_steps.workspace import Workspace, open_workspace
from healthcare_assets.compute import Workload
from healthcare_assets.environments import Environment, environment_from
from healthcare_assets.errors import LaunchError
from healthcare_assets.steps.catalogue import OPERATIONS, STEPS, code_version
from healthcare_assets.steps.report import AssetReport


@dataclass(frozen=True, kw_only=True)
class DatabricksStepLauncher:
    """Runs a step in the workspace of the environment that HEALTHCARE_ENV names."""

    open_workspace: Callable[[], Workspace] = open_workspace
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def launch(self, context: dg.AssetExecutionContext, step: str) -> Results:
        """Run the step for the context's day.

        Raises dg.Failure: with the sentence of an error that was written for the user, and without retries; with the
        step's own error and the end of its output for any other.
        """
        spec = STEPS[step]
        with telling():
            environment = environment_from(self.variables)
            with mlflow_run(context, environment, spec.experiment, variables=self.variables) as mlflow_run_id:
                order = Order(
                    step=step,
                    environment=environment.name,
                    now=datetime.now(UTC),
                    run_id=context.run.run_id,
                    code_version=code_version(step),
                    day=date.fromisoformat(context.partition_key) if spec.daily else None,
                    settings=self._forwarded(),
                    mlflow_run_id=mlflow_run_id,
                    who=ordered_by(context),
                )
                for report in self._reports(context, environment, order, workload=spec.workload):
                    yield asset_result(report)

    def operate(self, context: dg.OpExecutionContext, operation: str, *, who: str, why: str) -> None:
        """Do what a person asks for, and show it as materializations of the assets that it changed.

        Raises dg.Failure, as `launch`.
        """
        if OPERATIONS[operation].alone:
            _check_alone(context)
        with telling():
            environment = environment_from(self.variables)
            order = Order(
                step=operation,
                environment=environment.name,
                now=datetime.now(UTC),
                run_id=context.run.run_id,
                code_version=code_version(operation),
                settings=self._forwarded(),
                who=who,
                why=why,
            )
            for report in self._reports(context, environment, order, workload=OPERATIONS[operation].workload):
                show(context, report)

    def _forwarded(self) -> dict[str, str]:
        return {name: self.variables[name] for name in FORWARDED if self.variables.get(name)}

    def _reports(
        self, context: Context, environment: Environment, order: Order, *, workload: Workload
    ) -> Iterator[AssetReport]:
        workspace, of = self.open_workspace(), required_workspace(environment)
        code = staged_code(workspace, environment)
        request_of = partial(run_request, workspace, environment, order, code, workload=workload)
        following = Following(context, workspace, step=order.step, request_of=request_of)
        fresh = new_launch(context, order, volume=of.volume_path, wheel=code.wheel)
        left = following.left_behind(fresh)
        launch = left or fresh
        reader = VolumeMessageReader(workspace, launch)
        injector = VolumeContextInjector(workspace, launch, joined=left is not None)
        try:
            # The op's own context: on an asset's, Pipes itself uses what Dagster has deprecated.
            of_op = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
            with dg.open_pipes_session(of_op, injector, reader, extras={"order": order.as_json()}) as session:
                yield from following.reports(launch, session=session, reader=reader, deadline=of.deadline)
        finally:
            following.clean(launch.folder)
            _sweep(following, workspace, environment)


def _check_alone(context: dg.OpExecutionContext) -> None:
    """What another run writes meanwhile would bring back what goes. dg.Failure while one is in progress."""
    statuses = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    under_way = context.instance.get_runs(dg.RunsFilter(statuses=statuses))
    others = sorted(run.job_name for run in under_way if run.run_id != context.run.run_id)
    if others:
        raise dg.Failure(
            f"Other runs are in progress ({', '.join(others)}): wait until they have ended, terminate in the UI one "
            "whose process has died, and run this again.",
            allow_retries=False,
        )


def _sweep(following: Following, workspace: Workspace, environment: Environment) -> None:
    """Remove what orchestrators left that died and were never asked again: no run outlives the deadline."""
    of = required_workspace(environment)
    oldest = (workspace.clock.time() - 2 * of.deadline.total_seconds()) * 1000
    try:
        stale = [e for e in workspace.entries(launches_folder(of.volume_path)) if 0 < e.modified < oldest]
    except LaunchError:
        return
    for entry in stale:
        following.clean(entry.path)
