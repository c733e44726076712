"""The bundle says what the table of environments says, and nothing that a company would regret."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import dagster as dg
import pytest
import yaml
from databricks.sdk.service import catalog, compute, dashboards, jobs, serving, sql

from databricks_steps import bundle
from databricks_steps.bundle_jobs import JOBS, UPSTREAM, Job, job_resource, quartz
from databricks_steps.clusters import warm_cluster_name
from databricks_steps.dashboard import dashboard
from healthcare_assets.compute import Compute, ExistingCluster, InstancePool, Serverless, Workload
from healthcare_assets.definitions import defs
from healthcare_assets.environments import ENVIRONMENTS, Environment, Workspace
from healthcare_assets.resources.registry import Component
from healthcare_assets.steps.catalogue import STEPS, step_for

Json = dict[str, Any]

TARGETS = ["dev", "staging", "prod"]
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
FOLDER = Path(bundle.__file__).parent


@cache
def _resources(target: str) -> Json:
    content: Json = yaml.safe_load((FOLDER / "resources" / f"{target}.yml").read_text(encoding="utf-8"))
    resources: Json = content["targets"][target]["resources"]
    return resources


def _job_cluster(job: Json) -> Json:
    (one,) = job["job_clusters"]
    cluster: Json = one["new_cluster"]
    return cluster


def _clusters(target: str) -> Iterator[Json]:
    resources = _resources(target)
    yield from resources.get("clusters", {}).values()
    for job in resources["jobs"].values():
        yield _job_cluster(job)


def _text() -> str:
    return "\n".join((FOLDER / path).read_text(encoding="utf-8") for path in bundle.committed_files())


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="packages are pinned as Python 3.11, the least, resolves them"
)
def test_the_files_are_what_the_table_says() -> None:
    expected = bundle.bundle_files()
    assert bundle.committed_files() == set(expected), "run `make bundle`"
    for path, text in expected.items():
        assert (FOLDER / path).read_text(encoding="utf-8") == text, f"{path}: run `make bundle`"


def test_the_targets_are_the_environments_with_a_workspace() -> None:
    root = yaml.safe_load((FOLDER / "databricks.yml").read_text(encoding="utf-8"))
    assert list(root["targets"]) == TARGETS == [e.name for e in ENVIRONMENTS.values() if e.workspace is not None]
    assert [name for name, target in root["targets"].items() if target.get("default")] == ["dev"]
    assert [name for name, target in root["targets"].items() if target.get("mode") == "production"] == TARGETS[1:]


def test_no_two_targets_share_a_catalog_a_scope_an_experiment_or_a_name() -> None:
    root = yaml.safe_load((FOLDER / "databricks.yml").read_text(encoding="utf-8"))
    assert len({target["variables"]["catalog"] for target in root["targets"].values()}) == 3
    names = [
        thing["name"]
        for target in TARGETS
        for kind in ("secret_scopes", "experiments", "jobs")
        for thing in _resources(target)[kind].values()
    ]
    assert len(names) == len(set(names)) == 3 * (1 + 4 + 8)


def test_what_runs_as_whom_is_said_for_staging_and_prod() -> None:
    root = yaml.safe_load((FOLDER / "databricks.yml").read_text(encoding="utf-8"))
    for name in TARGETS[1:]:
        principal = f"${{var.{name}_service_principal}}"
        assert root["targets"][name]["run_as"] == {"service_principal_name": principal}
        assert {"level": "CAN_MANAGE", "service_principal_name": principal} in root["targets"][name]["permissions"]
        assert "default" not in root["variables"][f"{name}_service_principal"]


def test_no_secret_and_no_host_is_in_the_files() -> None:
    text = _text()
    assert not re.search(r"https?://|\bdapi[0-9a-f]|\btoken\b|password|client_secret", text, re.IGNORECASE)
    # A secret scope is made, and never filled.
    assert "pseudonym_key" not in text


def test_every_step_is_run_by_a_job_and_each_daily_one_by_the_clock() -> None:
    assert {step for job in JOBS.values() for step in job.steps} == set(STEPS)
    daily = {step for job in JOBS.values() if job.workload == "daily" and job.cron for step in job.steps}
    assert daily == {step.name for step in STEPS.values() if step.daily}


def test_the_steps_wait_for_each_other_as_the_assets_do() -> None:
    graph = _defs().resolve_asset_graph()
    upstream: dict[str, set[str]] = {step: set() for step in STEPS}
    for key in graph.get_all_asset_keys():
        step = step_for(key.to_user_string()).name
        upstream[step] |= {step_for(parent.to_user_string()).name for parent in graph.get(key).parent_keys} - {step}
    assert {step: set(before) for step, before in UPSTREAM.items()} == upstream


def test_the_jobs_run_when_dagsters_schedules_do() -> None:
    schedules = {
        schedule.job_name: (schedule.cron_schedule, schedule.execution_timezone)
        for schedule in _defs().schedules or ()
        if isinstance(schedule, dg.ScheduleDefinition)
    }
    for job, of_dagster in (
        ("batch_inference", "daily_scoring"),
        ("monitoring", "daily_monitoring"),
        ("training_pipeline", "training"),
        ("table_maintenance", "maintenance"),
        ("monthly_insight", "monthly_insight"),
    ):
        cron, zone = schedules.pop(of_dagster)
        for target in TARGETS:
            schedule = _resources(target)["jobs"][job]["schedule"]
            assert (schedule["quartz_cron_expression"], schedule["timezone_id"]) == (quartz(str(cron)), zone)
    assert not schedules
    at = {name: job.cron for name, job in JOBS.items() if job.cron}
    assert (at["batch_inference"], at["monitoring"]) == ("0 2 * * *", "0 6 * * *")


def test_a_cron_is_said_as_quartz_wants_it() -> None:
    assert quartz("0 2 * * *") == "0 0 2 * * ?"
    assert quartz("30 3 1 * *") == "0 30 3 1 * ?"
    assert quartz("0 8 * * SUN") == "0 0 8 ? * SUN"
    for cron in ("0 2 * * 1", "0 2 1 * SUN"):
        with pytest.raises(ValueError, match="counts days of the week or says two kinds of days"):
            quartz(cron)


@pytest.mark.parametrize("target", TARGETS)
def test_every_cluster_ends_by_itself_and_says_who_pays(target: str) -> None:
    for cluster in _resources(target).get("clusters", {}).values():
        assert 0 < cluster["autotermination_minutes"] <= 30
    for cluster in _clusters(target):
        assert {"project", "environment", "workload", "cost_centre"} <= set(cluster["custom_tags"])
        assert cluster["custom_tags"]["environment"] == target
    for job in _resources(target)["jobs"].values():
        assert {"project", "environment", "workload", "cost_centre"} == set(job["tags"])


@pytest.mark.parametrize("target", TARGETS)
def test_each_job_starts_one_cluster_and_what_is_cheap_to_repeat_runs_on_spot(target: str) -> None:
    for name, job in _resources(target)["jobs"].items():
        cluster = _job_cluster(job)
        assert {task["job_cluster_key"] for task in job["tasks"]} == {job["job_clusters"][0]["job_cluster_key"]}
        availability = cluster["aws_attributes"]["availability"]
        expected = "ON_DEMAND" if target == "prod" and JOBS[name].workload == "training" else "SPOT_WITH_FALLBACK"
        assert availability == expected
        # The driver, which all tasks of the job need, is not taken away where there are others.
        assert cluster["aws_attributes"]["first_on_demand"] == (1 if "autoscale" in cluster else 0)


@pytest.mark.parametrize("target", TARGETS)
def test_a_job_can_be_left_alone(target: str) -> None:
    notify = _workspace(target).notify
    deadline = _workspace(target).deadline.total_seconds()
    for job in _resources(target)["jobs"].values():
        assert job["max_concurrent_runs"] == 1
        assert job["queue"] == {"enabled": True}
        assert job["timeout_seconds"] >= deadline
        assert job["health"]["rules"]
        assert tuple(job.get("email_notifications", {}).get("on_failure", ())) == notify
        for task in job["tasks"]:
            assert task["timeout_seconds"] == deadline
            assert task["max_retries"] > 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_task_is_told_its_environment_step_and_day(target: str) -> None:
    from databricks_steps.entry_point import order_from

    for job in _resources(target)["jobs"].values():
        for task in job["tasks"]:
            given = task["spark_python_task"]["parameters"]
            filled = [re.sub(r"\{\{job\.parameters\.day\}\}", "2026-01-05", part) for part in given]
            order = order_from([re.sub(r"\$\{var\.\w+\}", "", part) for part in filled], now=NOON)
            assert (order.environment, order.step, order.settings) == (target, task["task_key"], {})
            assert (order.day is not None) == STEPS[order.step].daily
            if STEPS[order.step].monthly:
                assert order.day == date(2026, 1, 1)


def test_a_monthly_step_on_the_first_of_a_month_is_told_the_month_that_has_ended() -> None:
    from databricks_steps.entry_point import order_from

    first = datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert order_from(["--environment", "prod", "--step", "pricing"], now=first).day == date(2026, 2, 1)
    assert order_from(["--environment", "prod", "--step", "scoring"], now=first).day == date(2026, 2, 28)


def test_the_schedules_are_paused_in_dev_alone() -> None:
    root = yaml.safe_load((FOLDER / "databricks.yml").read_text(encoding="utf-8"))
    said = {name: target["variables"]["schedules"] for name, target in root["targets"].items()}
    assert said == {"dev": "PAUSED", "staging": "UNPAUSED", "prod": "UNPAUSED"}


def test_what_holds_records_is_not_destroyed_with_a_deployment() -> None:
    for target in TARGETS[1:]:
        for kind in ("schemas", "volumes", "registered_models", "experiments", "secret_scopes"):
            for thing in _resources(target)[kind].values():
                assert thing["lifecycle"] == {"prevent_destroy": True}


@pytest.mark.parametrize("target", TARGETS)
def test_the_bundle_makes_what_the_launcher_and_the_steps_look_for(target: str) -> None:
    environment, resources, workspace = ENVIRONMENTS[target], _resources(target), _workspace(target)
    assert resources["schemas"]["tables"]["name"] == workspace.schema
    assert resources["volumes"]["steps"]["name"] == workspace.volume
    assert resources["registered_models"]["model"]["name"] == environment.model_name
    assert resources["secret_scopes"]["secrets"]["name"] == workspace.secret_scope
    assert {experiment["name"] for experiment in resources["experiments"].values()} == {
        f"{environment.experiment_root}/{component}" for component in get_args(Component)
    }
    assert resources["clusters"]["daily"]["cluster_name"] == warm_cluster_name(environment, "daily")


@pytest.mark.parametrize("target", TARGETS)
def test_the_jobs_api_knows_every_field(target: str) -> None:
    """The SDK's classes drop a field that the API does not have: nothing may get lost on the way."""
    resources = _resources(target)
    for job in resources["jobs"].values():
        filled = _without_references(job)
        assert jobs.JobSettings.from_dict(filled).as_dict() == filled
        assert compute.ClusterSpec.from_dict(_job_cluster(job)).as_dict() == _job_cluster(job)
    for cluster in resources.get("clusters", {}).values():
        assert compute.ClusterSpec.from_dict(cluster).as_dict() == cluster
    for schema in resources["schemas"].values():
        assert catalog.SchemaInfo.from_dict(schema).as_dict() == _without_lifecycle(schema)
    for volume in resources["volumes"].values():
        assert catalog.VolumeInfo.from_dict(volume).as_dict() == _without_lifecycle(volume)
    for model in resources["registered_models"].values():
        assert catalog.RegisteredModelInfo.from_dict(model).as_dict() == _without_lifecycle(model)
    for warehouse in resources["sql_warehouses"].values():
        given = sql.EndpointInfo.from_dict(warehouse).as_dict()
        assert given == warehouse
    for board in resources["dashboards"].values():
        own = {
            "file_path",
            "dataset_catalog",
            "dataset_schema",
            "embed_credentials",
        }  # the CLI's, the query's, to publish
        given = dashboards.Dashboard.from_dict(board).as_dict()
        assert given == {name: value for name, value in board.items() if name not in own}
        assert json.loads((FOLDER / "resources" / board["file_path"]).read_text(encoding="utf-8")) == dashboard()
    content = yaml.safe_load((FOLDER / "serving" / "databricks.yml").read_text(encoding="utf-8"))
    (endpoint,) = content["targets"][target]["resources"]["model_serving_endpoints"].values()
    assert endpoint["name"] == f"health-insurance-cost-{target}"
    assert serving.EndpointCoreConfigInput.from_dict(endpoint["config"]).as_dict() == endpoint["config"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_clis_own_classes_take_the_resources(target: str) -> None:
    pytest.importorskip("databricks.bundles.core", reason="databricks-bundles is not installed")
    for kind, things in _resources(target).items():
        module = import_module(f"databricks.bundles.{kind}")
        of_kind = getattr(module, "".join(word.title() for word in _KINDS.get(kind, kind[:-1]).split("_")))
        for thing in things.values():
            of_kind.from_dict(thing)  # ValueError for a field that it does not know


_KINDS = {"experiments": "mlflow_experiment"}


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_the_jobs_follow_the_table_onto_other_compute(job: Job) -> None:
    serverless = job_resource(_on(job.workload, Serverless()), job)
    (environment,) = serverless["environments"]
    assert {task["environment_key"] for task in serverless["tasks"]} == {environment["environment_key"]}
    assert environment["spec"]["dependencies"][0].endswith(".whl")
    assert not any("libraries" in task for task in serverless["tasks"])
    pooled = job_resource(_on(job.workload, InstancePool(pool_id="p", min_workers=1, max_workers=2)), job)
    assert _job_cluster(pooled)["instance_pool_id"] == "p"
    existing = job_resource(_on(job.workload, ExistingCluster(cluster_id="c")), job)
    assert "job_clusters" not in existing
    assert {task["existing_cluster_id"] for task in existing["tasks"]} == {"c"}


def _on(workload: Workload, compute: Compute) -> Environment:
    """The environment dev, with other compute for the workload."""
    workspace = _workspace("dev")
    changed = replace(workspace, compute={**workspace.compute, workload: compute})
    return replace(ENVIRONMENTS["dev"], workspace=changed)


def _without_references(job: Json) -> Json:
    """An enumeration takes no reference to a variable: here is what one stands for."""
    schedule = {"schedule": {**job["schedule"], "pause_status": "PAUSED"}} if "schedule" in job else {}
    return {**job, **schedule}


def _without_lifecycle(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "lifecycle"}


def _workspace(name: str) -> Workspace:
    workspace = ENVIRONMENTS[name].workspace
    assert workspace is not None
    return workspace


def _defs() -> dg.Definitions:
    loaded = defs() if callable(defs) else defs
    assert isinstance(loaded, dg.Definitions)
    return loaded
