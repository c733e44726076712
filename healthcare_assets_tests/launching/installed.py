"""Which modules a step finds where it runs: those of its declared packages, of what these need, and of Spark."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from databricks_steps.requirements import step_requirements

_CLUSTER = ("pip", "setuptools", "pyspark[connect]")
"""What every cluster has."""


def not_installed_for(step: str) -> set[str]:
    """The top-level modules of this environment that would not be there."""
    there = _with_needs([*step_requirements(step), *_CLUSTER])
    own = {"healthcare_assets", "databricks_steps", "healthcare_assets_tests"}
    return {
        module
        for module, owners in packages_distributions().items()
        if module not in own and there.isdisjoint(canonicalize_name(owner) for owner in owners)
    }


def _with_needs(packages: Iterable[str]) -> set[str]:
    """The packages by their canonical names, with all that they require."""
    found: set[tuple[str, frozenset[str]]] = set()
    ahead = [Requirement(package) for package in packages]
    while ahead:
        package = ahead.pop()
        known = (canonicalize_name(package.name), frozenset(package.extras))
        if known not in found:
            found.add(known)
            ahead += [need for need in _needs(package.name) if _applies(need, package.extras)]
    return {name for name, _ in found}


@cache
def _needs(package: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in requires(package) or []]
    except PackageNotFoundError:
        return []  # it is for another platform


def _applies(need: Requirement, extras: Iterable[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
