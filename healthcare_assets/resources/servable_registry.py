"""Servables in the model registry: a registered model of their own, since an endpoint deploys only what is registered.

The champion's registered version stays as it was judged, a model of features; what an endpoint deploys has to read raw
records, so it is registered beside it, under an alias that says which champion it is made of and from which code.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.resources.mlflow_client import answering, create_or_find
from healthcare_assets.resources.servable import Servable

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from healthcare_assets.resources.registry import ModelRegistry, ModelVersion

SERVABLE = "_serving"
"""What the registered name of the servables adds to the model's."""
_DIGITS = 12


def servable_name(registry: "ModelRegistry") -> str:
    """The registered name of the servables of the registry's model."""
    return f"{registry.name}{SERVABLE}"


def register_servable(registry: "ModelRegistry", servable: Servable, *, tags: Mapping[str, str]) -> str:
    """The version of the servable, registered when it is not yet. Raises RegistryError.

    By alias, as everything is asked for: the same champion, code and libraries have the same alias, and so one version.
    """
    name, champion = servable_name(registry), servable.champion
    alias = f"champion-{champion.version}-{servable.digest[:_DIGITS]}"
    client = registry.client
    with answering(registry.tracking_uri):
        from mlflow.exceptions import MlflowException

        try:
            return str(client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            # A SQL registry has no code for an alias that is not there, only words.
            if error.error_code != "RESOURCE_DOES_NOT_EXIST" and f"alias {alias} not found" not in str(error):
                raise
        create_or_find(lambda: client.create_registered_model(name), lambda: client.get_registered_model(name))
        location, model_id = _uploaded(client, servable.folder, of=champion)
        created = client.create_model_version(
            name,
            source=location,
            # Both are said: a SQL registry would look the run up in the process's default tracking URI.
            model_id=model_id,
            run_id=champion.run_id,
            tags={**tags, "champion": f"{champion.name}/{champion.version}", "servable_digest": servable.digest},
        )
        version = str(created.version)
        client.set_registered_model_alias(name, alias, version)
    return version


def _uploaded(client: "MlflowClient", folder: Path, *, of: "ModelVersion") -> tuple[str, str]:
    """Keep the folder where a version may be made from it (a server takes no local one); its URI and MLflow's id."""
    experiment = client.get_run(of.run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name="servable", source_run_id=of.run_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.artifact_location), str(logged.model_id)
