"""Jobs of the emulated workspace have Spark with Delta Lake, and tables that outlast them."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from deltalake import DeltaTable

from healthcare_assets_tests.workspace.spark_cluster import spark_conf, warehouse_of

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


@pytest.mark.spark
@pytest.mark.slow
def test_a_job_finds_and_merges_into_the_table_of_an_earlier_one(tmp_path: Path) -> None:
    if not shutil.which("java"):
        if os.environ.get("CI"):
            pytest.fail("no Java on this machine, and in CI the tests on Spark must run")
        pytest.skip("no Spark tests on this machine: java not found")
    environment = {**os.environ, **spark_conf(tmp_path)}

    def job(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    job(FIRST)
    assert job(SECOND) == "[('a', 1.0), ('b', 2.0)]\n"
    stored = DeltaTable(warehouse_of(tmp_path) / "insurance.db" / "costs").to_pyarrow_table()
    assert sorted(zip(*stored.to_pydict().values(), strict=True)) == [("a", 1.0), ("b", 3.0), ("c", 4.0)]
