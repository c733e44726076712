"""The emulated workspace runs what is submitted as Databricks does."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service import compute, jobs

from healthcare_assets_tests.workspace.emulator import ClusterStart, Workspace
from healthcare_assets_tests.workspace.running import (
    CLUSTER,
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
SERVERLESS = "serverless"

Script = Callable[[str], str]


def environment(*dependencies: str) -> dict[str, Any]:
    """The settings of a run whose tasks run serverless with these."""
    spec = compute.Environment(client="3", dependencies=list(dependencies))
    return {"environments": [jobs.JobEnvironment(environment_key=SERVERLESS, spec=spec)]}


def wheel(*, answer: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("answers/__init__.py", f"import sys\ndef tell():\n    print({answer}, *sys.argv[1:])\n")
        archive.writestr("answers-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: answers\nVersion: 1.0\n")
        archive.writestr("answers-1.0.dist-info/entry_points.txt", "[console_scripts]\nask = answers:tell\n")
        archive.writestr("answers-1.0.dist-info/RECORD", "")
    return content.getvalue()


@pytest.fixture
def wheel_path(workspace: Workspace, client: WorkspaceClient) -> str:
    path = str(workspace.volume_root / "main" / "default" / "wheels" / "answers-1.0-py3-none-any.whl")
    client.files.upload(path, io.BytesIO(wheel(answer=42)), overwrite=True)
    return path


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


def test_a_wheel_in_a_volume_is_on_the_path_of_a_job_on_a_cluster(
    client: WorkspaceClient, script: Script, wheel_path: str
) -> None:
    libraries = [compute.Library(whl=wheel_path), compute.Library(pypi=compute.PythonPyPiLibrary(package="x"))]
    run = submitted(client, script("import answers; answers.tell()"), libraries=libraries)
    assert printed(client, run) == ["42"]


def test_a_wheel_in_an_environment_is_on_the_path_of_a_job_without_a_cluster(
    client: WorkspaceClient, workspace: Workspace, script: Script, wheel_path: str
) -> None:
    path = script("import answers, os; answers.tell(); print(os.environ['DATABRICKS_RUNTIME_VERSION'])")
    task = python_task(path, environment_key=SERVERLESS)
    run = ended(client, submit(client, task, **environment("pandas>=2", wheel_path)))
    assert printed(client, run) == ["42", "client.3.0"]
    assert workspace.cluster_starts() == []


def test_a_wheel_task_calls_the_entry_point_or_else_the_function_of_that_name(
    client: WorkspaceClient, wheel_path: str
) -> None:
    tasks = [
        jobs.SubmitTask(
            task_key=entry,
            new_cluster=CLUSTER,
            libraries=[compute.Library(whl=wheel_path)],
            python_wheel_task=jobs.PythonWheelTask(package_name="answers", entry_point=entry, **parameters),
        )
        for entry, parameters in (("ask", {"parameters": ["a", "b"]}), ("tell", {"named_parameters": {"day": "1"}}))
    ]
    run = ended(client, submit(client, *tasks))
    assert printed(client, run, "ask") == ["42 a b"]
    assert printed(client, run, "tell") == ["42 --day=1"]


def test_a_wheel_that_is_not_there_or_is_none_fails_the_task(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    absent = "/Volumes/main/default/wheels/gone-1.0-py3-none-any.whl"
    broken = str(workspace.volume_root / "main" / "broken-1.0-py3-none-any.whl")
    client.files.upload(broken, io.BytesIO(b"no zip"), overwrite=True)
    for path in (absent, broken):
        run = submitted(client, script("pass"), libraries=[compute.Library(whl=path)])
        assert results(run) == {"step": "FAILED"}
        assert "Library installation failed" in message(run)
        assert path in message(run)
        assert run.status is not None
        assert run.status.termination_details is not None
        assert run.status.termination_details.code == jobs.TerminationCodeCode.LIBRARY_INSTALLATION_ERROR
    assert workspace.processes_started() == 0


def test_an_existing_cluster_is_started_when_it_is_down_and_keeps_the_wheel_that_it_has(
    client: WorkspaceClient, workspace: Workspace, script: Script, wheel_path: str
) -> None:
    creation = client.clusters.create("16.4.x-scala2.12", num_workers=1, spark_env_vars={"OF_THE_CLUSTER": "yes"})
    cluster_id = str(creation.cluster_id)
    path = script("import answers, os; answers.tell(); print(os.environ['OF_THE_CLUSTER'])")
    where: dict[str, Any] = {
        "existing_cluster_id": cluster_id,
        "libraries": [compute.Library(whl=wheel_path)],
    }
    assert printed(client, submitted(client, path, **where)) == ["42", "yes"]
    client.files.upload(wheel_path, io.BytesIO(wheel(answer=43)), overwrite=True)
    assert printed(client, submitted(client, path, **where)) == ["42", "yes"]
    client.clusters.delete(cluster_id)
    assert printed(client, submitted(client, path, **where)) == ["43", "yes"]
    starts = [start.cluster for start in workspace.cluster_starts()]
    assert starts == [cluster_id, cluster_id]


def test_a_cluster_that_does_not_exist_fails_the_run(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    run = submitted(client, script("pass"), existing_cluster_id="1125-000000-gone")
    assert results(run) == {"step": "FAILED"}
    assert "Cluster 1125-000000-gone does not exist" in message(run)
    assert workspace.processes_started() == 0


def test_a_cluster_of_a_task_has_its_variables_with_the_secrets_that_they_name(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    client.secrets.create_scope("healthcare")
    client.secrets.put_secret("healthcare", "key", string_value="not for the log")
    variables = {"KEY": "{{secrets/healthcare/key}}", "HEALTHCARE_ENV": "dev"}
    cluster = compute.ClusterSpec(spark_version="16.4.x-scala2.12", num_workers=1, spark_env_vars=variables)
    path = script("""
        import base64, os
        from databricks.sdk import WorkspaceClient
        print(os.environ["KEY"], os.environ["HEALTHCARE_ENV"])
        print(base64.b64decode(WorkspaceClient().secrets.get_secret("healthcare", "key").value).decode())
    """)
    try:
        run = submitted(client, path, new_cluster=cluster)
        assert printed(client, run) == ["not for the log dev", "not for the log"]
        with pytest.raises(ResourceDoesNotExist):
            client.secrets.get_secret("healthcare", "another")
    finally:
        client.secrets.delete_scope("healthcare")
    run = submitted(client, path, new_cluster=cluster)
    assert "Secret does not exist with scope: healthcare and key: key" in message(run)


def test_a_run_is_pending_while_its_cluster_comes_up(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    workspace.slow_clusters(600)
    run_id = submit(client, python_task(script("pass")), run_name="slow")
    until(lambda: workspace.cluster_starts() == [ClusterStart("slow/step", run_id)])
    pending = client.jobs.get_run(run_id)
    assert [life_cycle(pending.state), *(life_cycle(task.state) for task in pending.tasks or [])] == ["PENDING"] * 2
    client.jobs.cancel_run(run_id)
    assert results(ended(client, run_id)) == {"step": "CANCELED"}
    assert workspace.processes_started() == 0


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


def test_what_databricks_refuses_makes_no_run(client: WorkspaceClient, workspace: Workspace, script: Script) -> None:
    path = script("pass")
    python = jobs.SparkPythonTask(python_file=path)
    with_library = python_task(path, environment_key=SERVERLESS, libraries=[compute.Library(whl="/x.whl")])
    nowhere = jobs.SubmitTask(task_key="step", spark_python_task=python)
    with pytest.raises(BadRequest, match="An environment is required for serverless task step"):
        submit(client, nowhere)
    with pytest.raises(BadRequest, match="is not defined"):
        submit(client, python_task(path, environment_key="another"), **environment())
    with pytest.raises(BadRequest, match="Libraries field is not supported for serverless task"):
        submit(client, with_library, **environment())
    with pytest.raises(BadRequest, match="unknown task"):
        submit(client, python_task(path, depends_on=[jobs.TaskDependency(task_key="another")]))
    assert workspace.runs() == []


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
