"""The bundle with the real CLI: it is valid for every target, deploys, changes nothing the second time, and goes."""

import json
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.jobs import JobSettings, PauseStatus, Task

from databricks_steps.bundle_jobs import JOBS
from databricks_steps.clusters import warm_cluster_name
from databricks_steps.dashboard import dashboard
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets_tests.databricks.conftest import TOKEN, Project
from healthcare_assets_tests.databricks.workspace_server import PRINCIPAL, WorkspaceServer

pytestmark = pytest.mark.slow

SERVING = "databricks_steps/serving"
TARGETS = ["dev", "staging", "prod"]
UNCHANGED = "0 to add, 0 to change, 0 to delete"


@pytest.fixture(scope="module")
def client(workspace: WorkspaceServer) -> WorkspaceClient:
    client = WorkspaceClient(host=workspace.host, token=TOKEN)
    for target in TARGETS:
        client.catalogs.create(f"healthcare_{target}")
    return client


@pytest.fixture(scope="module", params=TARGETS)
def deployed(request: pytest.FixtureRequest, project: Project, client: WorkspaceClient) -> str:
    """A target that has been deployed; one after the other, into the same workspace."""
    project.cli("bundle", "deploy", "-t", request.param)
    target: str = request.param
    return target


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_valid(project: Project, target: str) -> None:
    project.cli("bundle", "validate", "--strict", "-t", target)
    project.cli("bundle", "validate", "--strict", "-t", target, "--var", "version=1", folder=SERVING)


def test_a_deployment_to_prod_says_who_the_jobs_run_as(project: Project) -> None:
    """A variable that was forgotten is no empty string."""
    environment = {k: v for k, v in project.environment.items() if k != "BUNDLE_VAR_prod_service_principal"}
    forgotten = Project(project.root, environment).cli("bundle", "validate", "-t", "prod", check=False)
    assert forgotten.returncode != 0
    assert "no value assigned to required variable prod_service_principal" in forgotten.stderr


def test_the_jobs_are_there_with_their_tasks_clusters_and_schedules(deployed: str, client: WorkspaceClient) -> None:
    for job in JOBS.values():
        settings = _settings(client, deployed, job.name)
        waiting = {task.task_key: {d.task_key for d in task.depends_on or []} for task in settings.tasks or []}
        assert waiting == {step: set(job.waits_for(step)) for step in job.steps}
        assert len(settings.job_clusters or []) == 1
        assert (settings.schedule is not None) == (job.cron is not None)
        if settings.schedule:
            paused = PauseStatus.PAUSED if deployed == "dev" else PauseStatus.UNPAUSED
            assert settings.schedule.pause_status == paused
        run_as = settings.as_dict().get("run_as")
        assert run_as == (None if deployed == "dev" else {"service_principal_name": PRINCIPAL})


def test_what_a_task_needs_is_in_the_workspace(deployed: str, client: WorkspaceClient) -> None:
    for job in JOBS.values():
        for task in _settings(client, deployed, job.name).tasks or []:
            for path in _files(task):
                assert client.workspace.get_status(path).size
            assert task.spark_python_task is not None
            given = task.spark_python_task.parameters or []
            assert given[:4] == ["--environment", deployed, "--step", task.task_key]
            assert f"HEALTHCARE_CATALOG=healthcare_{deployed}" in given


def test_what_the_launcher_and_the_steps_look_for_is_there(
    deployed: str, client: WorkspaceClient, workspace: WorkspaceServer
) -> None:
    environment = ENVIRONMENTS[deployed]
    assert environment.workspace is not None
    schema = f"healthcare_{deployed}.{environment.workspace.schema}"
    assert client.schemas.get(schema).full_name == schema
    assert client.volumes.read(f"{schema}.{environment.workspace.volume}").volume_type is not None
    assert environment.workspace.secret_scope in {scope.name for scope in client.secrets.list_scopes()}
    assert client.registered_models.get(environment.registered_model).name == environment.model_name
    experiments = {experiment["name"] for experiment in workspace.kept.experiments.values()}
    assert f"{environment.experiment_root}/training" in experiments
    warm = [c for c in client.clusters.list() if c.cluster_name == warm_cluster_name(environment, "daily")]
    assert len(warm) == 1
    assert warm[0].autotermination_minutes


def test_the_dashboard_asks_a_warehouse_of_its_own_as_who_looks_at_it(
    deployed: str, client: WorkspaceClient, workspace: WorkspaceServer
) -> None:
    name = f"Health insurance costs ({deployed})"
    (there,) = [one for one in workspace.kept.dashboards.values() if one["display_name"] == name]
    assert json.loads(there["serialized_dashboard"]) == dashboard()
    assert (there["dataset_catalog"], there["dataset_schema"]) == (f"healthcare_{deployed}", "insurance")
    warehouse = client.warehouses.get(there["warehouse_id"])
    assert (warehouse.name, warehouse.auto_stop_mins) == (f"healthcare-assets-{deployed}-dashboard", 10)
    assert not there["published"]["embed_credentials"]


def test_a_second_deployment_changes_nothing(deployed: str, project: Project) -> None:
    project.cli("bundle", "deploy", "-t", deployed)
    assert UNCHANGED in project.cli("bundle", "plan", "-t", deployed).stdout


def test_a_catalog_and_a_source_of_ones_own_reach_the_tasks(project: Project, client: WorkspaceClient) -> None:
    said = project.cli(
        "bundle", "validate", "-t", "dev", "-o", "json", "--var", "catalog=sandbox", "--var", "source=raw.members"
    )
    resources: dict[str, Any] = json.loads(said.stdout)["resources"]
    assert resources["schemas"]["tables"]["catalog_name"] == "sandbox"
    parameters = resources["jobs"]["training"]["tasks"][0]["spark_python_task"]["parameters"]
    assert {"HEALTHCARE_CATALOG=sandbox", "HEALTHCARE_SOURCE=raw.members", "HEALTHCARE_OUTCOMES="} <= set(parameters)


def test_the_endpoint_is_deployed_with_the_version_that_is_said(project: Project, client: WorkspaceClient) -> None:
    for version in ("1", "2"):
        project.cli("bundle", "deploy", "-t", "staging", "--var", f"version={version}", folder=SERVING)
        endpoint = client.serving_endpoints.get("health-insurance-cost-staging")
        assert endpoint.config is not None
        (entity,) = endpoint.config.served_entities or []
        servable = f"{ENVIRONMENTS['staging'].registered_model}_serving"
        assert (entity.entity_name, entity.entity_version) == (servable, version)
    # A deployment of the other bundle leaves it alone.
    project.cli("bundle", "deploy", "-t", "staging")
    assert client.serving_endpoints.get("health-insurance-cost-staging").config == endpoint.config


def test_a_deployment_to_dev_can_be_taken_back_and_made_anew(project: Project, client: WorkspaceClient) -> None:
    project.cli("bundle", "deploy", "-t", "dev")
    project.cli("bundle", "destroy", "-t", "dev", "--auto-approve")
    with pytest.raises(NotFound):
        client.schemas.get("healthcare_dev.insurance")
    assert not [name for job in client.jobs.list() if (name := _name(job)).startswith("healthcare-assets-dev")]
    assert client.catalogs.get("healthcare_dev").name == "healthcare_dev"
    project.cli("bundle", "deploy", "-t", "dev")


def test_what_holds_records_stays_when_somebody_destroys_the_deployment(
    project: Project, client: WorkspaceClient
) -> None:
    project.cli("bundle", "deploy", "-t", "prod")
    destroyed = project.cli("bundle", "destroy", "-t", "prod", "--auto-approve", check=False)
    assert destroyed.returncode != 0
    assert "resources.schemas.tables has lifecycle.prevent_destroy set" in destroyed.stderr
    assert client.schemas.get("healthcare_prod.insurance").name == "insurance"
    assert UNCHANGED in project.cli("bundle", "plan", "-t", "prod").stdout


def _settings(client: WorkspaceClient, target: str, job: str) -> JobSettings:
    name = f"healthcare-assets-{target}-{job.replace('_', '-')}"
    (found,) = [listed for listed in client.jobs.list() if _name(listed) == name]
    assert found.job_id is not None
    settings = client.jobs.get(found.job_id).settings
    assert settings is not None
    return settings


def _name(job: Any) -> str:
    return str(job.settings.name) if job.settings else ""


def _files(task: Task) -> list[str]:
    assert task.spark_python_task is not None
    of_libraries = [path for library in task.libraries or [] for path in (library.whl, library.requirements) if path]
    assert len(of_libraries) == 2
    return [task.spark_python_task.python_file, *of_libraries]
