"""The emulated workspace gives a job the machine and the libraries that it asks for, as Databricks does."""

import io
import zipfile
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, ResourceDoesNotExist
from databricks.sdk.service import compute, jobs

from healthcare_assets_tests.workspace.emulator import ClusterStart, Workspace
from healthcare_assets_tests.workspace.running import (
    CLUSTER,
    Script,
    ended,
    life_cycle,
    message,
    printed,
    python_task,
    results,
    submit,
    submitted,
    until,
)

SERVERLESS = "serverless"


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
