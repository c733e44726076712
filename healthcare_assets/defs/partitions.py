"""The day is the unit of truth: one partition a day (UTC), from the first day on."""

import dagster as dg

from healthcare_assets.environments import first_day_from

daily = dg.DailyPartitionsDefinition(start_date=first_day_from().isoformat(), timezone="UTC")
