"""When the jobs run, as five-field crons: Dagster's schedules and the bundle's are made from these."""

TIME_ZONE = "UTC"

SCORING = "0 2 * * *"
"""The day that has just ended."""
MONITORING = "0 6 * * *"
"""The day that has just ended, after its scoring."""
TRAINING = "0 3 1 * *"
"""On the first of the month, after the night's scoring."""
INSIGHT = "0 7 1 * *"
"""The month that has just ended, on the first of the next, after the scoring and the monitoring of its last day."""
MAINTENANCE = "0 8 * * SUN"
"""On Sundays, after the day's monitoring. The day by its name: crons and Quartz count them differently."""
