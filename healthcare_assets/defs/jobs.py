"""What runs together: a day's patients up to their predictions, and a training with its verdict."""

import dagster as dg
from pydantic import Field

from databricks_steps.launcher import StepLauncher

PATIENTS = ("bronze_patients", "silver_patients", "quarantined_patients", "dim_patients", "risk_features")

daily_patients = dg.define_asset_job(
    "daily_patients",
    selection=dg.AssetSelection.assets(*PATIENTS),
    description="A day's patient records up to their risk features. What a first training needs.",
)

daily_scoring = dg.define_asset_job(
    "daily_scoring",
    selection=dg.AssetSelection.assets(*PATIENTS, "predictions"),
    description="A day from its patient records to the champion's predictions.",
)

daily_monitoring = dg.define_asset_job(
    "daily_monitoring",
    selection=dg.AssetSelection.assets(
        "observed_outcomes",
        "quarantined_outcomes",
        "drift_report",
        "model_performance",
        "predictions_quality_monitor",
    ),
    description="A day's costs as they became known, and the day against what its model was trained on.",
)

training = dg.define_asset_job(
    "training",
    selection=dg.AssetSelection.assets("trained_model", "training_patients", "governance_verdict", "champion_history"),
    description="Train the candidates on all labelled patients, and promote the best one or refuse it.",
)

serving = dg.define_asset_job(
    "serving",
    selection=dg.AssetSelection.assets("serving_endpoint"),
    description="Put the champion behind the serving endpoint of the workspace.",
)


maintenance = dg.define_asset_job(
    "maintenance",
    selection=dg.AssetSelection.assets("table_maintenance"),
    description="Compact the small files of all tables, and delete what no version of the retained past needs.",
)


class Rollback(dg.Config):
    """What goes on record with a rollback."""

    who: str = Field(description="Who asks for it: a person's name or address at work.")
    why: str = Field(description="The reason, in a sentence.")


@dg.op(description="Makes the previous champion champion again and records who asked for it and why.")
def roll_back(context: dg.OpExecutionContext, config: Rollback, steps: dg.ResourceParam[StepLauncher]) -> None:
    steps.roll_back(context, who=config.who, why=config.why)


@dg.job(description="Puts the previous champion back. The next scoring follows; days scored before stay as they are.")
def rollback_champion() -> None:
    roll_back()
