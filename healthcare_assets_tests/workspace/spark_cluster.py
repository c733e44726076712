"""What a cluster has and a bare process has not: a Spark with Delta Lake, and tables that outlast a job."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from healthcare_assets.resources.spark_session import DELTA_COORDINATES

_ON_CLUSTER = Path(__file__).with_name("on_cluster")
_ROOT = Path(__file__).parents[2]
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


@dataclass(frozen=True)
class WarmSpark:
    """A Spark that is up already, as that of a shared cluster or of serverless compute, over Spark Connect."""

    remote: str
    """For the variable SPARK_REMOTE."""
    forget: Callable[[], None]
    """Drops all schemas with their tables."""


@contextmanager
def running_spark(folder: Path) -> Iterator[WarmSpark]:
    """One Spark for many jobs, with the settings and the tables of `spark_conf`.

    A job on it is quicker by the start of a JVM. What a job maps through Python runs here, with the modules of the
    project and not with those of the job's wheel.
    """
    environment = {**os.environ, **spark_conf(folder)}
    environment["PYTHONPATH"] += f"{os.pathsep}{_ROOT}"
    with (folder / "spark-server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, str(_ON_CLUSTER / "spark_server.py")],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        asked, answers = server.stdin, server.stdout

        def answer() -> str:
            said = answers.readline().strip()
            if not said:
                raise RuntimeError(f"Spark is gone: {(folder / 'spark-server.log').read_text()[-3000:]}")
            return said

        def forget() -> None:
            asked.write("\n")
            asked.flush()
            answer()

        yield WarmSpark(f"sc://127.0.0.1:{answer()}", forget)


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
        # VACUUM lists a table's files in so many tasks: Spark's default of 10,000 is minutes a table.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        "spark.databricks.delta.stats.skipping": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }
