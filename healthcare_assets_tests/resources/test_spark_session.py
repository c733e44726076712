"""Which Spark the session is one of."""

from importlib.util import find_spec

import pytest


@pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed")
def test_the_environment_can_speak_to_the_spark_that_spark_remote_names() -> None:
    """Spark Connect's client needs packages that pyspark alone does not bring, and says so only when it is used."""
    from pyspark.sql.connect.session import SparkSession

    assert SparkSession.builder.remote("sc://127.0.0.1:15002") is not None
