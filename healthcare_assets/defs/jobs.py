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
    selection=dg.AssetSelection.assets(*PATIENTS, "predictions", "care_management"),
    description="A day from its patient records to the champion's predictions, and to the care team's list.",
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
    selection=dg.AssetSelection.assets("data_retention", "table_maintenance", "audit_trail"),
    description="Delete what is past its time, compact the small files of all tables, delete files that no version of "
    "the retained past needs, and verify the audit trail.",
)

monthly_insight = dg.define_asset_job(
    "monthly_insight",
    selection=dg.AssetSelection.assets("pricing_factors", "population_health"),
    description="What a month's members cost, the premium relativities that the law allows, and the population's "
    "health.",
)


class Asked(dg.Config):
    """What goes on record with what a person asks for."""

    who: str = Field(description="Who asks for it: a person's name or address at work.")
    why: str = Field(description="The reason, in a sentence. No patient's name or id: it is kept for six years.")


@dg.op(description="Makes the previous champion champion again and records who asked for it and why.")
def roll_back(context: dg.OpExecutionContext, config: Asked, steps: dg.ResourceParam[StepLauncher]) -> None:
    steps.operate(context, "roll_back", who=config.who, why=config.why)


@dg.job(description="Puts the previous champion back. The next scoring follows; days scored before stay as they are.")
def rollback_champion() -> None:
    roll_back()


@dg.op(description="Erases the patients whom the files in the folder of requests name, and records that it did so.")
def erase(context: dg.OpExecutionContext, config: Asked, steps: dg.ResourceParam[StepLauncher]) -> None:
    steps.operate(context, "erase_patients", who=config.who, why=config.why)


@dg.job(
    description="Removes the patients who asked for it from every table, earlier versions of it included. Who they are "
    "stands in files of $HEALTHCARE_HOME/erasure_requests, one patient_id a line; the files go with them."
)
def erase_patients() -> None:
    erase()


@dg.op(description="Re-keys every table with a new key on top of the pseudonyms, and records that it did so.")
def re_key(context: dg.OpExecutionContext, config: Asked, steps: dg.ResourceParam[StepLauncher]) -> None:
    steps.operate(context, "rotate_pseudonym_key", who=config.who, why=config.why)


@dg.job(
    description="Gives every patient another pseudonym, so that whoever knows the old key knows nothing any more. "
    "History stays joined. While it is unfinished no step runs; run again, it goes on where it ended."
)
def rotate_pseudonym_key() -> None:
    re_key()
