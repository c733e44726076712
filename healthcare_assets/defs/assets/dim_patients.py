import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_ENGINEERING, blocking_checks, table_spec
from healthcare_assets.domain.tables import DIM_PATIENTS


@dg.multi_asset(
    specs=[table_spec(DIM_PATIENTS, group="patients", owner=DATA_ENGINEERING, deps=["silver_patients"])],
    check_specs=blocking_checks(
        DIM_PATIENTS.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "one_current_record_per_patient": "Each patient has exactly one current version.",
        },
    ),
    pool="dim_patients",
)
def dim_patients(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "dimension")
