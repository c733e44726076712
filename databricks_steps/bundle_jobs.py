"""The bundle's jobs: the same steps in the order of the graph, run by Databricks itself, without Dagster.

Each job has one cluster, which its tasks share: one start a run, whatever the table says of warm clusters, since the
cluster of a job costs less than one for all purposes. It is gone when the job ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from databricks_steps.clusters import (
    PROJECT,
    SERVERLESS_ENVIRONMENT,
    SERVERLESS_VERSION,
    Json,
    cost_tags,
    new_cluster,
    required_workspace,
    task_compute,
)
from databricks_steps.entry_point import YESTERDAY
from databricks_steps.requirements import step_requirements
from healthcare_assets.compute import WarmCluster, Workload
from healthcare_assets.environments import Environment, Workspace
from healthcare_assets.steps.catalogue import STEPS
from healthcare_assets.timetable import INSIGHT, MAINTENANCE, MONITORING, SCORING, TIME_ZONE, TRAINING

UPSTREAM: Mapping[str, tuple[str, ...]] = {
    "bronze": (),
    "silver": ("bronze",),
    "dimension": ("silver",),
    "features": ("silver", "dimension"),
    "outcomes": ("dimension",),
    "training": ("silver", "features", "outcomes"),
    "governance": ("training",),
    "scoring": ("features", "governance"),
    "monitoring": ("silver", "features", "outcomes", "training", "scoring"),
    "care": ("scoring",),
    "quality_monitor": ("scoring",),
    "serving": ("governance",),
    "retention": (),
    "maintenance": ("retention",),
    "audit": ("maintenance",),
    "pricing": ("silver", "outcomes"),
    "population": ("silver", "scoring", "outcomes"),
}
"""Which steps write what a step reads: the asset graph, which only Dagster's side of the house knows."""

WHEEL = "../dist/*.whl"
"""The wheel that the bundle has built, seen from the file that names it."""

SETTINGS: Mapping[str, str] = {
    "HEALTHCARE_CATALOG": "catalog",
    "HEALTHCARE_SOURCE": "source",
    "HEALTHCARE_SOURCE_COLUMNS": "source_columns",
    "HEALTHCARE_OUTCOMES": "outcomes",
    "HEALTHCARE_FIRST_DAY": "first_day",
    "HEALTHCARE_CARE_CAPACITY": "care_capacity",
    "HEALTHCARE_RATING_STATE": "rating_state",
    "HEALTHCARE_AGE_CURVE": "age_curve",
}
"""Settings that a task is handed, and the bundle's variable for each. An empty one counts as not set."""

_PATIENTS = ("bronze", "silver", "dimension", "features")
_CLUSTER = "steps"
_RETRIES: Mapping[Workload, int] = {"daily": 2, "training": 1}
"""A day is replaced by its repetition; a training takes long, and most of its faults come again."""
_RETRY_AFTER_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of the bundle."""

    name: str
    description: str
    steps: tuple[str, ...]
    cron: str | None = None

    @property
    def workload(self) -> Workload:
        """The most demanding one of its steps decides on its machines."""
        return "training" if any(STEPS[step].workload == "training" for step in self.steps) else "daily"

    @property
    def longest_path(self) -> int:
        """How many steps run one after the other."""
        depth: dict[str, int] = {}
        for step in self.steps:  # each after those that it waits for
            depth[step] = 1 + max((depth[upstream] for upstream in self.waits_for(step)), default=0)
        return max(depth.values())

    def waits_for(self, step: str) -> tuple[str, ...]:
        """The steps of the job that have to be done before."""
        return tuple(upstream for upstream in UPSTREAM[step] if upstream in self.steps)


JOBS: Mapping[str, Job] = {
    job.name: job
    for job in (
        Job(
            name="feature_engineering",
            description="A day's patient records up to their risk features. What a first training needs.",
            steps=_PATIENTS,
        ),
        Job(
            name="training",
            description="Train the candidates on all labelled patients; the best one becomes the challenger.",
            steps=("training",),
        ),
        Job(
            name="governance",
            description="Judge the challenger: promote it to champion, or refuse it and leave the champion.",
            steps=("governance",),
        ),
        Job(
            name="batch_inference",
            description="A day from its patient records to the champion's predictions and the care team's list.",
            steps=(*_PATIENTS, "scoring", "care"),
            cron=SCORING,
        ),
        Job(
            name="monitoring",
            description="A day's costs as they became known, and the day against what its model was trained on.",
            steps=("outcomes", "monitoring", "quality_monitor"),
            cron=MONITORING,
        ),
        Job(
            name="training_pipeline",
            description="End to end: a day's features, a training, its verdict, and the day scored by the champion, "
            "which a refused challenger never is, and which the serving endpoint serves.",
            steps=(*_PATIENTS, "training", "governance", "scoring", "care", "serving"),
            # The one that holds a training together with its verdict, as Dagster's monthly job does.
            cron=TRAINING,
        ),
        Job(
            name="table_maintenance",
            description="Delete what is past its time, compact the small files of all tables, delete files that no "
            "version of the retained past needs, and verify the audit trail.",
            steps=("retention", "maintenance", "audit"),
            cron=MAINTENANCE,
        ),
        Job(
            name="monthly_insight",
            description="What a month's members cost, the premium relativities that the law allows, and the "
            "population's health. The month is the one that the day lies in.",
            steps=("pricing", "population"),
            cron=INSIGHT,
        ),
    )
}


def job_resource(environment: Environment, job: Job) -> Json:
    """The job as the bundle has it in the environment's target."""
    workspace = required_workspace(environment)
    deadline = int(workspace.deadline.total_seconds())
    return {
        "name": f"{PROJECT}-{environment.name}-{job.name.replace('_', '-')}",
        "description": job.description,
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        # No step waits for more steps than these, and each has its own deadline.
        "timeout_seconds": deadline * job.longest_path,
        "health": {"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": deadline}]},
        **_notifications(workspace),
        **_schedule(job),
        "parameters": [{"name": "day", "default": YESTERDAY}],
        "tags": cost_tags(environment, job.workload),
        **_compute(environment, job),
        "tasks": [_task(environment, job, step, deadline) for step in job.steps],
    }


