"""Runs one step where it was ordered: on a cluster, by a launcher's order or by a job's own arguments.

Dagster is not needed here, only `dagster-pipes`, which speaks its protocol.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT,
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesDefaultContextLoader,
    open_dagster_pipes,
)

from databricks_steps.messages import FolderMessageWriter
from databricks_steps.order import FORWARDED, Fault, Order, message_of
from healthcare_assets.environments import ENVIRONMENTS, Settings, settings_from
from healthcare_assets.errors import HealthcareError
from healthcare_assets.resources.fault import is_fault, places
from healthcare_assets.steps.catalogue import OPERATIONS, STEPS
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.running import run_operation, run_step
from healthcare_assets.steps.runtime import Runtime

Tell = Callable[[AssetReport | Fault], None]

YESTERDAY = "yesterday"
"""The UTC day that has just ended, for a job that runs by the clock."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the step; the process ends with 1 when it fails, which fails the Databricks task too."""
    if DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT in sys.argv:
        with _opened_pipes() as pipes:
            done = run(
                Order.from_json(pipes.extras["order"]),
                log=pipes.log.info,
                tell=lambda outcome: pipes.report_custom_message(message_of(outcome)),
            )
    else:
        order = order_from(sys.argv[1:] if arguments is None else arguments, now=datetime.now(UTC))
        done = run(order, log=lambda _: None, tell=lambda _: None)
    if not done:
        sys.exit(1)


def run(order: Order, *, log: Callable[[str], None], tell: Tell) -> bool:
    """Run the step and tell what becomes of each asset; whether it went well. What is told is printed as well.

    A fault that was foreseen is told by its sentence alone, and any other by its kinds and places: what the causes of
    the one and the messages of the other say may quote a patient's record.
    """

    def say(sentence: str) -> None:
        print(sentence, flush=True)  # noqa: T201 - the output of the Databricks task
        log(sentence)

    try:
        for report in _report(order, say):
            print(f"{report.asset}: {report.location}", flush=True)  # noqa: T201
            tell(report)
    except HealthcareError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201
        tell(Fault(said=str(error), foreseen=True))
        return False
    except BaseException as error:
        if not is_fault(error):
            raise
        print(places(error), file=sys.stderr, flush=True)  # noqa: T201
        tell(Fault(said=places(error), foreseen=False))
        return False
    return True


def order_from(arguments: Sequence[str], *, now: datetime) -> Order:
    """The order that a job's own arguments give; exits with a usage message when they give none."""
    parser = argparse.ArgumentParser(prog="run_step", description="Runs one step of the asset graph.")
    parser.add_argument("--environment", required=True, choices=[n for n, e in ENVIRONMENTS.items() if e.workspace])
    parser.add_argument("--step", required=True, choices=list(STEPS))
    parser.add_argument(
        "--day",
        default=YESTERDAY,
        help=f"a date like 2026-01-01, or {YESTERDAY} (UTC); stands for its month where a step looks at months",
    )
    parser.add_argument("--run-id", default="", help="what this run is called in the records of lineage")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=f"a setting: {', '.join(FORWARDED)}"
    )
    given = parser.parse_args(arguments)
    settings = dict(item.partition("=")[::2] for item in given.set)
    if unknown := sorted(set(settings) - set(FORWARDED)):
        parser.error(f"{', '.join(unknown)} cannot be set so; these can: {', '.join(FORWARDED)}")
    try:
        day = (now - timedelta(days=1)).date() if given.day == YESTERDAY else date.fromisoformat(given.day)
    except ValueError:
        parser.error(f"--day is '{given.day}': write it as a date like 2026-01-01, or {YESTERDAY}")
    step = STEPS[given.step]
    return Order(
        step=given.step,
        environment=given.environment,
        now=now,
        run_id=given.run_id or f"{given.step}-{now:%Y%m%dT%H%M%S}",
        code_version=_wheel_version(),
        day=(day.replace(day=1) if step.monthly else day) if step.daily else None,
        settings={name: value for name, value in settings.items() if value},
        who="a job of the workspace",
    )


def _report(order: Order, log: Callable[[str], None]) -> StepReport:
    runtime = Runtime(
        settings=_settings(order),
        now=order.now,
        run_id=order.run_id,
        log=log,
        code_version=order.code_version,
        mlflow_run_id=order.mlflow_run_id,
        ordered_by=order.who,
    )
    if order.step in OPERATIONS:
        return run_operation(order.step, runtime, who=order.who, why=order.why)
    return run_step(order.step, runtime, day=order.day)


def _settings(order: Order) -> Settings:
    """The settings of the order; what is local elsewhere lies in the volume here. A key may be this process's own."""
    given: Mapping[str, str] = {**order.settings, "HEALTHCARE_ENV": order.environment}
    workspace = settings_from(given).environment.workspace
    home = "" if workspace is None else f"{workspace.volume_path}/home"
    keys = {name: os.environ.get(name, "") for name in ("HEALTHCARE_PSEUDONYM_KEY", "HEALTHCARE_PSEUDONYM_KEY_NEXT")}
    return settings_from({**given, **keys, "HEALTHCARE_HOME": home})


def _wheel_version() -> str:
    """The version of the code, which the wheel bears: its files cannot be read one by one where it is packed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("healthcare-assets").rpartition("+")[2]
    except PackageNotFoundError:
        return "unknown"


@contextmanager
def _opened_pipes() -> Iterator[PipesContext]:
    with open_dagster_pipes(
        params_loader=PipesCliArgsParamsLoader(),  # type: ignore[no-untyped-call]
        context_loader=PipesDefaultContextLoader(),
        message_writer=FolderMessageWriter(),
    ) as pipes:
        yield pipes
