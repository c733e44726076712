"""The registry: what is registered comes back exactly, aliases move as promised, and failures are sentences."""

import json
import math
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from healthcare_assets.domain.model_features import design_frame
from healthcare_assets.domain.training import CANDIDATES, TrainedModel, example_patient, train
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources import model_artifact
from healthcare_assets.resources.registry import ModelRegistry, ModelVersion
from healthcare_assets.resources.training_run import Lineage
from healthcare_assets_tests.training_populations import made_up_population, trained_on_made_up_patients

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ROOT = Path(__file__).resolve().parents[2]
LINEAGE = Lineage(
    data_versions={"risk_features": "12", "silver_patients": "9"},
    code_version="abc123",
    dagster_run_id="a-run",
    tags={"note": "a test"},
)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that was opened and never used: creating one takes seconds, copying its file does not."""
    database = tmp_path_factory.mktemp("registry") / "mlflow.db"
    assert ModelRegistry(f"sqlite:///{database}").version_by_alias("champion") is None
    return database


@pytest.fixture
def registry(empty_database: Path, tmp_path: Path) -> ModelRegistry:
    folder = tmp_path / "the registry"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return ModelRegistry(f"sqlite:///{folder / 'mlflow.db'}")


def _register(registry: ModelRegistry, trained: TrainedModel | None = None) -> ModelVersion:
    return registry.register(trained or trained_on_made_up_patients(), example=example_patient(), lineage=LINEAGE)


def _client(registry: ModelRegistry) -> "MlflowClient":
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=registry.tracking_uri, registry_uri=registry.tracking_uri)


def _model_folder(registry: ModelRegistry) -> Path:
    [description] = Path(registry.tracking_uri.removeprefix("sqlite:///")).parent.rglob("MLmodel")
    return description.parent


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_registered_model_comes_back_to_the_last_bit(registry: ModelRegistry, candidate: Any) -> None:
    population = made_up_population(500)
    trained = train(population, candidates=(candidate,))
    loaded = registry.load(_register(registry, trained))
    features = design_frame(population)
    assert np.array_equal(loaded.pipeline.predict(features), trained.pipeline.predict(features))
    assert loaded.reference.to_json() == trained.reference.to_json()
    assert (loaded.name, loaded.version) == ("health_insurance_cost", "1")


def test_a_new_version_is_the_challenger_and_nothing_else(registry: ModelRegistry) -> None:
    first, second = _register(registry), _register(registry)
    assert (first.version, second.version) == ("1", "2")
    assert registry.version_by_alias("challenger") == second
    assert registry.version_by_alias("champion") is None
    assert registry.version_by_alias("previous") is None


def test_promotion_moves_champion_to_previous(registry: ModelRegistry) -> None:
    first, second = _register(registry), _register(registry)
    assert registry.promote(first) is None
    assert (registry.version_by_alias("champion"), registry.version_by_alias("previous")) == (first, None)
    assert registry.promote(second) == first
    assert (registry.version_by_alias("champion"), registry.version_by_alias("previous")) == (second, first)
    assert registry.version_by_alias("challenger") == second


def test_promoting_the_champion_again_moves_nothing(registry: ModelRegistry) -> None:
    first, second = _register(registry), _register(registry)
    registry.promote(first)
    registry.promote(second)
    assert registry.promote(second) == second
    assert (registry.version_by_alias("champion"), registry.version_by_alias("previous")) == (second, first)


def test_promoting_a_version_that_does_not_exist_moves_nothing(registry: ModelRegistry) -> None:
    first = _register(registry)
    registry.promote(first)
    with pytest.raises(RegistryError, match=r"version=77\) not found.*: materialise trained_model again"):
        registry.promote(replace(first, version="77"))
    assert (registry.version_by_alias("champion"), registry.version_by_alias("previous")) == (first, None)


def test_the_evidence_is_what_was_stored(registry: ModelRegistry) -> None:
    trained = trained_on_made_up_patients()
    assert registry.evidence(_register(registry, trained)) == trained.metrics


def test_a_metric_that_is_no_number_stays_one_and_a_missing_one_missing(registry: ModelRegistry) -> None:
    trained = replace(trained_on_made_up_patients(), metrics={"risk_score_r2": math.nan})
    evidence = registry.evidence(_register(registry, trained))
    assert list(evidence) == ["risk_score_r2"]
    assert math.isnan(evidence["risk_score_r2"])


def test_without_a_champion_the_next_step_is_said(registry: ModelRegistry) -> None:
    with pytest.raises(RegistryError) as refused:
        registry.required_version("champion")
    assert str(refused.value) == "No champion yet: materialise trained_model and governance_verdict first."
    _register(registry)
    assert registry.required_version("challenger").version == "1"


def test_the_run_tells_how_the_model_came_about(registry: ModelRegistry) -> None:
    trained = trained_on_made_up_patients()
    version, client = _register(registry, trained), _client(registry)
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"candidate": trained.candidate, **{k: str(v) for k, v in trained.parameters.items()}}
    expected = {
        "code_version": "abc123",
        "dagster_run_id": "a-run",
        "data_version.risk_features": "12",
        "note": "a test",
    }
    assert run.data.tags.items() >= expected.items()
    assert run.inputs is not None
    [dataset_input] = run.inputs.dataset_inputs
    assert dataset_input.dataset.digest == trained.dataset_digest
    assert json.loads(dataset_input.dataset.source) == {"risk_features": "12", "silver_patients": "9"}
    experiment = client.get_experiment_by_name("healthcare/local/training")
    assert experiment is not None
    children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{version.run_id}'")
    assert {run.info.run_name: dict(run.data.metrics) for run in children} == {
        result.name: dict(result.metrics) for result in trained.candidates
    }


def test_all_files_lie_beside_the_database_and_none_holds_a_patient(registry: ModelRegistry, tmp_path: Path) -> None:
    _register(registry)
    assert _model_folder(registry).is_relative_to(tmp_path / "the registry" / "artifacts")
    keys = [key.encode() for key in made_up_population(600)["patient_key"]]
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(key in content for key in keys), path
    stored = json.loads((_model_folder(registry) / "input_example.json").read_text(encoding="utf-8"))
    assert stored["data"] == example_patient().to_numpy().tolist()


def test_a_training_that_cannot_be_stored_is_a_failed_run_and_no_version(registry: ModelRegistry) -> None:
    trained = trained_on_made_up_patients()
    unreadable = replace(trained, reference=replace(trained.reference, high_cost_from=math.nan))
    with pytest.raises(ValueError, match="not JSON compliant"):
        _register(registry, unreadable)
    assert registry.version_by_alias("challenger") is None
    experiment = _client(registry).get_experiment_by_name("healthcare/local/training")
    assert experiment is not None
    runs = _client(registry).search_runs([experiment.experiment_id], f"run_name = '{trained.candidate}'")
    assert [run.info.status for run in runs if "mlflow.parentRunId" not in run.data.tags] == ["FAILED"]


def _cut_short(folder: Path) -> None:
    pipeline = folder / "model.skops"
    pipeline.write_bytes(pipeline.read_bytes()[:2_000])


def _without_reference(folder: Path) -> None:
    (folder / "reference_profile.json").unlink()


def _reference_of_another_kind(folder: Path) -> None:
    (folder / "reference_profile.json").write_text("{}", encoding="utf-8")


def _with_code_in_it(folder: Path) -> None:
    """Ask for a type that runs code; and let the folder itself say that it may be trusted."""
    from skops.io import dump

    from healthcare_assets_tests.training_populations import training_frame

    (folder / "model.skops").unlink()
    dump({"steps": training_frame, "then": subprocess.run}, folder / "model.skops")
    description = folder / "MLmodel"
    trusted = "    skops_trusted_types:\n    - subprocess.run\n"
    described = description.read_text(encoding="utf-8").replace("    skops_trusted_types:\n", trusted)
    description.write_text(described, encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (_cut_short, "not a zip file"),
        (_without_reference, "No such file"),
        (_reference_of_another_kind, "numeric"),
        (_with_code_in_it, "[Uu]ntrusted types"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused(registry: ModelRegistry, damage: Any, cause: str) -> None:
    version = _register(registry)
    damage(_model_folder(registry))
    with pytest.raises(RegistryError, match=rf"cannot be read \(.*{cause}.*\): materialise trained_model and gov"):
        registry.load(version)


def test_a_model_whose_files_are_gone_is_refused(registry: ModelRegistry) -> None:
    version = _register(registry)
    shutil.rmtree(_model_folder(registry))
    with pytest.raises(RegistryError, match="materialise trained_model again"):
        registry.load(version)


def test_a_model_is_stored_without_pickle(registry: ModelRegistry) -> None:
    _register(registry)
    folder = _model_folder(registry)
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pickle", ".joblib"}]
    with zipfile.ZipFile(folder / "model.skops") as archive:
        kinds = {Path(name).suffix for name in archive.namelist()}
    assert kinds <= {".json", ".npy"}


def test_only_tree_types_are_trusted_besides_the_safe_ones() -> None:
    assert all(name.startswith("sklearn.") and "tree" in name.lower() for name in model_artifact.TRUSTED_TYPES)


def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to look like one " * 50, encoding="utf-8")
    with pytest.raises(RegistryError, match=r"mlflow\.db does not answer \(file is not a database\): check that"):
        ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}").version_by_alias("champion")


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="does not answer"):
        ModelRegistry(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}").version_by_alias("champion")


_FIRST_USE = """
import sys
refused = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
def no_network(event, arguments):
    if event in refused:
        sys.stderr.write(f"{event} {arguments}")
        raise ConnectionRefusedError(event)
