"""The model registry: MLflow, asked by alias and never by listing: those leave aliases out on Unity Catalog."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
from healthcare_assets.resources.training_run import Lineage, record_training

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.tracking import MlflowClient

Alias = Literal["champion", "challenger", "previous"]

_NEXT_STEP: Mapping[Alias, str] = {
    "champion": "materialise trained_model and governance_verdict first",
    "challenger": "materialise trained_model first",
    "previous": "a second model has to become champion first",
}


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
        name: str = "health_insurance_cost",
        experiment: str = "healthcare/local/training",
    ) -> None:
        """`tracking_uri` is `sqlite:///<absolute path>/mlflow.db` locally; artifacts then lie beside the database."""
        self.tracking_uri = tracking_uri
        self.name = name
        self.experiment = experiment

    def register(self, trained: TrainedModel, *, example: "pd.DataFrame", lineage: Lineage) -> ModelVersion:
        """Record the training and make its model the challenger, in a new version.

        `example` is a row of model features that is nobody's record: it is stored with the model. No other row is.
        """
        with answering(self.tracking_uri):
            recorded = record_training(self._client, self._experiment_id(), trained, example=example, lineage=lineage)
            self._require_registered_model()
            created = self._client.create_model_version(
                self.name,
                # Where it lies, and not `models:/<id>`: MLflow looks that up in the process's default tracking URI.
                source=recorded.location,
                run_id=recorded.run_id,
                tags={"candidate": trained.candidate, **lineage.as_tags()},
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

    def candidate(self, version: ModelVersion) -> str:
        """Which of the candidates the version is, by its declared name."""
        with answering(self.tracking_uri):
            return str(self._client.get_run(version.run_id).data.params["candidate"])

    def load(self, version: ModelVersion) -> LoadedModel:
        """The version ready to score with: it predicts what the registered model predicted, to the bit."""
        pipeline, reference = model_artifact.load(self._folder(version))
        return LoadedModel(pipeline=pipeline, reference=reference, name=version.name, version=version.version)

    def promote(self, version: ModelVersion) -> ModelVersion | None:
        """Make the version champion and the present champion, which is returned, previous.

        Nothing moves when the version is the champion already, or does not exist.
        """
        with answering(self.tracking_uri), self._exclusively():
            self._client.get_model_version(self.name, version.version)
            champion = self.version_by_alias("champion")
            if champion is not None and champion.version == version.version:
                return champion
            if champion is not None:
                self._client.set_registered_model_alias(self.name, "previous", champion.version)
            self._client.set_registered_model_alias(self.name, "champion", version.version)
        return champion

    @cached_property
    def _client(self) -> "MlflowClient":
        return open_client(self.tracking_uri)

    def _exclusively(self) -> AbstractContextManager[object]:
        database = sqlite_path(self.tracking_uri)
        return nullcontext() if database is None else database_lock(database)

    def _experiment_id(self) -> str:
        known = self._client.get_experiment_by_name(self.experiment)
        return self._made_experiment_id() if known is None else str(known.experiment_id)

    def _made_experiment_id(self) -> str:
        database = sqlite_path(self.tracking_uri)
        location = None if database is None else (artifact_root(database) / self.experiment).absolute().as_uri()
        make = partial(self._client.create_experiment, self.experiment, artifact_location=location)
        return str(create_or_find(make, self._experiment_id))

    def _require_registered_model(self) -> None:
        create_or_find(
            lambda: self._client.create_registered_model(self.name),
            lambda: self._client.get_registered_model(self.name),
        )

    def _folder(self, version: ModelVersion) -> Path:
        """The model's files: where they lie, when that is this machine, and else a copy."""
        with answering(self.tracking_uri):
            from mlflow.artifacts import download_artifacts

            location = self._client.get_model_version_download_uri(self.name, version.version)
            return Path(download_artifacts(location, tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri))
