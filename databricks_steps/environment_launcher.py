"""The launcher of the environment that HEALTHCARE_ENV names."""

import os
from collections.abc import Mapping

from databricks_steps.launcher import InProcessStepLauncher, StepLauncher
from healthcare_assets.environments import ENVIRONMENTS, environment_name_from


def step_launcher(variables: Mapping[str, str] = os.environ) -> StepLauncher:
    """In process where the environment has no workspace. An environment that does not exist is told by its first step:
    the code location loads all the same."""
    environment = ENVIRONMENTS.get(environment_name_from(variables))
    if environment is None or environment.workspace is None:
        return InProcessStepLauncher()
    from databricks_steps.databricks_launcher import DatabricksStepLauncher

    return DatabricksStepLauncher(variables=variables)