sys.addaudithook(no_network)
from healthcare_assets.resources.registry import ModelRegistry
registry = ModelRegistry(f"sqlite:///{sys.argv[1]}")
registry.version_by_alias("champion")
if sys.argv[2] == "train":
    from healthcare_assets.resources.training_run import Lineage
    from healthcare_assets_tests.training_populations import made_up_population
    from healthcare_assets.domain.training import CANDIDATES, example_patient, train
    trained = train(made_up_population(500), candidates=CANDIDATES[1:])
    lineage = Lineage(data_versions={}, code_version="c", dagster_run_id="r")
    registry.load(registry.register(trained, example=example_patient(), lineage=lineage))
"""


@pytest.mark.slow
def test_processes_that_open_a_new_registry_at_once_work_silently_and_without_network(tmp_path: Path) -> None:
    database, elsewhere = tmp_path / "home" / "mlflow" / "mlflow.db", tmp_path / "elsewhere"
    elsewhere.mkdir()
    # MLflow keeps its telemetry to itself in tests and CI, so these must not look like either.
    environment = {k: v for k, v in os.environ.items() if k not in {"CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST"}}
    command = [sys.executable, "-W", "error", "-c", _FIRST_USE, str(database)]
    processes = [
        subprocess.Popen(
            [*command, role],
            cwd=elsewhere,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for role in ("train", "read")
    ]
    said = [process.communicate(timeout=240)[0] for process in processes]
    assert said == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    assert list(elsewhere.iterdir()) == []
    registry = ModelRegistry(f"sqlite:///{database}")
    assert registry.required_version("challenger").version == "1"


def test_reading_leaves_the_process_as_it_was(registry: ModelRegistry) -> None:
    import mlflow

    before = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    registry.load(_register(registry))
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == before
    assert mlflow.active_run() is None
