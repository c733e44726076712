"""What a step runs on in a Databricks workspace, as values that the launcher and the bundle are made from."""

from dataclasses import dataclass
from typing import Literal

Workload = Literal["daily", "training"]
"""Steps that run on the same compute: those of each day, and those of a training with its verdict."""


@dataclass(frozen=True, kw_only=True)
class ClusterShape:
    """The machines of a cluster."""

    node_type: str
    """The cloud's name of a machine (AWS)."""
    min_workers: int
    max_workers: int
    """0 and 0 is a single node: the driver does all the work."""
    spot: bool
    """Spot machines, with on-demand ones where there are none: for what is cheap to do again. The driver, which a step
    cannot lose, is on demand where there are workers."""

    @property
    def single_node(self) -> bool:
        return self.max_workers == 0


@dataclass(frozen=True)
class Serverless:
    """The workspace's own compute: nothing to start, nothing to stop, paid by the second."""


@dataclass(frozen=True, kw_only=True)
class JobCluster:
    """A cluster for one step, gone when the step ends. The cheapest a second, and a start of some minutes a step."""

    shape: ClusterShape


@dataclass(frozen=True, kw_only=True)
class WarmCluster:
    """One cluster for all steps of the workload, made by the bundle: the day's first step starts it, the others find it
    running, and it ends by itself."""

    shape: ClusterShape
    idle_minutes: int
    """How long it waits for the next step before it ends."""


@dataclass(frozen=True, kw_only=True)
class InstancePool:
    """A cluster a step, from machines that a pool keeps ready: a start of seconds."""

    pool_id: str
    min_workers: int
    max_workers: int


@dataclass(frozen=True, kw_only=True)
class ExistingCluster:
    """A cluster that somebody else looks after."""

    cluster_id: str


Compute = Serverless | JobCluster | WarmCluster | InstancePool | ExistingCluster

SPARK_VERSION = "17.3.x-scala2.13"
"""The Databricks runtime (long-term support)."""
