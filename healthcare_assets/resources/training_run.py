"""What MLflow is told of a training: a run with a child run a candidate, its data by digest, and the model.

By the client alone: MLflow's fluent interface would set a tracking URI and an active run for the whole process.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.domain.training import CandidateResult, TrainedModel
from healthcare_assets.resources import model_artifact

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import DatasetInput, LoggedModel
    from mlflow.tracking import MlflowClient

METRICS_FILE = "metrics.json"
_MODEL_NAME = "model"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a model comes from."""

    data_versions: Mapping[str, str]
    """By table: the version of its data that was trained on."""
    code_version: str
    dagster_run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    """Whatever else shall be found beside the model."""

    def as_tags(self) -> dict[str, str]:
        versions = {f"data_version.{table}": version for table, version in self.data_versions.items()}
        return {**self.tags, **versions, "code_version": self.code_version, "dagster_run_id": self.dagster_run_id}


@dataclass(frozen=True, kw_only=True)
class RecordedModel:
    """A model that MLflow holds and that has no version yet."""

    run_id: str
    location: str
    """URI of the model's folder."""


def record_training(
    client: "MlflowClient", experiment_id: str, trained: TrainedModel, *, example: "pd.DataFrame", lineage: Lineage
) -> RecordedModel:
    """Record everything about the training but its rows; when it fails half-way, the run says so."""
    result = CandidateResult(name=trained.candidate, parameters=trained.parameters, metrics=trained.metrics)
    with _run(client, experiment_id, trained.candidate, lineage.as_tags()) as run_id:
        client.log_inputs(run_id, [_dataset_input(trained, lineage)])
        client.log_dict(run_id, {c.name: dict(c.metrics) for c in trained.candidates}, METRICS_FILE)
        for candidate in trained.candidates:
            with _run(client, experiment_id, candidate.name, {"mlflow.parentRunId": run_id}) as child_id:
                _record_result(client, child_id, candidate)
        model = _record_model(client, experiment_id, run_id, trained, example=example)
        _record_result(client, run_id, result, model_id=model.model_id)
    return RecordedModel(run_id=run_id, location=model.artifact_location)


@contextmanager
def _run(client: "MlflowClient", experiment_id: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    run_id = str(client.create_run(experiment_id, run_name=name, tags=dict(tags)).info.run_id)
    status = "FAILED"
    try:
        yield run_id
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def _record_result(
    client: "MlflowClient", run_id: str, result: CandidateResult, *, model_id: str | None = None
) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0, model_id=model_id) for name, value in result.metrics.items()]
    params = {"candidate": result.name, **result.parameters}
    client.log_batch(run_id, metrics=metrics, params=[Param(name, str(value)) for name, value in params.items()])


def _record_model(
    client: "MlflowClient", experiment_id: str, run_id: str, trained: TrainedModel, *, example: "pd.DataFrame"
) -> "LoggedModel":
    """Upload the model's folder."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    params = {name: str(value) for name, value in trained.parameters.items()}
    logged = client.create_logged_model(experiment_id, name=_MODEL_NAME, source_run_id=run_id, params=params)
    description = Model(
        artifact_path=logged.artifact_location, run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / _MODEL_NAME
        model_artifact.save(folder, trained.pipeline, trained.reference, example=example, description=description)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return logged


def _dataset_input(trained: TrainedModel, lineage: Lineage) -> "DatasetInput":
    """The training rows by digest and source; MLflow gets to see none of them."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name="training_patients",
        digest=trained.dataset_digest,
        source_type="delta_table",
        source=json.dumps(dict(lineage.data_versions), sort_keys=True),
        profile=json.dumps({"num_rows": trained.reference.patients}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
