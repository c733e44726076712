"""An orchestrator in a process of its own, to be killed: materialises bronze_patients of a day."""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import dagster as dg

import healthcare_assets.definitions as code_location
from databricks_steps.databricks_launcher import DatabricksStepLauncher
from databricks_steps.launcher import StepLauncher
from databricks_steps.workspace import open_workspace
from healthcare_assets_tests.launching.clock import ImpatientClock


def impatient_launcher(variables: Mapping[str, str] = os.environ) -> StepLauncher:
    """The launcher of a workspace, which waits for no fault to pass by itself."""
    return DatabricksStepLauncher(
        open_workspace=partial(open_workspace, ImpatientClock(), patience=timedelta(seconds=60)), variables=variables
    )


if __name__ == "__main__":
    code_location.step_launcher = impatient_launcher  # type: ignore[attr-defined]
    with dg.DagsterInstance.get() as instance:
        code_location.defs().resolve_job_def("daily_patients").execute_in_process(
            instance=instance,
            partition_key=sys.argv[1],
            asset_selection=[dg.AssetKey("bronze_patients")],
            raise_on_error=False,
        )
