"""The emulated workspace goes wrong as it is told to."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import (
    DeadlineExceeded,
    InternalError,
    PermissionDenied,
    ResourceDoesNotExist,
)

from healthcare_assets_tests.workspace.emulator import Fault, Workspace, running_workspace
from healthcare_assets_tests.workspace.running import Script, python_task, submit, until

ME = "GET .*/Me"


def raw(workspace: Workspace, *, timeout: float = 30) -> requests.Response:
    """One call, tried once."""
    login = {"Authorization": f"Bearer {workspace.token}"}
    return requests.get(f"{workspace.host}/api/2.0/preview/scim/v2/Me", headers=login, timeout=timeout)


def test_a_status_is_answered_so_many_times(workspace: Workspace) -> None:
    workspace.faults(
        Fault(calls=ME, answer=429, times=1, retry_after=1),
        Fault(calls=ME, answer=503, times=1, retry_after=None),
        Fault(calls=ME, answer=502, times=1),
    )
    answers = [raw(workspace) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 503, 502, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", None, "0", None]
    assert answers[0].json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert [call.fault for call in workspace.calls()] == [429, 503, 502, None]


@pytest.mark.usefixtures("hasty_sdk")
def test_the_sdk_tries_again_after_429_503_and_a_reset_and_not_after_500_and_504(workspace: Workspace) -> None:
    client = workspace.client()
    for answer in (429, 503, "drop"):
        workspace.faults(Fault(calls=ME, answer=answer, times=2))
        assert client.current_user.me().user_name
    for answer, error in ((500, InternalError), (504, DeadlineExceeded)):
        workspace.faults(Fault(calls=ME, answer=answer, times=1))
        with pytest.raises(error):
            client.current_user.me()


def test_a_dropped_connection_has_no_answer(workspace: Workspace) -> None:
    workspace.faults(Fault(calls=ME, answer="drop", times=1))
    with pytest.raises(requests.ConnectionError):
        raw(workspace)
    assert [call.status for call in workspace.calls()] == [None]
    assert raw(workspace).ok


def test_chance_is_the_same_for_the_same_seed_and_about_as_likely_as_told(workspace: Workspace) -> None:
    def answers(seed: int) -> list[int]:
        workspace.faults(Fault(probability=0.3, answer=500), seed=seed)
        return [raw(workspace).status_code for _ in range(60)]

    first = answers(1)
    assert answers(1) == first != answers(2)
    assert 5 < Counter(first)[500] < 35


def test_other_calls_go_through_and_so_do_the_first_ones(workspace: Workspace) -> None:
    workspace.faults(Fault(calls="POST .*/runs/submit", answer=500), Fault(calls=ME, answer=500, skip=2))
    assert [raw(workspace).status_code for _ in range(4)] == [200, 200, 500, 500]


@pytest.mark.parametrize("answer", [500, "drop"])
@pytest.mark.usefixtures("hasty_sdk")
def test_a_fault_after_the_effect_makes_a_run_and_says_that_it_did_not(
    client: WorkspaceClient, workspace: Workspace, script: Script, answer: Any
) -> None:
    path = script("pass")
    workspace.faults(Fault(calls="runs/submit", answer=answer, after_effect=True, times=1))
    if answer == "drop":  # the SDK submits again, since it knows no better
        submit(client, python_task(path), run_name="unsure")
    else:
        with pytest.raises(InternalError):
            submit(client, python_task(path), run_name="unsure")
    assert [run.name for run in workspace.runs()] == ["unsure"] * (2 if answer == "drop" else 1)


def test_a_fault_before_the_effect_makes_no_run(client: WorkspaceClient, workspace: Workspace, script: Script) -> None:
    path = script("pass")
    workspace.faults(Fault(calls="runs/submit", answer=500, times=1))
    with pytest.raises(InternalError):
        submit(client, python_task(path))
    assert workspace.runs() == []


def test_an_answer_may_come_after_the_client_has_given_up(workspace: Workspace) -> None:
    workspace.faults(Fault(calls=ME, answer=None, delay=600, times=1))
    with pytest.raises(requests.ReadTimeout):
        raw(workspace, timeout=0.2)
    assert raw(workspace).ok
    assert [call.fault for call in workspace.calls()] == ["600 s late", None]


def test_a_lost_run_does_not_exist(client: WorkspaceClient, workspace: Workspace, script: Script) -> None:
    sleeping = python_task(script("import time; time.sleep(600)"))
    run_id, unseen = (submit(client, sleeping) for _ in range(2))
    until(lambda: len(workspace.live_processes()) == 2)
    workspace.lose_run(run_id)
    workspace.lose_run(unseen, kill=False)
    for lost in (run_id, unseen):
        with pytest.raises(ResourceDoesNotExist, match=f"Run {lost} does not exist"):
            client.jobs.get_run(lost)
    until(lambda: len(workspace.live_processes()) == 1)


def test_nobody_gets_in_without_the_token(workspace: Workspace) -> None:
    stranger = WorkspaceClient(config=Config(host=workspace.host, token="another", auth_type="pat"))  # noqa: S106
    with pytest.raises(PermissionDenied):
        stranger.current_user.me()
    answer = requests.get(f"{workspace.host}/api/2.0/preview/scim/v2/Me", timeout=30)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


def test_a_workspace_that_goes_takes_its_jobs_with_it(tmp_path: Path) -> None:
    with running_workspace(tmp_path, job_environment={}) as short_lived:
        path = short_lived.volume_root / "sleep.py"
        path.write_text("import time; time.sleep(600)")
        submit(short_lived.client(), python_task(str(path)))
        until(lambda: bool(short_lived.live_processes()))
        (process,) = short_lived.live_processes()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
