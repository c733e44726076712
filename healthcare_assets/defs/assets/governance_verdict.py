import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import COMPLIANCE, table_spec
from healthcare_assets.domain.tables import GOVERNANCE_VERDICT


@dg.multi_asset(
    specs=[table_spec(GOVERNANCE_VERDICT, group="model", owner=COMPLIANCE, deps=["trained_model"], partitioned=False)],
)
def governance_verdict(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "governance")
