import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import COMPLIANCE, table_spec
from healthcare_assets.domain.tables import CHAMPION_HISTORY, GOVERNANCE_VERDICT

JUDGED_FROM = ["trained_model", "training_patients"]


@dg.multi_asset(
    specs=[
        table_spec(GOVERNANCE_VERDICT, group="model", owner=COMPLIANCE, deps=JUDGED_FROM, partitioned=False),
        table_spec(CHAMPION_HISTORY, group="model", owner=COMPLIANCE, deps=JUDGED_FROM, partitioned=False),
    ],
)
def governance_verdict(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "governance")
