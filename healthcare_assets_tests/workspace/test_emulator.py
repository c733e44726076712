"""The emulated workspace does what Databricks does, and what a test asks of it."""

import io
import json
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InternalError, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service import compute, jobs

from healthcare_assets_tests.workspace.emulator import Fault, Workspace
from healthcare_assets_tests.workspace.waiting import ended, until

CLUSTER = compute.ClusterSpec(spark_version="16.4.x-scala2.12", num_workers=1, node_type_id="i3.xlarge")
SLEEPER = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(600)"])
    time.sleep(600)
"""

Script = Callable[[str], str]


@pytest.fixture
def client(workspace: Workspace) -> WorkspaceClient:
    return workspace.client()


@pytest.fixture
def script(workspace: Workspace, client: WorkspaceClient) -> Script:
    """Uploads a script into a volume; gives its path."""

    def upload(text: str) -> str:
        path = str(workspace.volume_root / "main" / "insurance" / "steps" / f"{uuid4().hex}.py")
        client.files.upload(path, io.BytesIO(textwrap.dedent(text).encode()))
        return path

    return upload


def submit(client: WorkspaceClient, *tasks: jobs.SubmitTask, **more: Any) -> int:
    """The id of a run of these tasks."""
    return int(client.jobs.submit(**{"run_name": "a step", "tasks": list(tasks), **more}).run_id)


def submitted(client: WorkspaceClient, script: str, *parameters: str, **more: Any) -> jobs.Run:
    """A run of one task, once it has ended."""
    return ended(client, submit(client, task(script, *parameters, **more)))


def task(script: str, *parameters: str, **more: Any) -> jobs.SubmitTask:
    python = jobs.SparkPythonTask(python_file=script, parameters=list(parameters))
    machine = {} if {"existing_cluster_id", "environment_key"} & more.keys() else {"new_cluster": CLUSTER}
    return jobs.SubmitTask(**{"task_key": "step", "spark_python_task": python, **machine, **more})


def output(client: WorkspaceClient, run: jobs.Run) -> jobs.RunOutput:
    """Of the only task of the run."""
    assert run.tasks is not None
    (only,) = run.tasks
    assert only.run_id is not None
    return client.jobs.get_run_output(only.run_id)


def results(run: jobs.Run) -> tuple[str | None, list[str | None]]:
    """Of the run, and of its tasks."""

    def result(state: jobs.RunState | None) -> str | None:
        return state.result_state.value if state and state.result_state else None

    return result(run.state), [result(task.state) for task in run.tasks or []]


def wheel(*, answer: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("answers/__init__.py", f"import sys\ndef tell():\n    print({answer}, *sys.argv[1:])\n")
        archive.writestr("answers-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: answers\nVersion: 1.0\n")
        archive.writestr("answers-1.0.dist-info/entry_points.txt", "[console_scripts]\nask = answers:tell\n")
        archive.writestr("answers-1.0.dist-info/RECORD", "")
    return content.getvalue()


def test_a_job_is_a_process_with_the_login_of_the_workspace_and_nothing_of_the_submitters_environment(
    client: WorkspaceClient, workspace: Workspace, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_SUBMITTER", "1")
    path = script("""
        import os, sys
        from databricks.sdk import WorkspaceClient
        print(sys.argv[1:], os.environ.get("OF_THE_SUBMITTER"), os.environ["DATABRICKS_RUNTIME_VERSION"])
        print(WorkspaceClient().current_user.me().user_name)
    """)
    run = submitted(client, path, "a", "b c")
    assert results(run) == ("SUCCESS", ["SUCCESS"])
    assert (output(client, run).logs or "").splitlines() == ["['a', 'b c'] None 16.4", "minilake-user"]
    (made,) = workspace.runs()
    assert (made.name, made.result, made.tasks[0].exit_code) == ("a step", "SUCCESS", 0)
    assert workspace.processes_started() == 1
    assert not workspace.live_processes()


def test_a_failed_task_says_what_it_printed_and_its_run_is_an_internal_error(
    client: WorkspaceClient, script: Script
) -> None:
    run = submitted(client, script("print('so far so good')\nraise ValueError('no such day')"))
    assert results(run) == ("FAILED", ["FAILED"])
    assert run.state is not None
    assert run.state.life_cycle_state == jobs.RunLifeCycleState.INTERNAL_ERROR
    said = output(client, run)
    assert said.error == "ValueError: no such day"
    assert (said.error_trace or "").startswith("Traceback")
    assert (said.logs or "").startswith("so far so good\n")


def test_a_cancelled_run_leaves_no_process_not_even_one_that_left_its_group(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    run_id = submit(client, task(script(SLEEPER)))
    until(lambda: len(workspace.live_processes()) == 2)
    running = client.jobs.get_run(run_id)
    assert running.tasks is not None
    assert running.tasks[0].run_id is not None
    assert running.tasks[0].state is not None
    assert running.tasks[0].state.life_cycle_state == jobs.RunLifeCycleState.RUNNING
    client.jobs.cancel_run(run_id)
    run = ended(client, run_id)
    assert results(run) == ("CANCELED", ["CANCELED"])
    assert run.state is not None
    assert run.state.life_cycle_state == jobs.RunLifeCycleState.TERMINATED
    assert not workspace.live_processes()


def test_a_token_makes_one_run_however_often_it_is_submitted(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script("pass")
    first, second = (
        submit(client, task(path), run_name="once", idempotency_token="t-1")  # noqa: S106
        for _ in range(2)
    )
    assert first == second
    ended(client, first)
    assert [(run.name, run.token) for run in workspace.runs()] == [("once", "t-1")]


def test_a_wheel_in_a_volume_is_on_the_path_of_the_job(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = str(workspace.volume_root / "main" / "default" / "wheels" / "answers-1.0-py3-none-any.whl")
    client.files.upload(path, io.BytesIO(wheel(answer=42)), overwrite=True)
    code = script("import answers; answers.tell()")
    run = submitted(client, code, libraries=[compute.Library(whl=path)])
    assert output(client, run).logs == "42\n"


def test_a_fault_after_the_effect_makes_a_run_and_says_that_it_did_not(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script("pass")
    workspace.faults(Fault(calls="runs/submit", answer=500, after_effect=True, times=1))
    with pytest.raises(InternalError):
        submit(client, task(path), run_name="unsure")
    assert [run.name for run in workspace.runs()] == ["unsure"]


def test_a_lost_run_does_not_exist(client: WorkspaceClient, workspace: Workspace, script: Script) -> None:
    run_id = submit(client, task(script(SLEEPER)))
    until(lambda: bool(workspace.live_processes()))
    workspace.lose_run(run_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Run {run_id} does not exist"):
        client.jobs.get_run(run_id)
    until(lambda: not workspace.live_processes())


def test_a_path_of_a_volume_is_the_same_for_the_api_for_a_job_and_for_the_tests(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = workspace.volume_root / "main" / "default" / "shared" / "note.json"
    client.files.upload(str(path), io.BytesIO(b'{"from": "the client"}'))
    run = submitted(
        client, script("import pathlib, sys; p = pathlib.Path(sys.argv[1]); print(p.read_text())"), str(path)
    )
    assert json.loads(output(client, run).logs or "") == {"from": "the client"} == json.loads(path.read_text())


def test_another_file_of_this_machine_is_not_in_the_workspace(client: WorkspaceClient, tmp_path: Path) -> None:
    (tmp_path / "local.py").write_text("pass")
    run = submitted(client, str(tmp_path / "local.py"))
    assert results(run) == ("FAILED", ["FAILED"])
    assert "Cannot read the python file" in (run.state.state_message or "" if run.state else "")


def test_nobody_gets_in_without_the_token(workspace: Workspace) -> None:
    from databricks.sdk.core import Config

    stranger = WorkspaceClient(config=Config(host=workspace.host, token="another", auth_type="pat"))  # noqa: S106
    with pytest.raises(PermissionDenied):
        stranger.current_user.me()
