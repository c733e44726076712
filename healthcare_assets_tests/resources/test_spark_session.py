"""Which Spark the session is one of."""

from importlib.util import find_spec

import pytest

from healthcare_assets.errors import SettingsError


@pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed")
def test_the_environment_can_speak_to_the_spark_that_spark_remote_names() -> None:
    """Spark Connect's client needs packages that pyspark alone does not bring, and says so only when it is used."""
    from pyspark.sql.connect.session import SparkSession

    assert SparkSession.builder.remote("sc://127.0.0.1:15002") is not None


def test_without_java_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from healthcare_assets.resources.spark_session import local_spark_session

    for variable in ("JAVA_HOME", "SPARK_REMOTE", "PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="no Java is on this machine: install Java 17"):
        local_spark_session()
