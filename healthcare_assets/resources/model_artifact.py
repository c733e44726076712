"""A model as files: pipeline, signature and reference profile in one MLflow model folder, without pickle."""

import zipfile
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.domain.model_features import MODEL_FEATURES
from healthcare_assets.domain.reference import ReferenceProfile
from healthcare_assets.domain.tables import RISK_FEATURES, ColumnType
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources.mlflow_client import one_line, quietly

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from sklearn.pipeline import Pipeline

REFERENCE_FILE = "reference_profile.json"
_PIPELINE_FILE = "model.skops"

TRUSTED_TYPES = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What skops may make besides its own safe list. Loading a file that asks for anything else is refused."""

_MLFLOW_TYPES: Mapping[ColumnType, str] = {
    "integer": "long",
    "float": "double",
    "boolean": "boolean",
    "string": "string",
}


def save(
    folder: Path, pipeline: "Pipeline", reference: ReferenceProfile, *, example: "pd.DataFrame", description: "Model"
) -> None:
    """Write the MLflow model folder, which must not exist yet; `description` carries the ids of MLflow's giving."""
    with quietly():
        import mlflow.pyfunc
        import mlflow.sklearn

    # With signature and requirements given, MLflow does not start a model server to find them out (10 s).
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        mlflow_model=description,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=list(TRUSTED_TYPES),
        signature=_signature(),
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in ("numpy", "pandas", "scikit-learn", "skops")],
    )
    (folder / REFERENCE_FILE).write_text(reference.to_json(), encoding="utf-8")


def load(folder: Path) -> tuple["Pipeline", ReferenceProfile]:
    """Read what `save` wrote. RegistryError when a file is missing, damaged, or asks for a type that is not trusted.

    Not by `mlflow.sklearn.load_model`: that trusts whatever types the model's own folder tells it to.
    """
    import skops.io

    try:
        pipeline: Pipeline = skops.io.load(folder / _PIPELINE_FILE, trusted=list(TRUSTED_TYPES))
        return pipeline, ReferenceProfile.from_json((folder / REFERENCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise RegistryError(
            f"The model in {folder} cannot be read ({one_line(error)}): "
            "materialise trained_model and governance_verdict again."
        ) from error


def _signature() -> "ModelSignature":
    """Declared rather than inferred: the features' types are the table's."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    types = {
        column.name: _MLFLOW_TYPES[column.type] for column in RISK_FEATURES.columns if column.name in MODEL_FEATURES
    }
    inputs: list[ColSpec | TensorSpec] = [ColSpec(types[name], name) for name in MODEL_FEATURES]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))
