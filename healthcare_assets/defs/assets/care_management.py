import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import CARE_TEAM, blocking_checks, table_spec
from healthcare_assets.domain.care import CARE_MANAGEMENT


@dg.multi_asset(
    specs=[table_spec(CARE_MANAGEMENT, group="care", owner=CARE_TEAM, deps=["predictions"], due_at=3)],
    check_specs=blocking_checks(
        CARE_MANAGEMENT.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "one_row_per_patient": "No patient is listed twice in a day.",
            "ranks_without_gaps": "Ranks are 1, 2, 3 and so on, each once.",
        },
    ),
)
def care_management(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "care")
