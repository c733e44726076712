"""The Spark session: a cluster's own, or one for `HEALTHCARE_ENGINE=spark` outside a cluster."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.errors import SettingsError
from healthcare_assets.policy import POLICY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DELTA_COORDINATES = "io.delta:delta-spark_4.2_2.13:4.4.0"
"""Delta Lake for the Spark that the project's pyspark is."""

_TIME_ZONE = ("spark.sql.session.timeZone", "UTC")


def cluster_spark_session() -> "SparkSession":
    """The session of the cluster or serverless compute that this process runs on, as it is configured there."""
    from pyspark.sql import SparkSession

    session: SparkSession = SparkSession.builder.getOrCreate()
    session.conf.set(*_TIME_ZONE)
    return session


def local_spark_session(overrides: Mapping[str, str] | None = None) -> "SparkSession":
    """The session that SPARK_REMOTE names (`sc://host:port`), else a Spark of our own on this machine.

    `overrides` are settings of a Spark of our own. Delta's jars are taken from `share/delta` of the virtual
    environment, where the Makefile puts them; where there are none, Spark fetches them from Maven Central itself.
    Raises SettingsError on a machine without Java.
    """
    from pyspark.sql import SparkSession

    remote = os.environ.get("SPARK_REMOTE")
    if remote:
        return SparkSession.builder.remote(remote).config(*_TIME_ZONE).getOrCreate()
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise SettingsError(
            "HEALTHCARE_ENGINE is 'spark', and no Java is on this machine: install Java 17, name a Spark Connect "
            "server in SPARK_REMOTE, or unset HEALTHCARE_ENGINE to run on Polars."
        )
    # Without it, the functions of map_batches would run in whichever Python comes first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[*]").appName("healthcare_assets")
    for key, value in {**_local_configuration(), **(overrides or {})}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _local_configuration() -> dict[str, str]:
    jars = sorted((Path(sys.prefix) / "share" / "delta").glob("*.jar"))
    delta = {"spark.jars": ",".join(map(str, jars))} if jars else {"spark.jars.packages": DELTA_COORDINATES}
    return {
        **delta,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        # Its progress bars would overwrite what a run says.
        "spark.ui.showConsoleProgress": "false",
        # What a task fails with is raised as well; the log quotes the value it failed on, perhaps a patient's.
        "spark.log.level": "OFF",
        "spark.sql.shuffle.partitions": "4",
        # A table's log is small here; Delta's default of 50 partitions is 50 tasks for every look at it.
        "spark.databricks.delta.snapshotPartitions": "1",
        # VACUUM lists files in so many tasks; Spark's default of 10,000 is minutes for a handful of files.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        # Files as large as the other engine makes them; Delta's default is ten times that.
        "spark.databricks.delta.optimize.maxFileSize": str(POLICY.maintenance.file_bytes),
        "spark.databricks.delta.optimize.minFileSize": str(POLICY.maintenance.small_file_bytes),
        # Delta tables only ever lie below HEALTHCARE_HOME; this keeps an empty folder out of the working directory.
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "healthcare_assets_warehouse"),
        # Noting the line of Python that each column expression comes from takes four calls to the JVM an expression.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        **dict([_TIME_ZONE]),
    }
