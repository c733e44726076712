"""The compute of the table as the Jobs and Clusters APIs want it."""

from collections.abc import Mapping
from typing import Any

from healthcare_assets.compute import (
    SPARK_VERSION,
    ClusterShape,
    Compute,
    ExistingCluster,
    InstancePool,
    JobCluster,
    Serverless,
    WarmCluster,
    Workload,
)
from healthcare_assets.environments import Environment, Workspace

Json = dict[str, Any]

PROJECT = "healthcare-assets"
SERVERLESS_VERSION = "4"
"""Of the serverless environment: Python 3.12, as the runtime of the clusters."""
SERVERLESS_ENVIRONMENT = "step"
"""Key of the environment, with its dependencies, that serverless tasks of a run share."""


def required_workspace(environment: Environment) -> Workspace:
    """The environment's workspace; ValueError for one without, which is a mistake in the program."""
    if environment.workspace is None:
        raise ValueError(f"The environment {environment.name} has no workspace.")
    return environment.workspace


def cost_tags(environment: Environment, workload: Workload) -> dict[str, str]:
    """What a bill is split by."""
    return {
        "project": PROJECT,
        "environment": environment.name,
        "workload": workload,
        "cost_centre": required_workspace(environment).cost_centre,
    }


def warm_cluster_name(environment: Environment, workload: Workload) -> str:
    """The name by which the launcher finds the cluster that the bundle made."""
    return f"{PROJECT}-{environment.name}-{workload}"


def warm_cluster(environment: Environment, workload: Workload, compute: WarmCluster) -> Json:
    """The cluster as the bundle makes it: it ends when nothing has run on it for a while."""
    return {
        "cluster_name": warm_cluster_name(environment, workload),
        "autotermination_minutes": compute.idle_minutes,
        **new_cluster(environment, workload, compute.shape),
    }


def new_cluster(environment: Environment, workload: Workload, shape: ClusterShape) -> Json:
    """A cluster of its own for a job, which ends with it."""
    return {
        "spark_version": SPARK_VERSION,
        "node_type_id": shape.node_type,
        # A table of Unity Catalog is read and written as the one user that the cluster is for.
        "data_security_mode": "SINGLE_USER",
        "aws_attributes": {
            "availability": "SPOT_WITH_FALLBACK" if shape.spot else "ON_DEMAND",
            "first_on_demand": 0 if shape.single_node else 1,
            "zone_id": "auto",
        },
        **_size(environment, workload, shape),
    }


def task_compute(
    environment: Environment, workload: Workload, *, warm_cluster_id: str | None = None
) -> Mapping[str, Any]:
    """What a task says of where it runs, as a fragment of the Jobs API.

    `warm_cluster_id` is the id of the workload's warm cluster, where it has one.
    """
    compute: Compute = required_workspace(environment).compute[workload]
    match compute:
        case Serverless():
            return {"environment_key": SERVERLESS_ENVIRONMENT}
        case JobCluster(shape=shape):
            return {"new_cluster": new_cluster(environment, workload, shape)}
        case InstancePool(pool_id=pool_id, min_workers=least, max_workers=most):
            pooled = {
                "spark_version": SPARK_VERSION,
                "instance_pool_id": pool_id,
                "data_security_mode": "SINGLE_USER",
                **_workers(least, most),
                "custom_tags": cost_tags(environment, workload),
            }
            return {"new_cluster": pooled}
        case ExistingCluster(cluster_id=cluster_id):
            return {"existing_cluster_id": cluster_id}
        case WarmCluster():
            return {"existing_cluster_id": warm_cluster_id}


def _size(environment: Environment, workload: Workload, shape: ClusterShape) -> Json:
    tags = cost_tags(environment, workload)
    if not shape.single_node:
        return {**_workers(shape.min_workers, shape.max_workers), "custom_tags": tags}
    return {
        "num_workers": 0,
        "spark_conf": {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"},
        "custom_tags": {**tags, "ResourceClass": "SingleNode"},
    }


def _workers(least: int, most: int) -> Json:
    return {"num_workers": most} if least == most else {"autoscale": {"min_workers": least, "max_workers": most}}
