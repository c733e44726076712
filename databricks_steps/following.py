"""A run in the workspace, followed to its end: what it reports as it reports it, and how it ended."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from databricks_steps.launches import Context, Launch, note, noted, started
from databricks_steps.order import Fault, outcome_from
from databricks_steps.pipes import VolumeMessageReader
from databricks_steps.workspace import RemoteRun, Workspace
from healthcare_assets.errors import LaunchError
from healthcare_assets.steps.report import AssetReport

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two looks at a run: a short step is not waited for, a long one not asked after all the time."""
_CANCELLED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
_TO_STOP = 120.0
"""Seconds that a cancelled run is given to end before it is left to itself."""


class Following:
    """A launch, from its submission to its end. `request_of` gives what is submitted for one."""

    def __init__(
        self, context: Context, workspace: Workspace, *, step: str, request_of: Callable[[Launch], dict[str, Any]]
    ) -> None:
        self._context = context
        self._workspace = workspace
        self._step = step
        self._request_of = request_of

    def left_behind(self, fresh: Launch) -> Launch | None:
        """What an orchestrator that died, or an attempt that lost sight of it, left going, when it is what `fresh`
        would start.

        A run that has ended is never taken for an answer, and one of other code or settings is stopped first.
        """
        earlier = noted(self._context, self._step)
        if earlier is None:
            return None
        # Where the run's id is not known: submitting with the same token finds the run, or starts it.
        run_id = earlier.run_id or self._workspace.submit(self._request_of(earlier), token=earlier.token)
        run = self._workspace.run(run_id)
        if run is not None and not run.ended:
            if earlier.content == fresh.content:
                self._context.log.info(f"Databricks run {run_id} of an earlier attempt is still going: it is joined.")
                return started(earlier, run_id)
            self._context.log.warning(f"Databricks run {run_id} of an earlier attempt is of other code or settings.")
            self._stop(run_id)
        self.clean(earlier.folder)
        return None

    def reports(
        self, launch: Launch, *, session: dg.PipesSession, reader: VolumeMessageReader, deadline: timedelta
    ) -> Iterator[AssetReport]:
        """Submit the launch, unless it is on its way already, and give what it reports.

        On any exception from here or from whoever reads this, interruptions included, the run is cancelled, and the
        exception goes on. Raises dg.Failure for a run that does not end well, exceeds the deadline, or vanishes.
        """
        run: RemoteRun | None = None
        try:
            launch = self._submitted(launch)
            run_id = launch.run_id or 0
            until, pause, read = self._workspace.clock.time() + deadline.total_seconds(), _SHORTEST_PAUSE, 0
            fault: Fault | None = None
            while True:
                # First the state, then the messages: of a run that has ended, all that it said is there.
                run = self._required(run_id)
                pause = _SHORTEST_PAUSE if reader.pump() else min(pause * 1.5, _LONGEST_PAUSE)
                messages = session.get_custom_messages()[read:]
                read += len(messages)
                for outcome in map(outcome_from, messages):
                    if isinstance(outcome, Fault):
                        fault = outcome
                    else:
                        yield outcome
                if run.ended:
                    break
                self._pause(run, pause, until=until, deadline=deadline)
        except BaseException:
            if run is None or not run.ended:
                self._stop_whatever_runs(launch)
            raise
        if not run.succeeded or fault is not None:
            raise self._failure(run, fault)
        if not read:
            raise dg.Failure(f"The step {self._step} ended and reported nothing: look at its output ({run.page}).")

    def clean(self, folder: str) -> None:
        """Remove what was staged; a workspace that does not let that be done takes nothing from the step's end."""
        try:
            self._workspace.delete_folder(folder)
        except LaunchError as error:
            self._context.log.warning(f"Staged files were left in {folder}. {error}")

    def _submitted(self, launch: Launch) -> Launch:
        if launch.run_id is None:
            note(self._context, self._step, launch)
            launch = started(launch, self._workspace.submit(self._request_of(launch), token=launch.token))
        note(self._context, self._step, launch)
        self._context.log.info(f"The step {self._step} is Databricks run {launch.run_id}.")
        return launch

    def _required(self, run_id: int) -> RemoteRun:
        run = self._workspace.run(run_id)
        if run is None:
            raise dg.Failure(
                f"The Databricks run {run_id} of the step {self._step} has vanished: the workspace knows of no such "
                "run. Look who deleted it, then run the step again."
            )
        return run

    def _stop_whatever_runs(self, launch: Launch) -> None:
        """So that nothing goes on unseen. A submission whose answer is not known is made again, which starts nothing
        where it had started something."""
        try:
            run_id = launch.run_id or self._workspace.submit(self._request_of(launch), token=launch.token)
            self._stop(run_id)
        except LaunchError as error:
            self._context.log.error(  # noqa: TRY400 - the sentence says it all
                f"The step {self._step} could not be stopped. {error}"
            )

    def _stop(self, run_id: int) -> None:
        """Cancel the run and see it end; raises LaunchError when it does not."""
        self._workspace.cancel(run_id)
        until = self._workspace.clock.time() + _TO_STOP
        while (run := self._workspace.run(run_id)) is not None and not run.ended:
            if self._workspace.clock.time() > until:
                raise LaunchError(
                    f"The Databricks run {run_id} was cancelled and has not ended after {_TO_STOP:.0f} seconds: "
                    f"look at it ({run.page}) before the step is run again."
                )
            self._workspace.clock.sleep(_SHORTEST_PAUSE)

    def _pause(self, run: RemoteRun, seconds: float, *, until: float, deadline: timedelta) -> None:
        """Wait, unless time is up, or Dagster's run was cancelled without this process being told."""
        of_dagster = self._context.instance.get_run_by_id(self._context.run.run_id)
        if of_dagster is not None and of_dagster.status in _CANCELLED:
            raise dg.DagsterExecutionInterruptedError
        if self._workspace.clock.time() > until:
            raise dg.Failure(
                f"The step {self._step} did not end within {deadline} ({run.page or f'run {run.run_id}'}) and was "
                "cancelled: look what it waits for, or raise the environment's deadline.",
                allow_retries=False,
            )
        self._workspace.clock.sleep(seconds)

    def _failure(self, run: RemoteRun, fault: Fault | None) -> dg.Failure:
        """The step's own error first, then what the workspace says and the end of what the step printed."""
        output = "" if run.task_run_id is None else self._workspace.output(run.task_run_id)
        metadata: dict[str, dg.MetadataValue] = {"databricks_run": dg.MetadataValue.int(run.run_id)}
        if run.page:
            metadata["databricks_run_page"] = dg.MetadataValue.url(run.page)
        if output:
            metadata["output"] = dg.MetadataValue.md(f"```\n{output}\n```")
        if fault is not None and fault.foreseen:
            return dg.Failure(fault.said, metadata=metadata, allow_retries=False)
        said = [f"The step {self._step} failed on Databricks ({run.said or 'without a word'})."]
        said += [fault.said.strip()] if fault is not None else []
        said += [f"The end of its output:\n{output}"] if output else []
        return dg.Failure("\n".join(said), metadata=metadata)
