"""An orchestrator in a process of its own, to be killed: materialises bronze_patients of a day."""

import sys

import dagster as dg

import healthcare_assets.definitions as code_location
from databricks_steps.databricks_launcher import DatabricksStepLauncher
from databricks_steps.workspace import open_workspace
from healthcare_assets_tests.databricks.clock import ImpatientClock

if __name__ == "__main__":
    code_location.step_launcher = lambda: DatabricksStepLauncher(
        open_workspace=lambda: open_workspace(ImpatientClock())
    )
    with dg.DagsterInstance.get() as instance:
        code_location.defs().resolve_job_def("daily_patients").execute_in_process(
            instance=instance,
            partition_key=sys.argv[1],
            asset_selection=[dg.AssetKey("bronze_patients")],
            raise_on_error=False,
        )
