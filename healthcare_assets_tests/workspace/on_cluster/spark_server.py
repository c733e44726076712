"""A Spark Connect server that says its port, drops all schemas for each line that it reads, and ends with its input."""

import sys
from typing import Any

from pyspark.sql import SparkSession

_SERVICE = "org.apache.spark.sql.connect.service.SparkConnectService$"


def main() -> None:
    builder: Any = SparkSession.builder
    settings = {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    _say(getattr(getattr(session._jvm, _SERVICE), "MODULE$").localPort())  # a Scala object, which Python spells so
    for _ in sys.stdin:
        for schema in session.catalog.listDatabases():
            if schema.name != "default":
                session.sql(f"DROP SCHEMA `{schema.name}` CASCADE")
        _say("done")
    session.stop()


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
