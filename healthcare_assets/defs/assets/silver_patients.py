import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_ENGINEERING, blocking_checks, table_spec
from healthcare_assets.domain.tables import QUARANTINED_PATIENTS, SILVER_PATIENTS
from healthcare_assets.policy import POLICY


@dg.multi_asset(
    specs=[
        table_spec(table, group="ingestion", owner=DATA_ENGINEERING, deps=["bronze_patients"])
        for table in (SILVER_PATIENTS, QUARANTINED_PATIENTS)
    ],
    check_specs=blocking_checks(
        SILVER_PATIENTS.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "no_record_lost": "Records in = silver + quarantined + duplicates, counted in the tables.",
            "quarantine_rate": f"At most {POLICY.data.quarantine_rate_maximum:.0%} of the day's records are refused.",
            "one_row_per_patient": "No patient occurs twice in a day.",
        },
    ),
)
def silver_patients(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "silver")
