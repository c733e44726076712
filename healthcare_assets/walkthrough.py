"""The graph materialised end to end, a job after the other, with its progress on the console."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.utils import make_new_run_id
from rich.markup import escape

from healthcare_assets.definitions import defs
from healthcare_assets.defs.sensors.retraining import CAUSE_TAG, retraining
from healthcare_assets.domain.month import first_of_month
from healthcare_assets.environments import Settings
from healthcare_assets.errors import HealthcareError, SourceError
from healthcare_assets.resources.rating import rating_law_of
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets.story import WatchedDay, print_story
from healthcare_assets.summary import print_summary

if TYPE_CHECKING:
    from rich.console import Console

_SCORED = ("predictions", "care_management")
"""What a champion makes of a day that has its features."""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class StepFailedError(HealthcareError):
    """A step failed: its own sentence, the asset and the day."""


class Walkthrough:
    """Runs the jobs for the days of the source: patients, training and verdict, then day by day predictions and
    monitoring. What the retraining sensor asks for is run before the next day. Months that have ended come last."""

    def __init__(self, settings: Settings, console: "Console") -> None:
        self._console = console
        self._settings = settings
        self._definitions = defs()
        self._retraining_cursor: str | None = None
        self._runtime = Runtime(
            settings=settings, now=datetime.now(UTC), run_id="walkthrough", log=lambda _: None, code_version=""
        )

    def run(self) -> bool:
        """True when the last day has predictions. KeyboardInterrupt when a signal ends a step."""
        started = time.monotonic()
        settings = self._settings
        # Needed last, and wrong from the beginning: not to be told after minutes.
        rating_law_of(settings.rating_state, settings.age_curve, rules=self._runtime.policy.pricing)
        days = self._days()
        source = escape(self._runtime.source.description)
        self._console.print(f"Source: {source}, {len(days)} day{'s' if len(days) > 1 else ''}")
        first, *later = days
        with dg.DagsterInstance.get() as instance:
            self._execute(instance, "daily_patients", day=first)
            self._execute(instance, "training")
            governed = self._champion() is not None
            if governed:
                self._execute(instance, "daily_scoring", day=first, only=_SCORED)
            story = [self._watched(instance, first)]
            for day in later:
                self._execute(instance, "daily_scoring" if governed else "daily_patients", day=day)
                story.append(self._watched(instance, day))
            for month in self._months(days):
                self._execute(instance, "monthly_insight", day=month)
        print_summary(self._runtime, days, self._console)
        print_story(self._runtime, story, self._console)
        self._console.print(f"\nDone in {time.monotonic() - started:.0f} s.")
        return governed

    def _champion(self) -> str | None:
        """The version that scores."""
        found = self._runtime.registry.version_by_alias("champion")
        return found.version if found else None

    def _watched(self, instance: dg.DagsterInstance, day: date) -> WatchedDay:
        """Monitor the day, and train anew if the sensor asks for it."""
        failed = self._execute(instance, "daily_monitoring", day=day)
        scored_by = self._champion()
        context = dg.build_sensor_context(instance=instance, cursor=self._retraining_cursor)
        decision = retraining(context)
        if not isinstance(decision, dg.SensorResult) or not decision.run_requests:
            return WatchedDay(day=day, failed=failed, scored_by=scored_by)
        self._retraining_cursor = decision.cursor
        [request] = decision.run_requests
        self._execute(instance, "training", tags=request.tags)
        return WatchedDay(
            day=day,
            failed=failed,
            scored_by=scored_by,
            cause=request.tags[CAUSE_TAG],
            champion_since=self._champion(),
        )

    def _days(self) -> list[date]:
        """The days of the source that are partitions, never none."""
        first_day, yesterday = self._settings.first_day, (datetime.now(UTC) - timedelta(days=1)).date()
        found = self._runtime.source.days()
        early = [day for day in found if day < first_day]
        if early:
            raise SourceError(
                f"The source has records for {min(early)}, before the first partition {first_day}: "
                f"set HEALTHCARE_FIRST_DAY={min(early)} and run again."
            )
        days = [day for day in found if day <= yesterday]
        if not days:
            raise SourceError(
                f"The source has records for no day from {first_day} to {yesterday}, the last that has ended (UTC): "
                "correct HEALTHCARE_SOURCE or HEALTHCARE_FIRST_DAY."
            )
        if len(days) < len(found):
            self._console.print(f"Left out for now: {found[len(days)]} and later, which have not ended yet (UTC).")
        return days

    def _months(self, days: Sequence[date]) -> list[date]:
        """The months of the days that have ended, by their first days."""
        this_month = first_of_month(datetime.now(UTC).date())
        return [month for month in sorted({first_of_month(day) for day in days}) if month < this_month]

    def _execute(
        self,
        instance: dg.DagsterInstance,
        job: str,
        *,
        day: date | None = None,
        only: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Run a job, or some of its assets, for a day; returns the checks that failed and stop nothing.

        StepFailedError with the step's own words when it fails.
        """
        run_id = make_new_run_id()
        with self._progress(instance, run_id, day):
            result = self._definitions.resolve_job_def(job).execute_in_process(
                instance=instance,
                partition_key=day.isoformat() if day else None,
                run_config=_QUIET,
                run_id=run_id,
                asset_selection=None if only is None else [dg.AssetKey(asset) for asset in only],
                tags=tags,
                raise_on_error=False,
            )
        if not result.success:
            if _interrupted(result):
                raise KeyboardInterrupt
            raise StepFailedError(_failure(result, day))
        return [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]

    @contextmanager
    def _progress(self, instance: dg.DagsterInstance, run_id: str, day: date | None) -> Iterator[None]:
        """Show each asset as it is begun and as it is done."""
        label = day.isoformat() if day else "model     "
        with self._console.status("") as status:
            began = time.monotonic()

            def show(entry: dg.EventLogEntry) -> None:
                nonlocal began
                event = entry.dagster_event
                if event is None:
                    if entry.level == logging.INFO:  # what a step tells the user
                        self._console.print(f"  {label}  [dim]{escape(entry.user_message)}[/dim]")
                elif event.event_type == dg.DagsterEventType.STEP_START:
                    began = time.monotonic()
                    status.update(f"{label}  {event.step_key} ...")
                elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
                    materialization = event.step_materialization_data.materialization
                    metadata = materialization.metadata
                    rows = metadata.get("dagster/partition_row_count") or metadata.get("dagster/row_count")
                    size = f"{rows.value:>9,} rows" if rows else " " * 14
                    seconds = time.monotonic() - began
                    asset = materialization.asset_key.to_user_string()
                    self._console.print(f"  {label}  {asset:<22}{size}  {seconds:5.1f} s")

            instance.add_event_listener(run_id, show)
            yield


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a step was ended by SIGINT or SIGTERM, which Dagster takes for itself."""
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__ for error in errors)


def _failure(result: dg.ExecuteInProcessResult, day: date | None) -> str:
    """One sentence: which step, which day, and what it said."""
    event = next(event for event in result.all_events if event.is_step_failure)
    where = f"{event.step_key}{f' of {day}' if day else ''}"
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    if failed:
        return f"{where} was stopped by a check: " + " ".join(str(check.description) for check in failed)
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{where} failed: {data.user_failure_data.description}"
    cause = data.error.cause or data.error if data.error else None
    return f"{where} failed: {cause.message.strip() if cause else 'no message'}"
