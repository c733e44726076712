"""Runs jobs of the code location in this process, as the JSON on standard input says.

Everything is printed that Dagster prints of a run: its events, and the tracebacks of what fails.
"""

import json
import os
import sys
from functools import partial
from typing import Any

import dagster as dg

from healthcare_assets.dagster_home import prepare
from healthcare_assets.definitions import defs
from healthcare_assets.domain import deidentification
from healthcare_assets.environments import settings_from


def main() -> None:
    settings = settings_from()
    prepare(settings)
    if settings.engine == "spark":
        _for_frames_of_a_few_rows()
    definitions = defs()
    with dg.DagsterInstance.get() as instance:
        for order in json.load(sys.stdin):
            _run(definitions, instance, order)


def _for_frames_of_a_few_rows() -> None:
    from healthcare_assets.resources import spark_session
    from healthcare_assets_tests.conftest import FOR_FRAMES_OF_A_FEW_ROWS

    spark_session.local_spark_session = partial(spark_session.local_spark_session, FOR_FRAMES_OF_A_FEW_ROWS)


def _run(definitions: dg.Definitions, instance: dg.DagsterInstance, order: dict[str, Any]) -> None:
    os.environ["HEALTHCARE_SOURCE"] = order["source"]
    if order["name"] == "unforeseen":
        deidentification.pseudonymiser = _quoting
    result = definitions.resolve_job_def(order["job"]).execute_in_process(
        instance=instance, partition_key=order.get("day"), raise_on_error=False
    )
    print(f"{order['name']}: {'success' if result.success else 'failure'}")  # noqa: T201


def _quoting(*_keys: bytes, column: str = "") -> Any:
    """In the place of what makes pseudonyms: a fault that nobody has foreseen, and that says what it was busy with."""

    def fail(batch: Any) -> Any:
        record = batch.slice(0, 1).to_pylist()
        try:
            int(record[0]["identity"])
        except ValueError as error:
            raise ValueError(f"cannot handle {record}") from error

    return fail


if __name__ == "__main__":
    main()
