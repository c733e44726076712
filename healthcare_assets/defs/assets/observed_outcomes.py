import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_ENGINEERING, blocking_checks, table_spec
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES, QUARANTINED_OUTCOMES


@dg.multi_asset(
    specs=[
        table_spec(table, group="outcomes", owner=DATA_ENGINEERING, deps=["dim_patients"])
        for table in (OBSERVED_OUTCOMES, QUARANTINED_OUTCOMES)
    ],
    check_specs=blocking_checks(
        OBSERVED_OUTCOMES.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "no_record_lost": "Records in = observed + quarantined + repetitions.",
        },
    ),
)
def observed_outcomes(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "outcomes")
