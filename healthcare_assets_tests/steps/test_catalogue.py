"""What a step's code version covers."""

import subprocess
import sys
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets.steps.catalogue import STEPS, code_files, code_version


@pytest.mark.parametrize("step", STEPS)
def test_the_code_version_covers_every_file_that_the_step_imports(step: str) -> None:
    script = (
        f"import {STEPS[step].module}, sys; "
        "print(*(module.__file__ for name, module in sys.modules.items() if name.startswith('healthcare_assets')))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, check=True, cwd=PROJECT_ROOT, text=True
    )
    assert {Path(file) for file in run.stdout.split()} <= code_files(step)


def test_steps_that_run_different_code_have_different_versions() -> None:
    assert len({code_version(step) for step in STEPS}) == len(STEPS)


def test_an_asset_is_written_by_one_step() -> None:
    assets = [asset for step in STEPS.values() for asset in step.assets]
    assert len(assets) == len(set(assets))
