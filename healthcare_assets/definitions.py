"""The code location. Loading it reads code only: no variable is needed, nothing is opened, no engine starts.

Assets are found by walking `defs/assets`. `load_from_defs_folder` would find them too, but builds the JSON schema of
every installed component on the way, which costs half as much CPU as importing Dagster.
"""

import dagster as dg

from databricks_steps.environment_launcher import step_launcher


@dg.definitions
def defs() -> dg.Definitions:
    from healthcare_assets.defs import assets, jobs, schedules
    from healthcare_assets.defs.sensors import alerts, retraining, serving

    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        jobs=[
            jobs.daily_patients,
            jobs.daily_scoring,
            jobs.daily_monitoring,
            jobs.training,
            jobs.serving,
            jobs.maintenance,
            jobs.rollback_champion,
            jobs.erase_patients,
            jobs.rotate_pseudonym_key,
            jobs.monthly_insight,
        ],
        schedules=[
            schedules.daily_scoring_schedule,
            schedules.daily_monitoring_schedule,
            schedules.monthly_training_schedule,
            schedules.weekly_maintenance_schedule,
            schedules.monthly_insight_schedule,
        ],
        sensors=[alerts.alerts, retraining.retraining, serving.follow_champion],
        resources={"steps": step_launcher()},
        executor=dg.in_process_executor,
    )
