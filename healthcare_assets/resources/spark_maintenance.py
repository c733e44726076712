"""Looking after the files of a Delta table on Spark, in its own statements: what a cluster does on all its machines."""

from typing import TYPE_CHECKING

from healthcare_assets.policy import MaintenanceRules
from healthcare_assets.resources.compaction import Compaction, Stored, check_rules

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def compact(session: "SparkSession", address: str, *, rules: MaintenanceRules) -> Compaction:
    """Compact the small files of the table, day by day, and delete what the retained past does not need.

    What is small, and how large files become, is the session's and the table's to say: Databricks sets it by the
    table's size. A table in order is left as it is. Raises what Spark raises, a conflict with another writer too.
    """
    check_rules(rules)
    before = _stored(session, address)
    session.sql(f"OPTIMIZE {address}").collect()
    unneeded = f"VACUUM {address} RETAIN {rules.retention_days * 24} HOURS"
    deleted = session.sql(f"{unneeded} DRY RUN").count()
    if deleted:
        session.sql(unneeded).collect()
    return Compaction(before=before, after=_stored(session, address), deleted=deleted)


NOTE = " "
"""Between the mark of a commit, by which it is found right after it was made, and the writer's note."""


def notes(session: "SparkSession", address: str) -> list[str]:
    """What the writers of the table noted with their commits."""
    history = session.sql(f"DESCRIBE HISTORY {address}")
    noted = history.filter(history["userMetadata"].isNotNull()).select("userMetadata").collect()
    return [row["userMetadata"].partition(NOTE)[2] for row in noted]


def forget_past(session: "SparkSession", address: str) -> None:
    """Delete every file that the present version does not consist of. Raises what Spark raises."""
    guard = "spark.databricks.delta.retentionDurationCheck.enabled"
    guarded = session.conf.get(guard, "true")
    session.conf.set(guard, "false")
    try:
        session.sql(f"VACUUM {address} RETAIN 0 HOURS").collect()
    finally:
        session.conf.set(guard, str(guarded))


def _stored(session: "SparkSession", address: str) -> Stored:
    (row,) = session.sql(f"DESCRIBE DETAIL {address}").select("numFiles", "sizeInBytes").collect()
    return Stored(files=int(row["numFiles"]), size=int(row["sizeInBytes"]))
