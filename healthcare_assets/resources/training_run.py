"""What MLflow is told of a run: above all of a training, with a child run a candidate, its data by digest, the model.

By the client alone: MLflow's fluent interface would set a tracking URI and an active run for the whole process.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.domain.evaluation import Metrics
from healthcare_assets.domain.plots import evaluation_plots
from healthcare_assets.domain.training import CandidateResult, TrainedModel
from healthcare_assets.policy import POLICY, Policy
from healthcare_assets.resources import model_artifact

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, LoggedModel
    from mlflow.tracking import MlflowClient

METRICS_FILE = "metrics.json"
DATA_VERSION_TAG = "data_version."
_MODEL_NAME = "model"
_METRICS_AT_ONCE = 1000
"""MLflow takes no more in a request."""


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
        versions = {f"{DATA_VERSION_TAG}{table}": version for table, version in self.data_versions.items()}
        return {**self.tags, **versions, "code_version": self.code_version, "dagster_run_id": self.dagster_run_id}


@dataclass(frozen=True, kw_only=True)
class RecordedModel:
    """A model that MLflow holds and that has no version yet."""

    run_id: str
    model_id: str
    location: str
    """URI of the model's folder."""
    digests: Mapping[str, str]
    """The SHA-256 of each of its files."""


def record_training(  # noqa: PLR0913 - what a run consists of
    client: "MlflowClient",
    experiment_id: str,
    trained: TrainedModel,
    *,
    lineage: Lineage,
    policy: Policy = POLICY,
    continue_run: str | None = None,
) -> RecordedModel:
    """Record everything about the training but its rows; when it fails half-way, the run says so.

    In a run of its own, or in the one that is given, which stays open.
    """
    with _run(client, experiment_id, trained.candidate, lineage.as_tags(), continued=continue_run) as run_id:
        client.log_inputs(run_id, [_dataset_input(trained, lineage)])
        results = (*trained.candidates, trained.baseline)
        client.log_dict(run_id, {c.name: _in_full(c.metrics) for c in results}, METRICS_FILE)
        for candidate in results:
            with _run(client, experiment_id, candidate.name, {"mlflow.parentRunId": run_id}) as child_id:
                _record_result(client, child_id, candidate)
                plots = evaluation_plots(candidate.out_of_fold, policy=policy)
                log_files(client, child_id, {f"plots/{name}.png": plot for name, plot in plots.items()})
        model, digests = _record_model(client, experiment_id, run_id, trained)
        best = next(result for result in trained.candidates if result.name == trained.candidate)
        _record_result(client, run_id, best, model_id=model.model_id)
    return RecordedModel(run_id=run_id, model_id=model.model_id, location=model.artifact_location, digests=digests)


def record_run(  # noqa: PLR0913 - what a run consists of
    client: "MlflowClient",
    experiment_id: str,
    name: str,
    *,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Mapping[str, bytes],
    continue_run: str | None = None,
) -> str:
    """Record a finished run, or a part of the one that is given, which stays open; returns its id."""
    with _run(client, experiment_id, name, tags, continued=continue_run) as run_id:
        _log_metrics(client, run_id, metrics)
        log_files(client, run_id, files)
    return run_id


def log_files(client: "MlflowClient", run_id: str, files: Mapping[str, bytes]) -> None:
    """Put files, by their path, into the run's artifacts."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as temporary:
        for path, content in files.items():
            file = Path(temporary) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        client.log_artifacts(run_id, temporary)


def flat(metrics: Metrics) -> dict[str, float]:
    """Each metric under its name, and the ends of its interval under `<name>_lower` and `<name>_upper`."""
    return {
        f"{name}{end}": value
        for name, estimate in metrics.items()
        for end, value in (("", estimate.value), ("_lower", estimate.lower), ("_upper", estimate.upper))
    }


@contextmanager
def _run(
    client: "MlflowClient", experiment_id: str, name: str, tags: Mapping[str, str], *, continued: str | None = None
) -> Iterator[str]:
    if continued is not None:
        for tag, value in tags.items():
            client.set_tag(continued, tag, value)
        yield continued
        return
    run_id = str(client.create_run(experiment_id, run_name=name, tags=dict(tags)).info.run_id)
    status = "FAILED"
    try:
        yield run_id
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def _in_full(metrics: Metrics) -> dict[str, dict[str, float]]:
    return {name: asdict(estimate) for name, estimate in metrics.items()}


def _record_result(
    client: "MlflowClient", run_id: str, result: CandidateResult, *, model_id: str | None = None
) -> None:
    from mlflow.entities import Param

    params = {"candidate": result.name, **result.parameters}
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    _log_metrics(client, run_id, flat(result.metrics), model_id=model_id)


def _log_metrics(
    client: "MlflowClient", run_id: str, metrics: Mapping[str, float], *, model_id: str | None = None
) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    entries = [Metric(name, value, now, 0, model_id=model_id) for name, value in metrics.items()]
    for start in range(0, len(entries), _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=entries[start : start + _METRICS_AT_ONCE])


def _record_model(
    client: "MlflowClient", experiment_id: str, run_id: str, trained: TrainedModel
) -> "tuple[LoggedModel, dict[str, str]]":
    """Upload the model's folder; returns the digests of its files too."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    params = {name: str(value) for name, value in trained.parameters.items()}
    logged = client.create_logged_model(experiment_id, name=_MODEL_NAME, source_run_id=run_id, params=params)
    description = Model(
        artifact_path=logged.artifact_location, run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / _MODEL_NAME
        digests = model_artifact.save(folder, trained, description=description)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return logged, digests


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
