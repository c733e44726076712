"""The project's code in the workspace: put there once for a state of the code, whatever number of steps it runs."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from databricks_steps.clusters import required_workspace
from databricks_steps.wheel import build_wheel, code_digest, wheel_name
from databricks_steps.workspace import Workspace
from healthcare_assets.environments import Environment

_SCRIPT = Path(__file__).with_name("run_step.py")


@dataclass(frozen=True, kw_only=True)
class Code:
    """Where the code of a step is found."""

    wheel: str
    """A file of the volume."""
    script: str
    """The file of the workspace that a task names."""


def staged_code(workspace: Workspace, environment: Environment) -> Code:
    """The present code, built and uploaded unless it is there already."""
    digest = code_digest()
    code = Code(
        wheel=f"{required_workspace(environment).volume_path}/code/{digest}/{wheel_name(digest)}",
        script=f"{environment.experiment_root}/steps/{digest}/{_SCRIPT.name}",
    )
    if not workspace.is_file(code.wheel):
        workspace.import_file(code.script, _SCRIPT.read_bytes())
        # The wheel comes last: where it is, everything is.
        with tempfile.TemporaryDirectory() as temporary:
            workspace.upload(code.wheel, build_wheel(Path(temporary)).read_bytes())
    return code
