"""The steps by name: what a launcher needs to know of one before it runs. Importing this costs nothing."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from healthcare_assets.compute import Workload

_PACKAGE = "healthcare_assets"
_PACKAGE_FOLDER = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(rf"^\s*(?:from|import) ({_PACKAGE}(?:\.\w+)*)(?: import (\([^)]*\)|.+))?", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step: a module with `run(runtime, day)` for a daily one, and `run(runtime)` for one without a day."""

    name: str
    module: str
    assets: tuple[str, ...]
    daily: bool = True
    monthly: bool = False
    """Whether its day stands for the month that begins with it."""
    pseudonymises: bool = False
    """Whether it makes pseudonyms of ids: what it makes them with goes on record."""
    experiment: str | None = None
    """Of MLflow, below the environment's root; None for a step that records nothing there."""

    @property
    def workload(self) -> Workload:
        """Which steps it shares its compute with."""
        return "daily" if self.daily else "training"


STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step(name="bronze", module="healthcare_assets.steps.bronze", assets=("bronze_patients",)),
        Step(
            name="silver",
            module="healthcare_assets.steps.silver",
            assets=("silver_patients", "quarantined_patients"),
            pseudonymises=True,
        ),
        Step(name="dimension", module="healthcare_assets.steps.dimension", assets=("dim_patients",)),
        Step(
            name="outcomes",
            module="healthcare_assets.steps.outcomes",
            assets=("observed_outcomes", "quarantined_outcomes"),
            pseudonymises=True,
        ),
        Step(name="features", module="healthcare_assets.steps.features", assets=("risk_features",)),
        Step(
            name="training",
            module="healthcare_assets.steps.training",
            assets=("trained_model", "training_patients"),
            experiment="training",
            daily=False,
        ),
        Step(
            name="governance",
            module="healthcare_assets.steps.governance",
            assets=("governance_verdict", "champion_history"),
            experiment="training",
            daily=False,
        ),
        Step(name="scoring", module="healthcare_assets.steps.scoring", assets=("predictions",), experiment="scoring"),
        Step(name="care", module="healthcare_assets.steps.care", assets=("care_management",)),
        Step(
            name="monitoring",
            module="healthcare_assets.steps.monitoring",
            assets=("drift_report", "model_performance"),
            experiment="monitoring",
        ),
        Step(
            name="quality_monitor",
            module="healthcare_assets.steps.quality_monitor",
            assets=("predictions_quality_monitor",),
        ),
        Step(
            name="serving",
            module="healthcare_assets.steps.serving",
            assets=("serving_endpoint",),
            daily=False,
        ),
        Step(
            name="retention",
            module="healthcare_assets.steps.retention",
            assets=("data_retention",),
            daily=False,
        ),
        Step(
            name="maintenance",
            module="healthcare_assets.steps.maintenance",
            assets=("table_maintenance",),
            daily=False,
        ),
        Step(
            name="audit",
            module="healthcare_assets.steps.audit",
            assets=("audit_trail",),
            daily=False,
        ),
        Step(name="pricing", module="healthcare_assets.steps.pricing", assets=("pricing_factors",), monthly=True),
        Step(
            name="population",
            module="healthcare_assets.steps.population",
            assets=("population_health",),
            monthly=True,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a person asks for, and what goes on record with who and why: a module with `operate(runtime, who, why)`."""

    name: str
    module: str
    title: str
    """How a sentence about it begins."""
    alone: bool = True
    """Whether no step may be under way meanwhile."""
    workload: Workload = "training"


OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(name="roll_back", module="healthcare_assets.steps.champion", title="A rollback", alone=False),
        Operation(
            name="rotate_pseudonym_key", module="healthcare_assets.steps.rotation", title="A rotation of the key"
        ),
        Operation(name="erase_patients", module="healthcare_assets.steps.erasure", title="An erasure"),
    )
}


def step_for(asset: str) -> Step:
    """The step that writes the asset."""
    return next(step for step in STEPS.values() if asset in step.assets)


@cache
def code_version(name: str) -> str:
    """Digest of all the project's code that the step or operation runs: it changes when, and only when, it does."""
    return sha256(b"".join(_digest_of(path) for path in sorted(code_files(name), key=str))).hexdigest()[:12]


def code_files(name: str) -> frozenset[Path]:
    """The files that the step or operation runs."""
    return files_of_module((STEPS.get(name) or OPERATIONS[name]).module)


def files_of_module(module: str) -> frozenset[Path]:
    """The files that the module runs: follows the import statements from it on, inside the package."""
    files, found = set[Path](), frozenset(_files_of(module))
    while found:
        files |= found
        found = frozenset().union(*map(_imported_by, found)) - files
    return frozenset(files)


# The steps share most of their files, and a code location is loaded in many processes a day: each is read once.
@cache
def _imported_by(path: Path) -> frozenset[Path]:
    modules = []
    for module, names in _IMPORT.findall(path.read_text(encoding="utf-8")):
        modules += [module, *(f"{module}.{name}" for name in re.findall(r"\w+", names))]
    return frozenset(file for module in modules for file in _files_of(module))


@cache
def _digest_of(path: Path) -> bytes:
    return sha256(path.relative_to(_PACKAGE_FOLDER).as_posix().encode() + path.read_bytes()).digest()


@cache
def _files_of(module: str) -> tuple[Path, ...]:
    """The module's file, and those of the packages that it lies in, which are run before it."""
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return tuple(file for name in names if (file := _project_files().get(name)))


@cache
def _project_files() -> Mapping[str, Path]:
    """The package's files by module."""
    found = {}
    for folder, _, files in os.walk(_PACKAGE_FOLDER):
        package = _PACKAGE + folder.removeprefix(str(_PACKAGE_FOLDER)).replace(os.sep, ".")
        for file in files:
            if file.endswith(".py"):
                module = package if file == "__init__.py" else f"{package}.{file[:-3]}"
                found[module] = Path(folder, file)
    return found
