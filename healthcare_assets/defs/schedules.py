"""When the jobs run (UTC)."""

from datetime import timedelta

import dagster as dg

from healthcare_assets.defs.jobs import daily_monitoring, daily_scoring, maintenance, monthly_insight, training
from healthcare_assets.timetable import INSIGHT, MAINTENANCE, MONITORING, SCORING, TIME_ZONE, TRAINING


@dg.schedule(
    job=daily_scoring,
    cron_schedule=SCORING,
    execution_timezone=TIME_ZONE,
    description="Scores the day that has just ended, at 02:00 UTC.",
)
def daily_scoring_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _of_yesterday(context)


@dg.schedule(
    job=daily_monitoring,
    cron_schedule=MONITORING,
    execution_timezone=TIME_ZONE,
    description="Monitors the day that has just ended, at 06:00 UTC, after its scoring.",
)
def daily_monitoring_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _of_yesterday(context)


def _of_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    yesterday = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=yesterday, partition_key=yesterday)


@dg.schedule(
    job=monthly_insight,
    cron_schedule=INSIGHT,
    execution_timezone=TIME_ZONE,
    description="Looks back on the month that has just ended, on the first at 07:00 UTC, after its last day's scoring "
    "and monitoring.",
)
def monthly_insight_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    month = (context.scheduled_execution_time - timedelta(days=1)).date().replace(day=1).isoformat()
    return dg.RunRequest(run_key=month, partition_key=month)


monthly_training_schedule = dg.ScheduleDefinition(
    name="monthly_training_schedule",
    description="Trains on the first of the month, at 03:00 UTC, after the night's scoring.",
    job=training,
    cron_schedule=TRAINING,
    execution_timezone=TIME_ZONE,
)

weekly_maintenance_schedule = dg.ScheduleDefinition(
    name="weekly_maintenance_schedule",
    description="Looks after the files of all tables on Sundays, at 08:00 UTC, after the day's monitoring.",
    job=maintenance,
    cron_schedule=MAINTENANCE,
    execution_timezone=TIME_ZONE,
)
