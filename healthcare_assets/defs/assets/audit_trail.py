import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import COMPLIANCE, table_spec
from healthcare_assets.domain.audit import AUDIT_TRAIL


@dg.multi_asset(
    specs=[
        table_spec(AUDIT_TRAIL, group="maintenance", owner=COMPLIANCE, deps=["table_maintenance"], partitioned=False)
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "audit_chain_whole",
            asset=AUDIT_TRAIL.name,
            description="Every entry follows the one before unchanged, and none is missing from the end.",
        ),
        dg.AssetCheckSpec(
            "tables_on_record",
            asset=AUDIT_TRAIL.name,
            description="No table was written to without an entry, and none lacks what an entry names. A step that was "
            "killed leaves a version without one; its repetition puts the next one on record.",
        ),
    ],
)
def audit_trail(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "audit")