def quartz(cron: str) -> str:
    """The five-field cron as Databricks wants it: with seconds, and `?` for what is not said of the two kinds of days.

    ValueError for a cron that counts days of the week, which Quartz counts otherwise, or says days of both kinds.
    """
    minute, hour, day, month, weekday = cron.split()
    if weekday == "*":
        return f"0 {minute} {hour} {day} {month} ?"
    if day != "*" or not weekday.isalpha():
        raise ValueError(f"The cron '{cron}' counts days of the week or says two kinds of days: write one like SUN.")
    return f"0 {minute} {hour} ? {month} {weekday}"


def requirements_file(step: str) -> str:
    """The file with the packages that the step needs, seen from the folder of the resources."""
    return f"requirements/{step}.txt"


def _task(environment: Environment, job: Job, step: str, deadline: int) -> Json:
    arguments = {"--environment": environment.name, "--step": step}
    if STEPS[step].daily:
        arguments["--day"] = "{{job.parameters.day}}"
    arguments["--run-id"] = "databricks-{{job.run_id}}"
    parameters = [part for pair in arguments.items() for part in pair]
    for setting, variable in SETTINGS.items():
        parameters += ["--set", f"{setting}=${{var.{variable}}}"]
    waits_for = job.waits_for(step)
    return {
        "task_key": step,
        **({"depends_on": [{"task_key": upstream} for upstream in waits_for]} if waits_for else {}),
        "spark_python_task": {"python_file": "../run_step.py", "parameters": parameters},
        **_task_compute(environment, job, step),
        "timeout_seconds": deadline,
        "max_retries": _RETRIES[STEPS[step].workload],
        "min_retry_interval_millis": _RETRY_AFTER_MS,
        # What has taken the whole of its time once would take it again.
        "retry_on_timeout": False,
    }


def _compute(environment: Environment, job: Job) -> Json:
    """What the job declares for its tasks to run on."""
    cluster = _cluster(environment, job.workload)
    if cluster is not None:
        return {"job_clusters": [{"job_cluster_key": _CLUSTER, "new_cluster": cluster}]}
    if "environment_key" in task_compute(environment, job.workload):
        packages = sorted({package for step in job.steps for package in step_requirements(step)})
        spec = {"environment_version": SERVERLESS_VERSION, "dependencies": [WHEEL, *packages]}
        return {"environments": [{"environment_key": SERVERLESS_ENVIRONMENT, "spec": spec}]}
    return {}


def _task_compute(environment: Environment, job: Job, step: str) -> Json:
    libraries = [{"whl": WHEEL}, {"requirements": requirements_file(step)}]
    if _cluster(environment, job.workload) is not None:
        return {"job_cluster_key": _CLUSTER, "libraries": libraries}
    compute = dict(task_compute(environment, job.workload))
    return compute if "environment_key" in compute else {**compute, "libraries": libraries}


def _cluster(environment: Environment, workload: Workload) -> Json | None:
    """The cluster that the job starts; None where the workload runs on what is there already."""
    compute = required_workspace(environment).compute[workload]
    if isinstance(compute, WarmCluster):
        return new_cluster(environment, workload, compute.shape)
    cluster: Json | None = task_compute(environment, workload).get("new_cluster")
    return cluster


def _notifications(workspace: Workspace) -> Json:
    if not workspace.notify:
        return {}
    told = list(workspace.notify)
    return {
        "email_notifications": {"on_failure": told, "on_duration_warning_threshold_exceeded": told},
        "notification_settings": {"no_alert_for_canceled_runs": True, "no_alert_for_skipped_runs": True},
    }


def _schedule(job: Job) -> Json:
    if job.cron is None:
        return {}
    return {
        "schedule": {
            "quartz_cron_expression": quartz(job.cron),
            "timezone_id": TIME_ZONE,
            "pause_status": "${var.schedules}",
        }
    }
