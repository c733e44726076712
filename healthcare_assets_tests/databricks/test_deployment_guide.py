"""The guide is followed word by word, as far as the emulator reaches."""

import re
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import PauseStatus

from databricks_steps.bundle_jobs import JOBS
from healthcare_assets.compute import WarmCluster
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets.resources.pseudonym_key import SECRET
from healthcare_assets_tests.databricks.conftest import TOKEN, Project
from healthcare_assets_tests.databricks.workspace_server import PRINCIPAL, WorkspaceServer

GUIDE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")


def _marked_blocks() -> list[str]:
    return re.findall(r"^<!-- run -->\n```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_guide_deploys(project: Project, workspace: WorkspaceServer) -> None:
    environment = {k: v for k, v in project.environment.items() if not k.startswith("BUNDLE_VAR_")}
    follower = Project(project.root, {**environment, "DATABRICKS_CLIENT_ID": PRINCIPAL})
    assert len(_marked_blocks()) == 5
    follower.run("sh", "-euc", "\n".join(_marked_blocks()))

    client = WorkspaceClient(host=workspace.host, token=TOKEN)
    assert client.schemas.get("healthcare_staging.insurance").catalog_name == "healthcare_staging"
    assert [secret.key for secret in client.secrets.list_secrets("healthcare_staging")] == [SECRET]
    # The last deployment of the guide: Dagster runs the day, and the source is again the synthetic one.
    clocked = [job.settings for job in client.jobs.list() if job.settings and job.settings.schedule]
    assert len(clocked) == len([job for job in JOBS.values() if job.cron])
    assert all(s.schedule and s.schedule.pause_status == PauseStatus.PAUSED for s in clocked)


def test_the_guide_names_the_jobs_and_their_hours() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", GUIDE, re.MULTILINE))
    for job in JOBS.values():
        minute, hour, day, *_ = (job.cron or "- - -").split()
        expected = "when asked" if job.cron is None else f"{int(hour):02}:{int(minute):02}"
        assert expected in rows[job.name]
        assert ("first of the month" in rows[job.name]) == (day == "1")
    for step in ("feature_engineering", "training_pipeline", "monitoring"):
        assert f"databricks bundle run {step} -t staging" in GUIDE


def test_the_guide_says_the_figures_of_the_table() -> None:
    idle = {
        name: compute.idle_minutes
        for name, environment in ENVIRONMENTS.items()
        if environment.workspace is not None
        for compute in environment.workspace.compute.values()
        if isinstance(compute, WarmCluster)
    }
    assert idle["dev"] == idle["staging"]
    assert f"after {idle['staging']} idle minutes ({idle['prod']} in prod)" in GUIDE
    staging = ENVIRONMENTS["staging"]
    assert f"databricks workspace mkdirs {staging.experiment_root}\n" in GUIDE
    assert staging.registered_model in GUIDE
    assert staging.workspace is not None
    assert f"databricks secrets put-secret {staging.workspace.secret_scope} {SECRET}" in GUIDE
