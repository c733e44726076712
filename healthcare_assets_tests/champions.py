"""Registries that have a champion, for tests of what is done with one."""

from functools import cache
from pathlib import Path

from healthcare_assets.domain.candidates import CANDIDATES, GLM
from healthcare_assets.domain.training import TrainedModel, train
from healthcare_assets.resources.registry import ModelRegistry, ModelVersion
from healthcare_assets.resources.training_run import Lineage
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.training_populations import made_up_population

LINEAGE = Lineage(data_versions={}, code_version="abc123", dagster_run_id="a-run")


@cache
def small_model(candidate: str = GLM) -> TrainedModel:
    """One that is trained and stored in a moment: by default the actuary's."""
    return train(made_up_population(600), candidates=tuple(c for c in CANDIDATES if c.name == candidate))


def promoted(registry: ModelRegistry, candidate: str = GLM) -> ModelVersion:
    """A new version, champion at once."""
    version = registry.register(small_model(candidate), lineage=LINEAGE)
    registry.promote(version, instead_of=registry.version_by_alias("champion"))
    return version


def home_with_champion(home: Path) -> Path:
    """HEALTHCARE_HOME with a champion in its registry and nothing else."""
    promoted(runtime_at(home).registry)
    return home
