"""What runs together: a day's patients up to their predictions, and a training with its verdict."""

import dagster as dg

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

training = dg.define_asset_job(
    "training",
    selection=dg.AssetSelection.assets("trained_model", "governance_verdict"),
    description="Train the candidates on all labelled patients, and promote the better one or refuse it.",
)
