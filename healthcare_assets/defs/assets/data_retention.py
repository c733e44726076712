import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import COMPLIANCE
from healthcare_assets.defs.tags import tags_of
from healthcare_assets.steps.catalogue import code_version


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "data_retention",
            description="What is past its time, deleted: identifiers after a quarter, patients' rows after three "
            "years, decisions and the audit trail after six. What was deleted is on record.",
            group_name="maintenance",
            owners=[COMPLIANCE],
            tags=tags_of("data_retention"),
            kinds={"deltalake"},
            code_version=code_version("retention"),
        )
    ]
)
def data_retention(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "retention")
