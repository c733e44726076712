"""States of the runbook that are not of the home: a workspace, a server, a recipient, other writers, a dead process."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from healthcare_assets.defs.sensors.evaluations import _why_it_failed
from healthcare_assets.domain.monitoring.alerting import AlertState, Attempts, Recipient, Standing
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources import table_faults
from healthcare_assets.resources.alerts import channels_for
from healthcare_assets.steps.alerts import tell
from healthcare_assets_tests.faults.on_call import OnCall, told
from healthcare_assets_tests.loopback import Answer, refusing, serving
from healthcare_assets_tests.postgres import postgres_server
from healthcare_assets_tests.resources.lakehouse_tables import VISITS


def two_runs_at_once(_: OnCall) -> None:
    """So many writers that one gives up, after as many attempts as it makes."""

    def beaten() -> None:
        raise table_faults.CommitConflictError("another one was first")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(table_faults, "_LONGEST_WAIT_SECONDS", 0.0)
        with pytest.raises(LakehouseError) as refused:
            table_faults.retry_on_conflict(VISITS, "here", beaten)
    told("Two runs at once", str(refused.value))


def told_of_a_run_without_a_step() -> str:
    """What is told of a run whose process was killed, once it is marked as failed."""

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def some() -> None:
        nothing()

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(some)
        instance.report_run_failed(run)
        return str(_why_it_failed(instance, run.run_id))


def no_launch(on_call: OnCall) -> None:
    heading = "A step cannot be launched on Databricks"
    on_call.finds("two days")
    refuses = True

    def answer(method: str, path: str, body: Any) -> Answer:
        if refuses:
            return 403, {"error_code": "PERMISSION_DENIED", "message": "This login has expired."}
        return 200, {"userName": "the service principal"}

    with serving(answer) as port:
        login = {"DATABRICKS_HOST": f"http://127.0.0.1:{port}", "DATABRICKS_TOKEN": "a-token"}
        on_call.variables |= {**login, "HEALTHCARE_ENV": "dev"}
        told(heading, on_call.run(("daily_scoring", "2026-01-02")))
        refuses = False
        assert "the service principal" in on_call.follows(heading)


def postgres_down(on_call: OnCall) -> None:
    heading, variable = "PostgreSQL is down", "HEALTHCARE_DAGSTER_DATABASE"
    on_call.finds("two days")
    with refusing() as port:
        on_call.variables[variable] = f"postgresql+psycopg2://dagster:a-password@127.0.0.1:{port}/dagster"
        told(heading, on_call.make_run())
    with postgres_server() as url:
        on_call.variables[variable] = url
        assert on_call.follows(heading) == ""


def no_alert(on_call: OnCall) -> None:
    heading = "No alert arrives"
    on_call.finds("two days")
    moment, received = datetime(2026, 1, 3, tzinfo=UTC), list[Any]()
    failing = Standing(
        day=date(2026, 1, 2), evaluated_at=moment, passed=False, severity="error", description="It is so."
    )
    with refusing() as port:
        [channel] = channels_for((f"json://127.0.0.1:{port}/",), write=print)
        tried = Attempts(first_at=moment - timedelta(days=2), count=9, next_at=moment)
        state = AlertState(checks={"a: b": failing}, recipients={channel.digest: Recipient(waiting={"a: b": tried})})
        [given_up] = tell(state, [channel], environment="prod", moment=moment).given_up
        told(heading, given_up)

    def answer(method: str, path: str, body: Any) -> Answer:
        received.append(body)
        return 200, {}

    with serving(answer) as port:
        said = on_call.follows(heading, HEALTHCARE_ALERT_URLS=f"json://127.0.0.1:{port}/")
    assert "URL 1 of HEALTHCARE_ALERT_URLS delivered" in said
    assert [body["title"] for body in received] == ["A test"]
