import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_SCIENCE, blocking_checks, table_spec
from healthcare_assets.domain.tables import PREDICTIONS


@dg.multi_asset(
    specs=[
        table_spec(
            PREDICTIONS,
            group="predictions",
            owner=DATA_SCIENCE,
            deps=["risk_features", "governance_verdict"],
            due_at=3,
        )
    ],
    check_specs=blocking_checks(
        PREDICTIONS.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "complete_predictions": "One prediction a patient, intervals in order, every figure finite.",
        },
    ),
)
def predictions(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "scoring")
