import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.partitions import daily
from healthcare_assets.defs.table_assets import DATA_SCIENCE
from healthcare_assets.defs.tags import tags_of
from healthcare_assets.steps.catalogue import code_version


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "predictions_quality_monitor",
            description="The workspace's own monitor of the predictions, with its dashboard: made where it is missing, "
            "and refreshed. Where there is no Unity Catalog it says so, and does nothing.",
            deps=["predictions"],
            group_name="monitoring",
            owners=[DATA_SCIENCE],
            tags=tags_of("predictions_quality_monitor"),
            kinds={"databricks"},
            code_version=code_version("quality_monitor"),
            partitions_def=daily,
        )
    ]
)
def predictions_quality_monitor(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "quality_monitor")
