"""What Spark's and Delta's errors mean."""

import re
from datetime import date

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.table_faults import unreadable

_CONFLICT = re.compile(
    r"DELTA_CONCURRENT_\w+|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED"
    # CREATE TABLE IF NOT EXISTS, while another writer is at the same
    r"|DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION|TABLE_OR_VIEW_ALREADY_EXISTS|DELTA_TABLE_ALREADY_EXISTS"
)
_ABSENT = ("PATH_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_MISSING_DELTA_TABLE")


def spark_errors() -> tuple[type[Exception], ...]:
    """What a call to Spark may raise: what PySpark translates, and where a JVM is in this process, the rest."""
    from pyspark.errors import PySparkException

    try:
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    except ImportError:  # pyspark-client speaks to a server only
        return (PySparkException,)
    return (PySparkException, Py4JError)


def is_conflict(error: Exception) -> bool:
    """Another writer's commit came first, and ours was not made."""
    return _CONFLICT.search(str(error)) is not None


def is_absent(error: Exception) -> bool:
    """There is no such table."""
    return any(f"[{condition}" in str(error) for condition in _ABSENT)


def blame(error: Exception, root: str) -> LakehouseError | None:
    """The error as one that names the table whose file it is about, or None when it names no file below the root."""
    named = re.search(rf"{re.escape(root)}/(\w+)/(?:{PARTITION_COLUMN}=([\d-]+)/)?\S+", str(error))
    if named is None:
        return None
    day = date.fromisoformat(named[2]) if named[2] else None
    return unreadable(named[1], f"{root}/{named[1]}", f"{named[0]} is missing or damaged", day=day)
