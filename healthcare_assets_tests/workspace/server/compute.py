"""Where a task runs: on a cluster of its run, on an existing one, or serverless; and what each start cost."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from minilake.config import settings
from minilake.errors import DatabricksError
from minilake.services import clusters, secrets

from healthcare_assets_tests.workspace.server.records import Json, Run

SERVERLESS = "client.3.0"


class ClusterError(Exception):
    """A cluster that a task cannot have."""


@dataclass
class Place:
    """What a task gets from where it runs. `wheels` is what has been installed there: path → content."""

    environment: dict[str, str]
    wheels: dict[str, str]


@dataclass
class Compute:
    """The clusters that were started, and the wheels on those that are up."""

    starts: list[Json] = field(default_factory=list)
    wheels: dict[str, dict[str, str]] = field(default_factory=dict)
    start_seconds: float = 0

    async def place(self, run: Run, task: Json) -> Place:
        """Raises ClusterError. Returns early when the run is stopped."""
        if "new_cluster" in task:
            await self._start(f"{run.name}/{task['task_key']}", run)
            return Place(_variables(task["new_cluster"]), {})
        if "job_cluster_key" in task:
            key = task["job_cluster_key"]
            if key not in run.started_clusters:
                run.started_clusters[key] = {}
                await self._start(f"{run.name}/{key}", run)
            return Place(_variables(run.job_clusters[key]["new_cluster"]), run.started_clusters[key])
        if "existing_cluster_id" in task:
            return await self._existing(task["existing_cluster_id"], run)
        return Place({"DATABRICKS_RUNTIME_VERSION": SERVERLESS}, {})

    async def _existing(self, cluster_id: str, run: Run) -> Place:
        cluster = clusters._state["clusters"].get(cluster_id)
        if cluster is None:
            raise ClusterError(f"Cluster {cluster_id} does not exist")
        if cluster["state"] in ("TERMINATED", "TERMINATING"):
            cluster["state"] = "RUNNING"
            await self._start(cluster_id, run)
        wheels = self.wheels.setdefault(cluster_id, {})
        return Place(_variables(cluster), wheels)

    async def _start(self, name: str, run: Run) -> None:
        self.record(name, run_id=run.run_id)
        if self.start_seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(run.stop.wait(), self.start_seconds)

    def record(self, name: str, *, run_id: int | None) -> None:
        """A cluster comes up, with nothing installed on it."""
        self.starts.append({"cluster": name, "run_id": run_id})
        self.wheels.pop(name, None)


def _variables(cluster: Mapping[str, Any]) -> dict[str, str]:
    """A cluster's environment variables, with the secrets that they name."""
    resolved = {"DATABRICKS_RUNTIME_VERSION": str(cluster["spark_version"]).partition(".x")[0]}
    for name, value in (cluster.get("spark_env_vars") or {}).items():
        if value.startswith("{{secrets/") and value.endswith("}}"):
            scope, _, key = value.removeprefix("{{secrets/").removesuffix("}}").partition("/")
            try:
                resolved[name] = secrets.resolve_secret_value(scope, key)
            except DatabricksError as error:
                raise ClusterError(f"Secret does not exist with scope: {scope} and key: {key}") from error
        else:
            resolved[name] = value
    return resolved


def settle_at_once() -> None:
    """minilake's own clusters come up and go down without delay."""
    settings.cluster_start_delay_seconds = 0
    settings.cluster_terminate_delay_seconds = 0
