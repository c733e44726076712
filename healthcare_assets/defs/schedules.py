"""When the jobs run (UTC)."""

import dagster as dg

from healthcare_assets.defs.jobs import daily_scoring, training

daily_scoring_schedule = dg.build_schedule_from_partitioned_job(
    daily_scoring,
    name="daily_scoring_schedule",
    description="Scores the day that has just ended, at 02:00 UTC.",
    hour_of_day=2,
)

training_schedule = dg.ScheduleDefinition(
    name="monthly_training_schedule",
    description="Trains on the first of the month, at 03:00 UTC, after the night's scoring.",
    job=training,
    cron_schedule="0 3 1 * *",
    execution_timezone="UTC",
)
