"""The servable: the champion with the code that takes a raw patient record to an answer, as one MLflow model folder.

The champion's registered files stay what they are: the servable is made from them, after their digests were verified,
and carries these digests along.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from healthcare_assets.domain.columns import REASON_CODE_FIELDS
from healthcare_assets.domain.scoring import PREDICTION_SCHEMA
from healthcare_assets.domain.serving import ANSWER_COLUMNS, REFERENCE
from healthcare_assets.domain.tables import SOURCE_COLUMNS
from healthcare_assets.errors import ServingError
from healthcare_assets.resources.mlflow_client import answering, one_line, quietly
from healthcare_assets.resources.registry import ModelRegistry, ModelVersion

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

PACKAGE_ROOT = Path(__file__).resolve().parents[2]

DISTRIBUTIONS = (
    "filelock",
    "mlflow",
    "narwhals",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
)
"""All that a servable's code imports or its figures depend on. The list is exact, to the version: an endpoint installs
what the champion was verified with here, since another scikit-learn may predict other figures, and nothing besides."""

EXAMPLE_RECORD: Mapping[str, object] = {
    "age": 42,
    "sex": "female",
    "region": "northeast",
    "bmi": 27.9,
    "smoker": "no",
    "children": 2,
    REFERENCE: "1",
}
"""Nobody's."""


@dataclass(frozen=True, kw_only=True)
class Servable:
    """A model folder that MLflow's scoring server can serve."""

    folder: Path
    champion: ModelVersion
    digest: str
    """Of all that answers depend on: the champion's files, the code and the installed versions."""


def assemble(registry: ModelRegistry, champion: ModelVersion, folder: Path, *, code: Iterable[Path]) -> Servable:
    """Make the servable of the champion in a folder, in the place of what was there.

    `code` are the project's files that `served_model` runs. Raises RegistryError when a file of the champion is not the
    one that was registered, ServingError when the folder cannot be written.
    """
    with answering(registry.tracking_uri), quietly():
        from healthcare_assets.resources import served_model
    requirements = [f"{name}=={installed_version(name)}" for name in DISTRIBUTIONS]
    files = sorted(code)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as temporary:
            exported, package, unfinished = (Path(temporary) / name for name in ("exported", "package", "servable"))
            exported.mkdir()
            digests = registry.export(champion, to=exported)
            _copy_code(files, package)
            _save(
                unfinished,
                model_code=Path(served_model.__file__),
                package=package,
                artifacts={Path(name).stem: exported / name for name in digests},
                config={"model_name": champion.name, "model_version": champion.version, "digests": digests},
                requirements=requirements,
            )
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
    except OSError as error:
        raise ServingError(
            f"The servable of version {champion.version} cannot be written to {folder} ({one_line(error)}): "
            "make room there, or set HEALTHCARE_HOME to a folder that you may write to."
        ) from error
    return Servable(folder=folder, champion=champion, digest=_digest(digests, files, requirements))


def _copy_code(files: Iterable[Path], package: Path) -> None:
    for file in files:
        copy = package / file.relative_to(PACKAGE_ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def _save(  # noqa: PLR0913 - what a servable consists of
    folder: Path,
    *,
    model_code: Path,
    package: Path,
    artifacts: Mapping[str, Path],
    config: Mapping[str, object],
    requirements: list[str],
) -> None:
    with quietly():
        import mlflow.pyfunc

        # With signature and requirements given, MLflow does not start a model server to find them out (10 s).
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(model_code),
            model_config=dict(config),
            artifacts={name: str(path) for name, path in artifacts.items()},
            code_paths=[str(path) for path in package.iterdir()],
            signature=_signature(),
            input_example=pd.DataFrame([dict(EXAMPLE_RECORD)]),
            pip_requirements=requirements,
        )


def _digest(digests: Mapping[str, str], code: Iterable[Path], requirements: Iterable[str]) -> str:
    whole = sha256()
    for part in (*(f"{name} {digest}" for name, digest in sorted(digests.items())), *requirements):
        whole.update(part.encode())
    for file in code:
        whole.update(file.relative_to(PACKAGE_ROOT).as_posix().encode() + file.read_bytes())
    return whole.hexdigest()


def _signature() -> "ModelSignature":
    """Any column of a source may be there, in any of its spellings: smokers are "yes", true and 1.

    MLflow lets only what is declared through to the model. What it refuses itself it would quote, with the record in
    it; so nothing is required here, and the model says what is missing.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType, Array, Object, Property

    types = {"string": "string", "double": "double", "bool": "boolean"}
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(AnyType(), name, required=False)  # type: ignore[no-untyped-call]
        for name in (*SOURCE_COLUMNS, REFERENCE)
    ]
    reason = Object([Property(name, "string" if type_ == "string" else "double") for name, type_ in REASON_CODE_FIELDS])
    outputs: list[ColSpec | TensorSpec] = [ColSpec("string", REFERENCE, required=False)]
    for name in ANSWER_COLUMNS:
        type_ = types.get(str(PREDICTION_SCHEMA.field(name).type))
        outputs.append(ColSpec(Array(reason) if type_ is None else type_, name))
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))
