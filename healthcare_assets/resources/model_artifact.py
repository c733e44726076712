"""A model as files: pipelines, signature, reference profile and probe in one MLflow model folder, without pickle.

Each file of ours has a digest, which the registry keeps apart from the files: one that was changed since is refused.
And skops makes nothing but what is trusted, so that loading a model runs no code of the model's.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthcare_assets.domain.columns import ColumnType
from healthcare_assets.domain.model_features import MODEL_FEATURES, design_frame, predicted_charges
from healthcare_assets.domain.reference import ReferenceProfile
from healthcare_assets.domain.scoring import LoadedModel
from healthcare_assets.domain.tables import RISK_FEATURES
from healthcare_assets.domain.training import TrainedModel, example_patient, probe_patients
from healthcare_assets.errors import RegistryError, TrainingError
from healthcare_assets.resources.compiled_file import packed, unpacked
from healthcare_assets.resources.mlflow_client import one_line, quietly

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from sklearn.pipeline import Pipeline

PIPELINE_FILE = "model.skops"
COMPILED_FILE = "compiled.npz"
FOLDS_FILE = "folds.skops"
REFERENCE_FILE = "reference_profile.json"
PROBE_FILE = "inference_probe.json"

TRUSTED_TYPES = (
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""What skops may make besides its own safe list. Loading a file that asks for anything else is refused."""

_MLFLOW_TYPES: Mapping[ColumnType, str] = {
    "integer": "long",
    "float": "double",
    "boolean": "boolean",
    "string": "string",
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Made-up patients, and what the model predicted for them in the memory of the process that made it."""

    patients: pd.DataFrame
    predicted: tuple[float, ...]
    """US dollars."""


def save(folder: Path, trained: TrainedModel, *, description: "Model") -> dict[str, str]:
    """Write the MLflow model folder, which must not exist yet; returns the SHA-256 of each of our files by name.

    `description` carries the ids of MLflow's giving.
    """
    import skops.io

    folds = skops.io.dumps(list(trained.fold_pipelines))
    if unknown := sorted(set(skops.io.get_untrusted_types(data=folds)) - set(TRUSTED_TYPES)):
        raise TrainingError(
            f"Candidate {trained.candidate} holds types that are not trusted ({', '.join(unknown)}): add them to "
            "TRUSTED_TYPES in healthcare_assets/resources/model_artifact.py when making one runs no code of a file's."
        )
    with quietly():
        import mlflow.pyfunc
        import mlflow.sklearn

    # With signature and requirements given, MLflow does not start a model server to find them out (10 s).
    mlflow.sklearn.save_model(
        trained.pipeline,
        folder,
        mlflow_model=description,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=list(TRUSTED_TYPES),
        signature=_signature(),
        input_example=example_patient(),
        pip_requirements=[f"{name}=={version(name)}" for name in ("numpy", "pandas", "scikit-learn", "skops")],
    )
    (folder / FOLDS_FILE).write_bytes(folds)
    (folder / REFERENCE_FILE).write_text(trained.reference.to_json(), encoding="utf-8")
    (folder / PROBE_FILE).write_text(_probe_json(trained.pipeline), encoding="utf-8")
    files = [PIPELINE_FILE, FOLDS_FILE, REFERENCE_FILE, PROBE_FILE]
    if trained.compilation.model is not None:
        (folder / COMPILED_FILE).write_bytes(packed(trained.compilation.model))
        files.append(COMPILED_FILE)
    return {name: _digest((folder / name).read_bytes()) for name in files}


def loaded_model(folder: Path, digests: Mapping[str, str], *, name: str, version: str) -> LoadedModel:
    """The model as scoring needs it: its compiled form where there is one, else its pipeline, as `save` wrote them.

    RegistryError as `load_pipeline`.
    """
    compiled = _read(folder / COMPILED_FILE, digests, unpacked) if COMPILED_FILE in digests else None
    return LoadedModel(
        pipeline=None if compiled is not None else load_pipeline(folder, digests),
        compiled=compiled,
        reference=load_reference(folder, digests),
        name=name,
        version=version,
    )


def load_pipeline(folder: Path, digests: Mapping[str, str]) -> "Pipeline":
    """The pipeline, as `save` wrote it.

    RegistryError when a file is missing, damaged, was changed, or asks for a type that is not trusted.
    """
    # Not by `mlflow.sklearn.load_model`: that trusts whatever types the model's own folder tells it to.
    pipeline: Pipeline = _unpacked(folder / PIPELINE_FILE, digests)
    return pipeline


def load_reference(folder: Path, digests: Mapping[str, str]) -> ReferenceProfile:
    """The reference profile alone, as `save` wrote it; RegistryError as `load_pipeline`."""
    reference: ReferenceProfile = _read(
        folder / REFERENCE_FILE, digests, lambda data: ReferenceProfile.from_json(data.decode())
    )
    return reference


def load_folds(folder: Path, digests: Mapping[str, str]) -> "tuple[Pipeline, ...]":
    """The pipelines of the folds, as `save` wrote them; RegistryError as `load_pipeline`."""
    return tuple(_unpacked(folder / FOLDS_FILE, digests))


def load_probe(folder: Path, digests: Mapping[str, str]) -> Probe:
    """The probe, as `save` wrote it; RegistryError as `load_pipeline`."""
    probe: Probe = _read(folder / PROBE_FILE, digests, _probe_from)
    return probe


def export(folder: Path, digests: Mapping[str, str], *, to: Path) -> dict[str, str]:
    """Copy what `loaded_model` needs into a folder that exists; returns the files' digests. Raises as it."""
    exported = (COMPILED_FILE if COMPILED_FILE in digests else PIPELINE_FILE, REFERENCE_FILE)
    for name in exported:
        _read(folder / name, digests, (to / name).write_bytes)
    return {name: digests[name] for name in exported}


def _unpacked(path: Path, digests: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever was packed
    import skops.io

    return _read(path, digests, lambda data: skops.io.loads(data, trusted=list(TRUSTED_TYPES)))


def _read(path: Path, digests: Mapping[str, str], understand: Callable[[bytes], Any]) -> Any:  # noqa: ANN401
    """What `understand` makes of the file's bytes, which are read once: checked and used are the same."""
    try:
        data = path.read_bytes()
        if _digest(data) != digests.get(path.name):
            raise RegistryError(
                f"{path} is not the file that was registered (its SHA-256 differs): the model was changed and is not "
                "used; materialise trained_model and governance_verdict again, or roll back."
            )
        return understand(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise RegistryError(
            f"The model in {path.parent} cannot be read ({one_line(error)}): "
            "materialise trained_model and governance_verdict again."
        ) from error


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _probe_json(pipeline: "Pipeline") -> str:
    patients = probe_patients()
    predicted = predicted_charges(pipeline, design_frame(patients))
    return json.dumps({"patients": patients.to_dict(orient="list"), "predicted": predicted.tolist()}, allow_nan=False)


def _probe_from(data: bytes) -> Probe:
    fields = json.loads(data)
    return Probe(patients=pd.DataFrame(fields["patients"]), predicted=tuple(fields["predicted"]))


def _signature() -> "ModelSignature":
    """Declared rather than inferred: the features' types are the table's."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    types = {
        column.name: _MLFLOW_TYPES[column.type] for column in RISK_FEATURES.columns if column.name in MODEL_FEATURES
    }
    inputs: list[ColSpec | TensorSpec] = [ColSpec(types[name], name) for name in MODEL_FEATURES]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))
