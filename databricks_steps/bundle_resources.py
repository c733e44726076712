"""What else the bundle makes in a workspace: where tables, code and models lie, and the machines that wait."""

from typing import get_args

from databricks_steps.bundle_jobs import JOBS, job_resource
from databricks_steps.clusters import PROJECT, Json, cost_tags, required_workspace, warm_cluster
from healthcare_assets.compute import WarmCluster
from healthcare_assets.environments import Environment
from healthcare_assets.resources.registry import Component
from healthcare_assets.resources.servable_registry import SERVABLE
from healthcare_assets.resources.serving_endpoint import endpoint_name, endpoint_settings

DASHBOARD_FILE = "insurance.lvdash.json"
"""Beside the files that name it."""

_KEPT = {"prevent_destroy": True}
"""What holds patients' data or the record of a decision does not go with a deployment."""


def holds_records(environment: Environment) -> bool:
    """Whether what is written there has to be kept."""
    return environment.name != "dev"


def resources(environment: Environment) -> Json:
    """The resources of the environment's target."""
    workspace = required_workspace(environment)
    kept = {"lifecycle": _KEPT} if holds_records(environment) else {}
    schema = {"catalog_name": "${var.catalog}", "schema_name": "${resources.schemas.tables.name}"}
    found = {
        "schemas": {
            "tables": {
                "catalog_name": "${var.catalog}",
                "name": workspace.schema,
                "comment": "Health insurance costs: patients, features, predictions, verdicts.",
                **kept,
            }
        },
        "volumes": _volumes(environment, schema, kept),
        "registered_models": {
            "model": {
                **schema,
                "name": environment.model_name,
                "comment": "Predicts what a patient costs in a year. The aliases champion, challenger and previous say "
                "which version does what.",
                **kept,
            }
        },
        "experiments": {
            component: {
                "name": f"{environment.experiment_root}/{component}",
                "tags": [{"key": "project", "value": PROJECT}, {"key": "environment", "value": environment.name}],
                **kept,
            }
            for component in get_args(Component)
        },
        "secret_scopes": {"secrets": {"name": workspace.secret_scope, **kept}},
        "clusters": _clusters(environment),
        "jobs": {job.name: job_resource(environment, job) for job in JOBS.values()},
        "sql_warehouses": {"dashboard": _warehouse(environment)},
        "dashboards": {
            "insurance": {
                "display_name": f"Health insurance costs ({environment.name})",
                "file_path": DASHBOARD_FILE,
                "warehouse_id": "${resources.sql_warehouses.dashboard.id}",
                "dataset_catalog": "${var.catalog}",
                "dataset_schema": schema["schema_name"],
                # Who opens it sees what they may see of the tables, and not what who deployed it may.
                "embed_credentials": False,
            }
        },
    }
    return {kind: of_kind for kind, of_kind in found.items() if of_kind}


def serving_endpoint(environment: Environment) -> Json:
    """The endpoint with a version of the model behind it."""
    settings = endpoint_settings(environment.name)
    model = f"${{var.catalog}}.{required_workspace(environment).schema}.{environment.model_name}{SERVABLE}"
    return {
        "name": endpoint_name(environment.name),
        "config": {
            "served_entities": [
                {
                    "name": "champion",
                    "entity_name": model,
                    "entity_version": "${var.version}",
                    "workload_size": settings.workload_size,
                    "scale_to_zero_enabled": settings.scale_to_zero,
                }
            ],
            "traffic_config": {"routes": [{"served_model_name": "champion", "traffic_percentage": 100}]},
        },
        "tags": _bill(environment, "serving"),
    }


def _volumes(environment: Environment, schema: Json, kept: Json) -> Json:
    volume = required_workspace(environment).volume
    if volume.startswith("/"):  # somebody else's
        return {}
    comment = "Staged steps, the code, scratch files, reports."
    return {"steps": {**schema, "name": volume, "volume_type": "MANAGED", "comment": comment, **kept}}


def _warehouse(environment: Environment) -> Json:
    """What answers the dashboard's queries: nothing is paid for as long as nobody opens it."""
    return {
        "name": f"{PROJECT}-{environment.name}-dashboard",
        "cluster_size": "2X-Small",
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "auto_stop_mins": 10,
        "enable_serverless_compute": True,
        "warehouse_type": "PRO",
        "tags": {"custom_tags": _bill(environment, "dashboard")},
    }


def _bill(environment: Environment, workload: str) -> list[Json]:
    """What the bill of something that runs no steps is split by."""
    tags = cost_tags(environment, "daily") | {"workload": workload}
    return [{"key": key, "value": value} for key, value in tags.items()]


def _clusters(environment: Environment) -> Json:
    workspace = required_workspace(environment)
    return {
        workload: {
            **warm_cluster(environment, workload, compute),
            "single_user_name": "${var." + workspace.service_principal + "}",
        }
        for workload, compute in workspace.compute.items()
        if isinstance(compute, WarmCluster)
    }
