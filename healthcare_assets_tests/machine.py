"""What a test needs of the machine that it runs on."""

import os
import shutil
from importlib.util import find_spec

import pytest


def leave_out(what: str, *, lacking: str) -> None:
    """Leave the test out on a machine that lacks something, and say so; in CI that is a failure."""
    reason = f"no {what} on this machine: {lacking}"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and in CI they must run")
    pytest.skip(reason)


def require_spark() -> None:
    """Leave the test out where there is no Java, or no pyspark."""
    missing = [what for what, there in (("java", shutil.which("java")), ("pyspark", find_spec("pyspark"))) if not there]
    if missing:
        leave_out("Spark tests", lacking=f"{' and '.join(missing)} not found")
