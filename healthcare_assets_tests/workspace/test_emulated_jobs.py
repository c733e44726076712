"""The emulated workspace has jobs, and runs them with the parameters that they are given."""

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, ResourceDoesNotExist
from databricks.sdk.service import jobs

from healthcare_assets_tests.workspace.emulator import ClusterStart, Workspace
from healthcare_assets_tests.workspace.running import (
    CLUSTER,
    Script,
    ended,
    life_cycle,
    output,
    printed,
    result,
    results,
    until,
)


def job_task(key: str, script: str, *parameters: str, after: str | None = None) -> jobs.Task:
    return jobs.Task(
        task_key=key,
        job_cluster_key="shared",
        spark_python_task=jobs.SparkPythonTask(python_file=script, parameters=list(parameters)),
        depends_on=[jobs.TaskDependency(task_key=after)] if after else None,
    )


def made(client: WorkspaceClient, *tasks: jobs.Task, queue: bool = False) -> int:
    """A job whose tasks share a cluster."""
    job_id = client.jobs.create(
        name="scoring",
        tasks=list(tasks),
        job_clusters=[jobs.JobCluster(job_cluster_key="shared", new_cluster=CLUSTER)],
        parameters=[
            jobs.JobParameterDefinition(name="day", default="today"),
            jobs.JobParameterDefinition(name="environment", default="dev"),
        ],
        queue=jobs.QueueSettings(enabled=True) if queue else None,
    ).job_id
    assert job_id is not None
    return job_id


def test_a_job_of_two_tasks_shares_a_cluster_and_gives_each_its_own_parameters(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script("import sys; print(*sys.argv[1:])")
    job_id = made(
        client,
        job_task("features", path, "--day", "{{job.parameters.day}}", "--env={{ job.parameters.environment }}"),
        job_task("scores", path, "{{task.name}} of {{job.id}} in {{job.run_id}}", after="features"),
    )
    run = ended(client, int(client.jobs.run_now(job_id, job_parameters={"day": "2026-11-01"}).run_id))
    assert results(run) == {"features": "SUCCESS", "scores": "SUCCESS"}
    assert printed(client, run, "features") == ["--day 2026-11-01 --env=dev"]
    assert printed(client, run, "scores") == [f"scores of {job_id} in {run.run_id}"]
    assert run.run_id is not None
    assert workspace.cluster_starts() == [ClusterStart("scoring/shared", run.run_id)]
    assert [made.name for made in workspace.runs()] == ["scoring"]


def test_a_task_after_one_that_failed_is_not_run(client: WorkspaceClient, workspace: Workspace, script: Script) -> None:
    bad, good = script("raise SystemExit('no')"), script("pass")
    job_id = made(client, job_task("features", bad), job_task("scores", good, after="features"))
    run = ended(client, int(client.jobs.run_now(job_id).run_id))
    assert (life_cycle(run.state), result(run.state)) == ("INTERNAL_ERROR", "FAILED")
    assert results(run) == {"features": "FAILED", "scores": "UPSTREAM_FAILED"}
    assert output(client, run, "features").error == "no"
    assert workspace.processes_started() == 1


def test_only_some_tasks_are_run_and_a_token_makes_one_run(
    client: WorkspaceClient, workspace: Workspace, script: Script
) -> None:
    path = script("print('here')")
    job_id = made(client, job_task("features", path), job_task("scores", path, after="features"))
    first, second = (
        int(client.jobs.run_now(job_id, only=["scores"], idempotency_token="t-2").run_id)  # noqa: S106
        for _ in range(2)
    )
    assert first == second
    assert results(ended(client, first)) == {"scores": "SUCCESS"}
    assert workspace.processes_started() == 1
    with pytest.raises(BadRequest, match="another"):
        client.jobs.run_now(job_id, only=["another"])


@pytest.mark.parametrize("queue", [False, True])
def test_a_run_more_than_the_job_may_have_is_skipped_or_waits(
    client: WorkspaceClient, workspace: Workspace, script: Script, queue: bool
) -> None:
    job_id = made(client, job_task("step", script("import time; time.sleep(600)")), queue=queue)
    first, second = (int(client.jobs.run_now(job_id).run_id) for _ in range(2))
    until(lambda: bool(workspace.live_processes()))
    assert life_cycle(client.jobs.get_run(second).state) == ("QUEUED" if queue else "SKIPPED")
    client.jobs.cancel_run(first)
    ended(client, first)
    until(lambda: bool(workspace.live_processes()) == queue)


def test_a_job_can_be_found_changed_and_deleted(client: WorkspaceClient, script: Script) -> None:
    job_id = made(client, job_task("features", script("pass")))
    assert [job.job_id for job in client.jobs.list(name="scoring")] == [job_id]
    assert list(client.jobs.list(name="another")) == []
    client.jobs.update(job_id, new_settings=jobs.JobSettings(name="scoring, renamed"))
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert (settings.name, [task.task_key for task in settings.tasks or []]) == ("scoring, renamed", ["features"])
    run = ended(client, int(client.jobs.run_now(job_id).run_id))
    assert [found.run_id for found in client.jobs.list_runs(job_id=job_id)] == [run.run_id]
    client.jobs.delete(job_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Job {job_id} does not exist"):
        client.jobs.get(job_id)
