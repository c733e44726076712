"""The emulated workspace runs what is submitted as Databricks does."""

import io
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.service import jobs

from healthcare_assets_tests.workspace.emulator import Workspace
from healthcare_assets_tests.workspace.running import (
    CLUSTER,
    Script,
    ended,
    life_cycle,
    message,
    output,
    printed,
    python_task,
    result,
    results,
    submit,
    submitted,
    until,
)

SLEEPER = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(600)"])
    time.sleep(600)
"""


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
    assert results(run) == {"step": "SUCCESS"}
    assert (life_cycle(run.state), result(run.state)) == ("TERMINATED", "SUCCESS")
    assert printed(client, run) == ["['a', 'b c'] None 16.4", "minilake-user"]
    (made,) = workspace.runs()
    assert (made.name, made.result, made.tasks[0].exit_code) == ("a step", "SUCCESS", 0)
    assert workspace.processes_started() == 1
    assert not workspace.live_processes()


def test_a_failed_task_says_what_it_printed_and_its_run_is_an_internal_error(
    client: WorkspaceClient, script: Script
) -> None:
    run = submitted(client, script("print('so far so good')\nraise ValueError('no such day')"))
    assert (life_cycle(run.state), result(run.state)) == ("INTERNAL_ERROR", "FAILED")
    assert results(run) == {"step": "FAILED"}
    said = output(client, run)
    assert said.error == "ValueError: no such day"
    assert (said.error_trace or "").startswith("Traceback")
    assert (said.logs or "").startswith("so far so good\n")


def test_the_output_is_asked_of_the_task(client: WorkspaceClient, script: Script) -> None:
    run = submitted(client, script("print('hello')"))
    assert run.run_id is not None
    with pytest.raises(InvalidParameterValue, match="output of each individual task run"):
        client.jobs.get_run_output(run.run_id)


def test_a_cancelled_run_leaves_no_process_not_even_one_that_left_its_group(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    run_id = submit(client, python_task(script(SLEEPER)))
    until(lambda: len(workspace.live_processes()) == 2)
    running = client.jobs.get_run(run_id)
    (task,) = running.tasks or []
    assert (life_cycle(running.state), life_cycle(task.state)) == ("RUNNING", "RUNNING")
    assert set(workspace.live_processes().values()) == {task.run_id}
    client.jobs.cancel_run(run_id)
    run = ended(client, run_id)
    assert (life_cycle(run.state), result(run.state)) == ("TERMINATED", "CANCELED")
    assert results(run) == {"step": "CANCELED"}
    assert not workspace.live_processes()


def test_a_process_that_a_task_leaves_behind_ends_with_it(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script("import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)")
    assert results(submitted(client, path)) == {"step": "SUCCESS"}
    assert not workspace.live_processes()


def test_the_limit_of_a_task_and_the_limit_of_a_run_end_it(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script(SLEEPER)
    of_task = submit(client, python_task(path, timeout_seconds=1))
    of_run = submit(client, python_task(path), timeout_seconds=1)
    for run in (ended(client, of_task), ended(client, of_run)):
        assert (result(run.state), results(run)) == ("TIMEDOUT", {"step": "TIMEDOUT"})
    assert not workspace.live_processes()


def test_a_token_makes_one_run_however_often_it_is_submitted(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script("pass")
    first, second = (
        submit(client, python_task(path), run_name="once", idempotency_token="t-1")  # noqa: S106
        for _ in range(2)
    )
    assert first == second
    ended(client, first)
    assert [(run.name, run.token) for run in workspace.runs()] == [("once", "t-1")]


def test_a_task_of_a_type_that_is_not_run_fails(client: WorkspaceClient) -> None:
    notebook = jobs.SubmitTask(
        task_key="notebook", new_cluster=CLUSTER, notebook_task=jobs.NotebookTask(notebook_path="/n")
    )
    run = ended(client, submit(client, notebook))
    assert results(run) == {"notebook": "FAILED"}
    assert "not notebook_task" in message(run)


def test_a_task_is_tried_as_often_as_it_says(client: WorkspaceClient, workspace: Workspace, script: Script) -> None:
    path = script("""
        import pathlib, sys
        tried = pathlib.Path(sys.argv[1])
        if not tried.exists():
            tried.touch()
            raise SystemExit("once more")
        print("well")
    """)
    tried = workspace.volume_root / "main" / "tried"
    tried.parent.mkdir(exist_ok=True)
    job = client.jobs.create(
        name="again",
        tasks=[
            jobs.Task(
                task_key="step",
                new_cluster=CLUSTER,
                max_retries=1,
                spark_python_task=jobs.SparkPythonTask(python_file=path, parameters=[str(tried)]),
            )
        ],
    )
    assert job.job_id is not None
    run = ended(client, int(client.jobs.run_now(job.job_id).run_id))
    assert result(run.state) == "SUCCESS"
    assert printed(client, run) == ["well"]
    (made,) = workspace.runs()
    assert [task.result for task in made.tasks] == ["FAILED", "SUCCESS"]


def test_a_path_of_a_volume_is_the_same_for_the_api_for_a_job_and_for_the_tests(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = workspace.volume_root / "main" / "default" / "shared" / "note"
    client.files.upload(str(path), io.BytesIO(b"from the client"))
    code = script(
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]); print(p.read_text()); p.write_text('from the job')"
    )
    assert printed(client, submitted(client, code, str(path))) == ["from the client"]
    assert path.read_text() == "from the job"
    answer = client.files.download(str(path)).contents
    assert answer is not None
    assert answer.read() == b"from the job"


def test_another_file_of_this_machine_is_not_in_the_workspace(client: WorkspaceClient, tmp_path: Path) -> None:
    (tmp_path / "local.py").write_text("pass")
    run = submitted(client, str(tmp_path / "local.py"))
    assert results(run) == {"step": "FAILED"}
    assert "Cannot read the python file" in message(run)
