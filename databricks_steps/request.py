"""What is submitted: a step as a run of one task, on the compute that the table says."""

from typing import Any

from dagster_pipes import DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT, DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT, encode_param

from databricks_steps.clusters import (
    SERVERLESS_ENVIRONMENT,
    SERVERLESS_VERSION,
    required_workspace,
    task_compute,
    warm_cluster_name,
)
from databricks_steps.code import Code
from databricks_steps.launches import Launch
from databricks_steps.order import Order
from databricks_steps.requirements import step_requirements
from databricks_steps.workspace import Workspace
from healthcare_assets.compute import WarmCluster, Workload
from healthcare_assets.environments import Environment


def run_request(  # noqa: PLR0913 - what a run is made from
    workspace: Workspace, environment: Environment, order: Order, code: Code, launch: Launch, *, workload: Workload
) -> dict[str, Any]:
    """The body of `runs/submit`, without its token. The same launch gives the same request."""
    of = required_workspace(environment)
    warm = isinstance(of.compute[workload], WarmCluster)
    cluster_id = workspace.cluster_id(warm_cluster_name(environment, workload)) if warm else None
    compute = task_compute(environment, workload, warm_cluster_id=cluster_id)
    seconds = int(of.deadline.total_seconds())
    requirements = step_requirements(order.step)
    task: dict[str, Any] = {
        "task_key": order.step,
        "spark_python_task": {"python_file": code.script, "parameters": _parameters(launch)},
        "timeout_seconds": seconds,
        **compute,
    }
    day = "" if order.day is None else f" {order.day}"
    request: dict[str, Any] = {
        "run_name": f"{environment.name} {order.step}{day} (Dagster run {order.run_id[:8]})",
        "timeout_seconds": seconds,
        "queue": {"enabled": True},
        "tasks": [task],
    }
    if "environment_key" in compute:
        spec = {"environment_version": SERVERLESS_VERSION, "dependencies": [code.wheel, *requirements]}
        return {**request, "environments": [{"environment_key": SERVERLESS_ENVIRONMENT, "spec": spec}]}
    task["libraries"] = [{"whl": code.wheel}, *({"pypi": {"package": package}} for package in requirements)]
    return request


def _parameters(launch: Launch) -> list[str]:
    """Where the step finds its context and leaves its messages, as the Pipes protocol passes it on a command line."""
    return [
        DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT,
        encode_param({"path": launch.context_file}),
        DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT,
        encode_param({"path": launch.messages}),
    ]
