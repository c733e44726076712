"""Fixtures that tests of several rooms share: the two lakehouses."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets_tests.machine import require_spark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

pytest_plugins = ["healthcare_assets_tests.workspace.fixtures"]

FOR_FRAMES_OF_A_FEW_ROWS = {
    # Compiling a plan takes seconds, interpreting it over a few rows none. What is computed is the same.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
}


# How long an example takes is not what a property says, and the machine may be busy.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def spark_session() -> "Iterator[SparkSession]":
    """One local Spark for the whole run: starting one takes six seconds."""
    require_spark()
    from healthcare_assets.resources.spark_session import local_spark_session

    session = local_spark_session(FOR_FRAMES_OF_A_FEW_ROWS)
    yield session
    session.stop()


@pytest.fixture
def polars_lakehouse(tmp_path: Path) -> Lakehouse:
    """An empty lakehouse on Polars."""
    from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse

    return PolarsLakehouse(tmp_path / "lakehouse-polars")


@pytest.fixture
def spark_lakehouse(tmp_path: Path, spark_session: "SparkSession") -> Lakehouse:
    """An empty lakehouse on a JVM Spark."""
    from healthcare_assets.resources.spark_lakehouse import SparkLakehouse

    return SparkLakehouse(spark_session, str(tmp_path / "lakehouse-spark"))


@pytest.fixture(params=["polars", pytest.param("spark", marks=pytest.mark.spark)])
def lakehouse(request: pytest.FixtureRequest) -> Lakehouse:
    """An empty lakehouse of either engine."""
    chosen: Lakehouse = request.getfixturevalue(f"{request.param}_lakehouse")
    return chosen
