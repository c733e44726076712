"""What a cluster has and a bare process has not: a Spark with Delta Lake, and tables that outlast a job."""

import sys
from pathlib import Path

from healthcare_assets.resources.spark_session import DELTA_COORDINATES

_ON_CLUSTER = Path(__file__).with_name("on_cluster")
_TO_START_SOON = (
    # Of a job of seconds most is the JVM's start: compiling its code well costs more than running it.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
    "-Xms512m",
    "-Xmn256m",
)


def warehouse_of(folder: Path) -> Path:
    """Where the table `spark_catalog.<schema>.<table>` lies: `<schema>.db/<table>` in here."""
    return folder / "warehouse"


def spark_conf(folder: Path) -> dict[str, str]:
    """The environment of jobs for which a plain `SparkSession.builder.getOrCreate()` gives the session of a cluster.

    Its catalog is `spark_catalog`. Tables that a job makes there lie in the folder, and the jobs that start later find
    them; several jobs may run at a time.
    """
    folder = folder.resolve()
    settings = folder / "conf"
    settings.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"{name} {value}" for name, value in _settings(folder).items())
    (settings / "spark-defaults.conf").write_text(lines + "\n")
    return {
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(_ON_CLUSTER),
        "EMULATED_WAREHOUSE": str(warehouse_of(folder)),
    }


def _settings(folder: Path) -> dict[str, str]:
    jars = sorted((Path(sys.prefix) / "share" / "delta").glob("*.jar"))
    delta = {"spark.jars": ",".join(map(str, jars))} if jars else {"spark.jars.packages": DELTA_COORDINATES}
    return {
        **delta,
        "spark.master": "local[2]",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(warehouse_of(folder)),
        "spark.local.dir": str(folder / "scratch"),
        "spark.driver.extraJavaOptions": " ".join(_TO_START_SOON),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # A few rows are interpreted sooner than their plan is compiled.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.databricks.delta.stats.skipping": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }
