import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_ENGINEERING, table_spec
from healthcare_assets.domain.tables import BRONZE_PATIENTS


@dg.multi_asset(specs=[table_spec(BRONZE_PATIENTS, group="ingestion", owner=DATA_ENGINEERING)])
def bronze_patients(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "bronze")
