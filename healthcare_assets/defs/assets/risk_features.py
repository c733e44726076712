import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_SCIENCE, blocking_checks, table_spec
from healthcare_assets.domain.tables import RISK_FEATURES


@dg.multi_asset(
    specs=[table_spec(RISK_FEATURES, group="patients", owner=DATA_SCIENCE, deps=["dim_patients", "silver_patients"])],
    check_specs=blocking_checks(
        RISK_FEATURES.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "feature_ranges": "Every feature lies where its formula puts it.",
            "one_row_per_patient": "Each of the day's patients has features, once.",
        },
    ),
)
def risk_features(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "features")
