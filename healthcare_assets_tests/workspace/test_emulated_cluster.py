"""Jobs of the emulated workspace have Spark with Delta Lake, and tables that outlast them."""

from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from deltalake import DeltaTable

from healthcare_assets_tests.machine import require_spark
from healthcare_assets_tests.workspace.running import Script, printed, results, submitted

FIRST = """
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    spark.sql("CREATE SCHEMA IF NOT EXISTS spark_catalog.insurance")
    spark.sql("CREATE TABLE spark_catalog.insurance.costs (patient string, charges double) USING delta")
    rows = spark.createDataFrame([("a", 1.0), ("b", 2.0)], "patient string, charges double")
    rows.writeTo("spark_catalog.insurance.costs").append()
"""
SECOND = """
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    print(sorted(map(tuple, spark.table("spark_catalog.insurance.costs").collect())))
    spark.sql("SELECT 'b' AS patient, 3.0D AS charges UNION ALL SELECT 'c', 4.0D").createOrReplaceTempView("news")
    spark.sql('''
        MERGE INTO spark_catalog.insurance.costs AS stored USING news ON stored.patient = news.patient
        WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *
    ''')
"""


pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(autouse=True)
def with_spark() -> None:
    require_spark()


def test_a_job_finds_and_merges_into_the_table_of_an_earlier_one(
    client: WorkspaceClient, script: Script, warehouse: Path
) -> None:
    assert results(submitted(client, script(FIRST))) == {"step": "SUCCESS"}
    second = submitted(client, script(SECOND))
    assert printed(client, second)[0] == "[('a', 1.0), ('b', 2.0)]"
    assert costs(warehouse) == [("a", 1.0), ("b", 3.0), ("c", 4.0)]


@pytest.mark.usefixtures("warm_spark")
@pytest.mark.parametrize("again", [False, True])
def test_jobs_on_a_spark_that_is_up_find_each_others_tables_and_none_of_another_test(
    client: WorkspaceClient, script: Script, warehouse: Path, again: bool
) -> None:
    assert results(submitted(client, script(FIRST))) == {"step": "SUCCESS"}
    assert printed(client, submitted(client, script(SECOND)))[0] == "[('a', 1.0), ('b', 2.0)]"
    assert costs(warehouse) == [("a", 1.0), ("b", 3.0), ("c", 4.0)]


def costs(warehouse: Path) -> list[tuple[Any, ...]]:
    stored = DeltaTable(warehouse / "insurance.db" / "costs").to_pyarrow_table()
    return sorted(zip(*stored.to_pydict().values(), strict=True))
