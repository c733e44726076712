"""One MLflow run for one Dagster run: dagster-mlflow's resource opens it, the steps continue it on the cluster."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from healthcare_assets.environments import Environment, settings_from


@contextmanager
def mlflow_run(
    context: dg.AssetExecutionContext,
    environment: Environment,
    experiment: str | None,
    *,
    variables: Mapping[str, str],
) -> Iterator[str | None]:
    """The id of the Dagster run's MLflow run, opened or taken up again; None for a step that records nothing there.

    Between two steps the run is finished. The library's own hook would end it for good after the first of them.
    """
    if experiment is None:
        yield None
        return
    from healthcare_assets.resources.mlflow_client import answering

    settings = settings_from(variables)
    with answering(settings.tracking_uri), warnings.catch_warnings():
        # All of dagster-mlflow is marked as a beta, says so whenever it is used, and uses what Dagster has deprecated.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        import mlflow
        from dagster_mlflow import mlflow_tracking
        from mlflow.entities import RunStatus

        opened = mlflow_tracking.configured(
            {
                "experiment_name": f"{environment.experiment_root}/{experiment}",
                "mlflow_tracking_uri": settings.tracking_uri,
                "extra_tags": {"environment": environment.name},
            }
        )
        with dg.build_resources({"mlflow": opened}, instance=context.instance, dagster_run=context.run) as resources:
            run_id = str(resources.mlflow.active_run().info.run_id)
    status = RunStatus.FAILED
    try:
        yield run_id
        status = RunStatus.FINISHED
    finally:
        with answering(settings.tracking_uri):
            mlflow.end_run(RunStatus.to_string(status))
