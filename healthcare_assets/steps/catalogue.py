"""The steps by name: what a launcher needs to know of one before it runs. Importing this costs nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

_PACKAGE = "healthcare_assets"
_PACKAGE_FOLDER = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(rf"^\s*(?:from|import) ({_PACKAGE}(?:\.\w+)*)(?: import (.+))?", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step: a module with `run(runtime, day)` for a daily one, and `run(runtime)` for one without a day."""

    name: str
    module: str
    assets: tuple[str, ...]
    daily: bool = True


STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step(name="bronze", module="healthcare_assets.steps.bronze", assets=("bronze_patients",)),
        Step(
            name="silver",
            module="healthcare_assets.steps.silver",
            assets=("silver_patients", "quarantined_patients"),
        ),
        Step(name="dimension", module="healthcare_assets.steps.dimension", assets=("dim_patients",)),
        Step(
            name="outcomes",
            module="healthcare_assets.steps.outcomes",
            assets=("observed_outcomes", "quarantined_outcomes"),
        ),
        Step(name="features", module="healthcare_assets.steps.features", assets=("risk_features",)),
        Step(
            name="training",
            module="healthcare_assets.steps.training",
            assets=("trained_model", "training_patients"),
            daily=False,
        ),
        Step(
            name="governance",
            module="healthcare_assets.steps.governance",
            assets=("governance_verdict", "champion_history"),
            daily=False,
        ),
        Step(name="scoring", module="healthcare_assets.steps.scoring", assets=("predictions",)),
        Step(
            name="outcomes",
            module="healthcare_assets.steps.outcomes",
            assets=("observed_outcomes", "quarantined_outcomes"),
        ),
        Step(
            name="monitoring",
            module="healthcare_assets.steps.monitoring",
            assets=("drift_report", "model_performance"),
        ),
        Step(
            name="quality_monitor",
            module="healthcare_assets.steps.quality_monitor",
            assets=("predictions_quality_monitor",),
        ),
    )
}


def step_for(asset: str) -> Step:
    """The step that writes the asset."""
    return next(step for step in STEPS.values() if asset in step.assets)


@cache
def code_version(step: str) -> str:
    """Digest of all the project's code that the step runs: it changes when, and only when, that code does.

    Follows the import statements from the step's module on, inside the package.
    """
    files: set[Path] = set()
    waiting = [STEPS[step].module]
    while waiting:
        path = _file_of(waiting.pop())
        if path is None or path in files:
            continue
        files.add(path)
        for module, names in _IMPORT.findall(path.read_text(encoding="utf-8")):
            waiting.append(module)
            waiting += [
                f"{module}.{name.strip()}" for name in names.strip("()").split(",") if name.strip().isidentifier()
            ]
    digest = sha256()
    for path in sorted(files):
        digest.update(path.relative_to(_PACKAGE_FOLDER).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _file_of(module: str) -> Path | None:
    base = _PACKAGE_FOLDER.joinpath(*module.split(".")[1:])
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)
