import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_SCIENCE
from healthcare_assets.defs.tags import tags_of
from healthcare_assets.steps.catalogue import code_version


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "serving_endpoint",
            description="The champion behind the workspace's serving endpoint: deployed, waited for, and taken back "
            "when it does not become ready. Where there is no Unity Catalog it says so, and does nothing.",
            deps=["champion_history"],
            group_name="serving",
            owners=[DATA_SCIENCE],
            tags=tags_of("serving_endpoint"),
            kinds={"databricks", "mlflow"},
            code_version=code_version("serving"),
        )
    ]
)
def serving_endpoint(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "serving")
