"""The day is the unit of truth: one partition a day (UTC), from the first day on. Of a month there is one when it has
ended."""

import dagster as dg

from healthcare_assets.environments import first_day_from

daily = dg.DailyPartitionsDefinition(start_date=first_day_from().isoformat(), timezone="UTC")

monthly = dg.MonthlyPartitionsDefinition(start_date=first_day_from().replace(day=1).isoformat(), timezone="UTC")
"""A month is known by its first day. The first one may have begun before the first day."""
