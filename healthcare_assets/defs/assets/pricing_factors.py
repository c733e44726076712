import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import ACTUARIAL, blocking_checks, table_spec
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS


@dg.multi_asset(
    specs=[
        table_spec(PRICING_FACTORS, group="insight", owner=ACTUARIAL, deps=["silver_patients", "observed_outcomes"])
    ],
    check_specs=blocking_checks(
        PRICING_FACTORS.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "relativities_allowed": "Every relativity is one that 45 CFR 147.102 and the state allow: else use none.",
        },
    ),
)
def pricing_factors(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "pricing")
