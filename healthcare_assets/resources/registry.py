"""The model registry: MLflow, asked by alias and never by listing: those leave aliases out on Unity Catalog."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.evaluation import Metrics
from healthcare_assets.domain.reference import ReferenceProfile
from healthcare_assets.domain.scoring import LoadedModel
from healthcare_assets.domain.training import TrainedModel
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources import model_artifact
from healthcare_assets.resources.mlflow_client import (
    answering,
    artifact_root,
    create_or_find,
    database_lock,
    open_client,
    sqlite_path,
)
from healthcare_assets.resources.training_run import METRICS_FILE, Lineage, log_files, record_run, record_training

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from sklearn.pipeline import Pipeline

Alias = Literal["champion", "challenger", "previous"]
Component = Literal["training", "governance", "scoring", "monitoring"]
"""What a run is about: an experiment each."""
COMPILED_TAG = "compiled"
_DIGEST_TAG = "sha256."

_NEXT_STEP: Mapping[Alias, str] = {
    "champion": "materialise trained_model and governance_verdict first",
    "challenger": "materialise trained_model first",
    "previous": "a second model has to become champion first",
}


class ChampionMovedError(RegistryError):
    """Another process moved the alias since it was read."""


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A registered version of the model."""

    name: str
    version: str
    run_id: str
    """The MLflow run that made it."""


