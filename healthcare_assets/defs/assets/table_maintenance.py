import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_ENGINEERING
from healthcare_assets.defs.tags import tags_of
from healthcare_assets.steps.catalogue import code_version


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "table_maintenance",
            description="The files of all tables: small ones compacted, and those deleted that no version of the "
            "retained past consists of. No row of any table changes.",
            deps=["data_retention"],
            group_name="maintenance",
            owners=[DATA_ENGINEERING],
            tags=tags_of("table_maintenance"),
            kinds={"deltalake"},
            code_version=code_version("maintenance"),
        )
    ]
)
def table_maintenance(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "maintenance")
