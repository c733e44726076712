"""What is installed for a step beside the project's wheel: the packages that its code imports, as installed here.

Spark is the cluster's own.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

_EVERY_STEP = (
    "dagster-pipes",
    "databricks-sdk",
    "deltalake",
    "filelock",
    "narwhals",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scipy",
)
_REGISTRY = ("mlflow",)
_MODEL = (*_REGISTRY, "scikit-learn", "skops", "threadpoolctl")
_PLOTS = ("matplotlib", "pillow")

_BESIDES: Mapping[str, tuple[str, ...]] = {
    "training": (*_MODEL, *_PLOTS),
    "governance": (*_MODEL, *_PLOTS, "markdown-it-py"),
    "scoring": _MODEL,
    "monitoring": _REGISTRY,
    "serving": _MODEL,
    "roll_back": _REGISTRY,
}


@cache
def step_requirements(step: str) -> tuple[str, ...]:
    """The step's packages as pip wants them: `name==version`, by name."""
    names = sorted({*_EVERY_STEP, *_BESIDES.get(step, ())})
    return tuple(f"{name}=={version(name)}" for name in names)