class ModelRegistry:
    """One registered model and its versions. Opens MLflow when it is first asked; each method raises RegistryError."""

    def __init__(
        self,
        tracking_uri: str,
        *,
        registry_uri: str | None = None,
        name: str = "health_insurance_cost",
        experiment_root: str = "healthcare/local",
        run_id: str | None = None,
    ) -> None:
        """`tracking_uri` is `sqlite:///<absolute path>/mlflow.db` locally; artifacts then lie beside the database.

        `registry_uri` is where the registered model is, when that is not with the runs. Runs go to the experiments
        `<experiment_root>/<component>`; with a `run_id` everything is recorded in that run, which is somebody else's to
        open and to end.
        """
        self.tracking_uri = tracking_uri
        self.registry_uri = registry_uri or tracking_uri
        self._continued = run_id
        self.name = name
        self.experiment_root = experiment_root

    def register(self, trained: TrainedModel, *, lineage: Lineage) -> ModelVersion:
        """Record the training and make its model the challenger, in a new version. No patient's row is stored."""
        with answering(self.tracking_uri):
            recorded = record_training(
                self._client, self._experiment_id("training"), trained, lineage=lineage, continue_run=self._continued
            )
            self._require_registered_model()
            created = self._client.create_model_version(
                self.name,
                # Where it lies, and not `models:/<id>`: MLflow looks that up in the process's default tracking URI.
                source=recorded.location,
                run_id=recorded.run_id,
                # A server takes a source of one of its logged models only when it is told which.
                model_id=recorded.model_id,
                tags={
                    "candidate": trained.candidate,
                    "dataset_digest": trained.dataset_digest,
                    "compliance_status": "not judged",
                    COMPILED_TAG: trained.compilation.kind,
                    **lineage.as_tags(),
                    **{f"{_DIGEST_TAG}{file}": digest for file, digest in recorded.digests.items()},
                },
            )
            version = str(created.version)
            self._client.set_registered_model_alias(self.name, "challenger", version)
        return ModelVersion(name=self.name, version=version, run_id=recorded.run_id)

    def version_by_alias(self, alias: Alias) -> ModelVersion | None:
        """The version that carries the alias, or None when none does."""
        with answering(self.tracking_uri):
            from mlflow.exceptions import MlflowException

            try:
                found = self._client.get_model_version_by_alias(self.name, alias)
            except MlflowException as error:
                # A SQL registry has no code for an alias that is not there, only words.
                if error.error_code == "RESOURCE_DOES_NOT_EXIST" or f"alias {alias} not found" in str(error):
                    return None
                raise
        return ModelVersion(name=self.name, version=str(found.version), run_id=str(found.run_id))

    def required_version(self, alias: Alias) -> ModelVersion:
        """The version that carries the alias; RegistryError, with the next step, when none does."""
        found = self.version_by_alias(alias)
        if found is None:
            raise RegistryError(f"No {alias} yet: {_NEXT_STEP[alias]}.")
        return found

    def evidence(self, version: ModelVersion) -> dict[str, float]:
        """The version's metrics by name, as they are stored; one that was not recorded is absent."""
        with answering(self.tracking_uri):
            return dict(self._client.get_run(version.run_id).data.metrics)

    def results(self, version: ModelVersion) -> dict[str, Metrics]:
        """What each candidate of the version's training, and the median, reached out of fold, by name."""
        with answering(self.tracking_uri):
            path = self._client.download_artifacts(version.run_id, METRICS_FILE)
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
        return {
            name: {metric: Estimate(**estimate) for metric, estimate in metrics.items()}
            for name, metrics in stored.items()
        }

    def tags(self, version: ModelVersion) -> dict[str, str]:
        """The version's tags: which candidate it is, its lineage, what became of it."""
        with answering(self.tracking_uri):
            return dict(self._client.get_model_version(self.name, version.version).tags)

    def describe(self, version: ModelVersion, *, tags: Mapping[str, str], description: str | None = None) -> None:
        """Set tags of the version, and its description when one is given."""
        with answering(self.tracking_uri):
            for name, value in tags.items():
                self._client.set_model_version_tag(self.name, version.version, name, value)
            if description is not None:
                self._client.update_model_version(self.name, version.version, description)

    def load(self, version: ModelVersion) -> LoadedModel:
        """The version, compiled where it can be; RegistryError when a file is not the one that was registered."""
        return model_artifact.loaded_model(*self._files(version), name=version.name, version=version.version)

    def load_pipeline(self, version: ModelVersion) -> "Pipeline":
        """The version's pipeline, which predicts to the bit what it did when it was registered. Raises as `load`."""
        return model_artifact.load_pipeline(*self._files(version))

    def reference(self, version: str) -> ReferenceProfile:
        """The profile of what a version was trained on, without its pipeline; RegistryError as `load`."""
        found = ModelVersion(name=self.name, version=version, run_id="")
        return model_artifact.load_reference(*self._files(found))

    def load_folds(self, version: ModelVersion) -> "tuple[Pipeline, ...]":
        """The pipelines of the version's folds, which judge it on patients that it was trained on."""
        return model_artifact.load_folds(*self._files(version))

    def export(self, version: ModelVersion, *, to: Path) -> dict[str, str]:
        """Copy what predicting with the version needs into a folder; returns the files' digests. Raises as `load`."""
        return model_artifact.export(*self._files(version), to=to)

    def load_probe(self, version: ModelVersion) -> model_artifact.Probe:
        """What the model predicted for made-up patients in the process that made it."""
        return model_artifact.load_probe(*self._files(version))

    def promote(
        self, version: ModelVersion, *, instead_of: ModelVersion | None, record: Callable[[], None] = lambda: None
    ) -> None:
        """Make the version champion and the present champion previous; nothing moves when it is the champion already.

        `instead_of` is the champion that it was compared with. ChampionMovedError when another one, or none, is
        champion by now: of two promotions at once the second finds out. `record` is called when the move is certain,
        and before it: a model may be written down and not yet promoted, but never promoted without a record.
        """
        with self._exclusively():
            self.tags(version)
            champion = self.version_by_alias("champion")
            if champion != instead_of:
                raise ChampionMovedError(
                    f"{_named(champion)} is champion by now and {_named(instead_of)} was when the model was judged: "
                    "materialise governance_verdict again."
                )
            record()
            if champion != version:
                self._move_champion(version, previous=champion)

    def roll_back(self, record: Callable[[ModelVersion, ModelVersion], None]) -> tuple[ModelVersion, ModelVersion]:
        """Make the previous champion champion again; returns the one that goes and the one that comes.

        Afterwards nothing is previous, so that a second roll-back cannot bring back what the first one took away.
        `record` is called with both before anything moves.
        """
        with self._exclusively():
            champion, previous = self.required_version("champion"), self.required_version("previous")
            if previous == champion:  # as a process leaves it that dies between the two aliases' moves
                raise RegistryError(f"No previous yet: {_NEXT_STEP['previous']}.")
            record(champion, previous)
            self._move_champion(previous, previous=None)
        return champion, previous

    def record_run(
        self,
        component: Component,
        name: str,
        *,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Mapping[str, bytes] = {},
    ) -> str:
        """Record a finished run with files by their path in its artifacts; returns its id.

        In a run that is continued, metrics and files are told apart by the component: `governance.r2`.
        """
        with answering(self.tracking_uri):
            if self._continued is not None:
                metrics = {f"{component}.{metric}": value for metric, value in metrics.items()}
                files = {f"{component}/{path}": content for path, content in files.items()}
            return record_run(
                self._client,
                self._experiment_id(component),
                name,
                metrics=metrics,
                tags=tags,
                files=files,
                continue_run=self._continued,
            )

    def attach(self, version: ModelVersion, files: Mapping[str, bytes]) -> None:
        """Put files, by their path, beside the version's own in the artifacts of the run that made it."""
        with answering(self.tracking_uri):
            log_files(self._client, version.run_id, files)

    def attached(self, version: ModelVersion, path: str) -> str:
        """Where a file that was attached lies: a path on this machine, or a URI."""
        with answering(self.tracking_uri):
            folder = str(self._client.get_run(version.run_id).info.artifact_uri)
        return f"{unquote(folder.removeprefix('file://'))}/{path}"

    @property
    def client(self) -> "MlflowClient":
        """MLflow itself, for what belongs to the registry and is no version of the model."""
        with answering(self.tracking_uri):
            return self._client

    @cached_property
    def _client(self) -> "MlflowClient":
        return open_client(self.tracking_uri, self.registry_uri)

    def _move_champion(self, version: ModelVersion, *, previous: ModelVersion | None) -> None:
        with answering(self.tracking_uri):
            if previous is not None:
                self._client.set_registered_model_alias(self.name, "previous", previous.version)
            self._client.set_registered_model_alias(self.name, "champion", version.version)
            if previous is None and self.version_by_alias("previous") is not None:
                self._client.delete_registered_model_alias(self.name, "previous")

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """No other process of this machine moves an alias meanwhile."""
        database = sqlite_path(self.tracking_uri)
        with answering(self.tracking_uri), ExitStack() as stack:
            if database is not None:
                stack.enter_context(database_lock(database))
            held = stack.pop_all()
        with held:
            yield

    def _experiment_id(self, component: Component) -> str:
        if self._continued is not None:
            return str(self._client.get_run(self._continued).info.experiment_id)
        known = self._client.get_experiment_by_name(f"{self.experiment_root}/{component}")
        return self._made_experiment_id(component) if known is None else str(known.experiment_id)

    def _made_experiment_id(self, component: Component) -> str:
        name, database = f"{self.experiment_root}/{component}", sqlite_path(self.tracking_uri)
        location = None if database is None else (artifact_root(database) / name).absolute().as_uri()
        make = partial(self._client.create_experiment, name, artifact_location=location)
        return str(create_or_find(make, partial(self._experiment_id, component)))

    def _require_registered_model(self) -> None:
        create_or_find(
            lambda: self._client.create_registered_model(self.name),
            lambda: self._client.get_registered_model(self.name),
        )

    def _files(self, version: ModelVersion) -> tuple[Path, dict[str, str]]:
        """The model's folder, or a copy of one that lies elsewhere; and by file its SHA-256, as it was registered."""
        tags = self.tags(version)
        digests = {tag.removeprefix(_DIGEST_TAG): value for tag, value in tags.items() if tag.startswith(_DIGEST_TAG)}
        with answering(self.tracking_uri):
            from mlflow.artifacts import download_artifacts

            location = self._client.get_model_version_download_uri(self.name, version.version)
            found = download_artifacts(location, tracking_uri=self.tracking_uri, registry_uri=self.registry_uri)
        return Path(found), digests


def _named(version: ModelVersion | None) -> str:
    return "no version" if version is None else f"version {version.version}"
