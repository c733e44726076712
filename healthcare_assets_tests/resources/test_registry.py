"""The registry: what is registered comes back exactly, aliases move as promised, and failures are sentences."""

import hashlib
import io
import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.candidates import CANDIDATES, GLM, Candidate, Parameters
from healthcare_assets.domain.compiled import agreeing
from healthcare_assets.domain.model_features import design_frame, predicted_charges
from healthcare_assets.domain.scoring import predicted_by
from healthcare_assets.domain.training import TrainedModel, example_patient, train
from healthcare_assets.errors import LakehouseError, RegistryError, TrainingError
from healthcare_assets.resources import model_artifact
from healthcare_assets.resources.registry import ChampionMovedError, Component, ModelRegistry, ModelVersion
from healthcare_assets.resources.training_run import Lineage, flat
from healthcare_assets_tests.training_populations import made_up_population

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ACTUARYS = tuple(candidate for candidate in CANDIDATES if candidate.name == GLM)
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


@cache
def small_model() -> TrainedModel:
    """One that is stored in a moment: forests take seconds."""
    return train(made_up_population(600), candidates=ACTUARYS)


def _register(registry: ModelRegistry, trained: TrainedModel | None = None) -> ModelVersion:
    return registry.register(trained or small_model(), lineage=LINEAGE)


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
    version, features = _register(registry, trained), design_frame(population)
    pipeline, loaded = registry.load_pipeline(version), registry.load(version)
    assert np.array_equal(pipeline.predict(features), trained.pipeline.predict(features))
    for stored, made in zip(registry.load_folds(version), trained.fold_pipelines, strict=True):
        assert np.array_equal(stored.predict(features), made.predict(features))
    probe = registry.load_probe(version)
    assert predicted_charges(pipeline, design_frame(probe.patients)).tolist() == list(probe.predicted)
    assert agreeing(predicted_by(loaded, probe.patients), np.array(probe.predicted)).all()
    assert loaded.pipeline is None, "what is compiled is loaded without scikit-learn"
    assert registry.tags(version)["compiled"] == trained.compilation.kind
    assert loaded.reference.to_json() == trained.reference.to_json()
    assert (loaded.name, loaded.version) == ("health_insurance_cost", "1")


def test_a_new_version_is_the_challenger_and_nothing_else(registry: ModelRegistry) -> None:
    first, second = _register(registry), _register(registry)
    assert (first.version, second.version) == ("1", "2")
    assert registry.version_by_alias("challenger") == second
    assert registry.version_by_alias("champion") is None
    assert registry.version_by_alias("previous") is None


def _aliases(registry: ModelRegistry) -> tuple[str | None, str | None]:
    """Champion and previous."""
    champion, previous = registry.version_by_alias("champion"), registry.version_by_alias("previous")
    return champion.version if champion else None, previous.version if previous else None


@pytest.fixture(scope="session")
def two_versions(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ModelVersion]]:
    """A registry with two versions, to be copied: registering one takes a second."""
    database = tmp_path_factory.mktemp("two versions") / "mlflow.db"
    shutil.copy(empty_database, database)
    registry = ModelRegistry(f"sqlite:///{database}")
    return database, [_register(registry), _register(registry)]


@pytest.fixture
def two(registry: ModelRegistry, two_versions: tuple[Path, list[ModelVersion]]) -> tuple[ModelVersion, ModelVersion]:
    """Two registered versions, neither of them champion."""
    database, (first, second) = two_versions
    shutil.copy(database, registry.tracking_uri.removeprefix("sqlite:///"))
    return first, second


def test_promotion_moves_champion_to_previous(registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]) -> None:
    registry.promote(two[0], instead_of=None)
    assert _aliases(registry) == ("1", None)
    registry.promote(two[1], instead_of=two[0])
    assert _aliases(registry) == ("2", "1")
    assert registry.version_by_alias("challenger") == two[1]


def test_promoting_the_champion_again_moves_nothing(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    registry.promote(two[0], instead_of=None)
    registry.promote(two[1], instead_of=two[0])
    registry.promote(two[1], instead_of=two[1])
    assert _aliases(registry) == ("2", "1")


def test_promoting_a_version_that_does_not_exist_moves_nothing(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    registry.promote(two[0], instead_of=None)
    with pytest.raises(RegistryError, match=r"version=77\) not found.*: materialise trained_model again"):
        registry.promote(replace(two[0], version="77"), instead_of=two[0])
    assert _aliases(registry) == ("1", None)


def test_a_champion_that_moved_since_refuses_the_promotion_and_nothing_is_written_down(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    registry.promote(two[0], instead_of=None)
    written: list[str] = []
    with pytest.raises(ChampionMovedError, match="version 1 is champion by now and no version was"):
        registry.promote(two[1], instead_of=None, record=lambda: written.append("a record"))
    assert (written, _aliases(registry)) == ([], ("1", None))


def test_a_promotion_is_written_down_before_the_alias_moves(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    seen: list[Any] = []
    registry.promote(two[0], instead_of=None, record=lambda: seen.append(_aliases(registry)))
    assert (seen, _aliases(registry)) == ([(None, None)], ("1", None))


def test_of_two_promotions_at_once_one_wins(registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]) -> None:
    lost: list[str] = []

    def promote(version: ModelVersion) -> None:
        try:
            ModelRegistry(registry.tracking_uri).promote(version, instead_of=None)
        except ChampionMovedError:
            lost.append(version.version)

    threads = [threading.Thread(target=promote, args=(version,)) for version in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lost) == 1
    assert _aliases(registry) == ({"1": "2", "2": "1"}[lost[0]], None)


def test_a_rollback_brings_the_previous_champion_back_once(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    registry.promote(two[0], instead_of=None)
    registry.promote(two[1], instead_of=two[0])
    seen: list[Any] = []
    assert registry.roll_back(lambda gone, back: seen.append((gone, back, _aliases(registry)))) == (two[1], two[0])
    assert seen == [(two[1], two[0], ("2", "1"))]
    assert _aliases(registry) == ("1", None)
    with pytest.raises(RegistryError, match="No previous yet: a second model has to become champion first"):
        registry.roll_back(lambda *_: seen.append("never"))
    assert len(seen) == 1


def test_what_cannot_be_written_down_does_not_happen(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    def fail(*_: Any) -> None:
        raise LakehouseError("the table cannot be written")

    with pytest.raises(LakehouseError):
        registry.promote(two[0], instead_of=None, record=fail)
    assert _aliases(registry) == (None, None)
    registry.promote(two[0], instead_of=None)
    registry.promote(two[1], instead_of=two[0])
    with pytest.raises(LakehouseError):
        registry.roll_back(fail)
    assert _aliases(registry) == ("2", "1")


def test_a_champion_is_not_rolled_back_to_itself(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    """So it stands when a promotion died between the moves of the two aliases."""
    registry.promote(two[0], instead_of=None)
    _client(registry).set_registered_model_alias(registry.name, "previous", "1")
    with pytest.raises(RegistryError, match="No previous yet: a second model has to become champion first"):
        registry.roll_back(lambda *_: pytest.fail("written down"))
    assert _aliases(registry) == ("1", "1")


_PROMOTION = """
import sys
import time
from healthcare_assets.resources.registry import ChampionMovedError, ModelRegistry
registry = ModelRegistry(sys.argv[1])
version = registry.required_version(sys.argv[2])
def write_down():
    time.sleep(0.5)
    print("written down")
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote(version, instead_of=None, record=write_down)
except ChampionMovedError:
    print("moved")
"""


@pytest.mark.slow
def test_of_two_processes_that_promote_at_once_one_wins(
    registry: ModelRegistry, two: tuple[ModelVersion, ModelVersion]
) -> None:
    _client(registry).set_registered_model_alias(registry.name, "previous", "1")
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROMOTION, registry.tracking_uri, alias],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for alias in ("previous", "challenger")
    ]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 2
    for process in processes:
        assert process.stdin
        process.stdin.write("now\n")
        process.stdin.flush()
    said = [process.communicate(timeout=240)[0] for process in processes]
    assert sorted(said) == ["moved\n", "written down\n"]
    assert registry.required_version("champion").version == ("1", "2")[said.index("written down\n")]


def test_each_component_has_its_experiment_and_files_keep_their_paths(registry: ModelRegistry) -> None:
    client = _client(registry)
    components: tuple[Component, ...] = ("training", "governance", "scoring", "monitoring")
    for component in components:
        run = registry.record_run(component, "a run", metrics={}, tags={}, files={"cards/card.md": component.encode()})
        experiment = client.get_experiment(client.get_run(run).info.experiment_id)
        assert experiment.name == f"healthcare/local/{component}"
        assert Path(client.download_artifacts(run, "cards/card.md")).read_text(encoding="utf-8") == component


def test_tags_description_runs_and_files_are_kept(registry: ModelRegistry) -> None:
    version, client = _register(registry), _client(registry)
    registry.describe(version, tags={"compliance_status": "approved"}, description="**Approved**")
    registry.attach(version, {"verdicts/7/model_card.html": b"<html>"})
    assert registry.tags(version)["compliance_status"] == "approved"
    assert client.get_model_version(version.name, version.version).description == "**Approved**"
    assert Path(registry.attached(version, "verdicts/7/model_card.html")).read_bytes() == b"<html>"
    run = client.get_run(registry.record_run("governance", "a verdict", metrics={"r2": 0.8}, tags={"decision": "yes"}))
    assert (run.data.metrics, run.data.tags["decision"], run.info.status) == ({"r2": 0.8}, "yes", "FINISHED")
    names = {experiment.name for experiment in client.search_experiments()}
    assert {"healthcare/local/training", "healthcare/local/governance"} <= names


def test_the_evidence_is_what_was_stored(registry: ModelRegistry) -> None:
    trained = small_model()
    evidence = registry.evidence(_register(registry, trained))
    assert {name: value for name, value in evidence.items() if not math.isnan(value)} == {
        name: value for name, value in flat(trained.metrics).items() if not math.isnan(value)
    }
    assert set(evidence) == set(flat(trained.metrics))


def test_a_metric_that_is_no_number_stays_one_and_a_missing_one_missing(registry: ModelRegistry) -> None:
    trained = small_model()
    nothing = {"risk_score_r2": Estimate(value=math.nan, lower=math.nan, upper=math.nan)}
    results = tuple(replace(result, metrics=nothing) for result in trained.candidates)
    evidence = registry.evidence(_register(registry, replace(trained, metrics=nothing, candidates=results)))
    assert set(evidence) == {"risk_score_r2", "risk_score_r2_lower", "risk_score_r2_upper"}
    assert all(math.isnan(value) for value in evidence.values())


def test_without_a_champion_the_next_step_is_said(registry: ModelRegistry) -> None:
    with pytest.raises(RegistryError) as refused:
        registry.required_version("champion")
    assert str(refused.value) == "No champion yet: materialise trained_model and governance_verdict first."
    _register(registry)
    assert registry.required_version("challenger").version == "1"


def test_the_run_tells_how_the_model_came_about(registry: ModelRegistry) -> None:
    trained = small_model()
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
    results = {result.name: result for result in (*trained.candidates, trained.baseline)}
    assert {child.info.run_name for child in children} == set(results)
    for child in children:
        assert child.data.metrics["r2_charges"] == results[str(child.info.run_name)].metrics["r2_charges"].value
        assert set(child.data.metrics) == set(flat(results[str(child.info.run_name)].metrics))
        plots = {Path(file.path).stem for file in client.list_artifacts(child.info.run_id, "plots")}
        assert plots == {"predicted_against_actual", "calibration_by_decile", "residuals", "lift_top_share"}
    assert registry.results(version)["median"]["mae_charges"] == trained.baseline.metrics["mae_charges"]


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
    trained = small_model()
    unreadable = replace(trained, reference=replace(trained.reference, high_cost_from=math.nan))
    with pytest.raises(ValueError, match="not JSON compliant"):
        _register(registry, unreadable)
    assert registry.version_by_alias("challenger") is None
    experiment = _client(registry).get_experiment_by_name("healthcare/local/training")
    assert experiment is not None
    runs = _client(registry).search_runs([experiment.experiment_id], f"run_name = '{trained.candidate}'")
    assert [run.info.status for run in runs if "mlflow.parentRunId" not in run.data.tags] == ["FAILED"]


def _cut_short(folder: Path) -> Path:
    pipeline = folder / "model.skops"
    pipeline.write_bytes(pipeline.read_bytes()[:2_000])
    return pipeline


def _reference_of_another_kind(folder: Path) -> Path:
    (folder / "reference_profile.json").write_text("{}", encoding="utf-8")
    return folder / "reference_profile.json"


def _with_code_in_it(folder: Path) -> Path:
    """Ask for a type that runs code; and let the folder itself say that it may be trusted."""
    from skops.io import dump

    from healthcare_assets_tests.training_populations import training_frame

    (folder / "model.skops").unlink()
    dump({"steps": training_frame, "then": subprocess.run}, folder / "model.skops")
    description = folder / "MLmodel"
    trusted = "    skops_trusted_types:\n    - subprocess.run\n"
    described = description.read_text(encoding="utf-8").replace("    skops_trusted_types:\n", trusted)
    description.write_text(described, encoding="utf-8")
    return folder / "model.skops"


def _compiled_cut_short(folder: Path) -> Path:
    compiled = folder / model_artifact.COMPILED_FILE
    compiled.write_bytes(compiled.read_bytes()[:-100])
    return compiled


def _all_of_it(registry: ModelRegistry, version: ModelVersion) -> None:
    registry.load_pipeline(version)
    registry.load(version)


@pytest.mark.parametrize("damage", [_cut_short, _compiled_cut_short, _reference_of_another_kind, _with_code_in_it])
def test_a_model_that_was_changed_since_it_was_registered_is_refused(registry: ModelRegistry, damage: Any) -> None:
    version = _register(registry)
    damage(_model_folder(registry))
    with pytest.raises(RegistryError, match=r"is not the file that was registered \(its SHA-256 differs\)"):
        _all_of_it(registry, version)


@pytest.mark.parametrize("file", ["folds.skops", "inference_probe.json"])
def test_so_are_the_files_that_judge_it(registry: ModelRegistry, file: str) -> None:
    version = _register(registry)
    with (_model_folder(registry) / file).open("ab") as changed:
        changed.write(b" ")
    load = registry.load_folds if file == "folds.skops" else registry.load_probe
    with pytest.raises(RegistryError, match="its SHA-256 differs"):
        load(version)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (_cut_short, "not a zip file"),
        (_compiled_cut_short, "not a zip file"),
        (_reference_of_another_kind, "numeric"),
        (_with_code_in_it, "[Uu]ntrusted types"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused_even_if_its_digest_is_right(
    registry: ModelRegistry, damage: Any, cause: str
) -> None:
    version = _register(registry)
    changed = damage(_model_folder(registry))
    digest = hashlib.sha256(changed.read_bytes()).hexdigest()
    registry.describe(version, tags={f"sha256.{changed.name}": digest})
    with pytest.raises(RegistryError, match=rf"cannot be read \(.*{cause}.*\): materialise trained_model and gov"):
        _all_of_it(registry, version)


class _Payload:
    """What a pickle runs when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def _pickled(marker: Path) -> bytes:
    return pickle.dumps(_Payload(marker))


def _pickled_in_an_archive(marker: Path) -> bytes:
    """An archive in the form of skops whose members are pickles."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("schema.json", "0.npy", "model.pkl"):
            archive.writestr(name, _pickled(marker))
    return file.getvalue()


def _npy_with_a_pickle(marker: Path) -> bytes:
    """A true skops file whose array was exchanged for one of pickled objects."""
    import skops.io

    honest, file = io.BytesIO(skops.io.dumps(np.arange(3.0))), io.BytesIO()
    objects = io.BytesIO()
    np.save(objects, np.array([_Payload(marker)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(file, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, objects.getvalue() if name.endswith(".npy") else source.read(name))
    return file.getvalue()


def _call_in_skops(marker: Path) -> bytes:
    """A skops file that names a function to be called with arguments."""
    import skops.io

    return bytes(skops.io.dumps(partial(os.mkdir, str(marker))))


LOADS: Mapping[str, Callable[[Path, Mapping[str, str]], Any]] = {
    model_artifact.PIPELINE_FILE: model_artifact.load_pipeline,
    model_artifact.FOLDS_FILE: model_artifact.load_folds,
    model_artifact.COMPILED_FILE: partial(model_artifact.loaded_model, name="cost", version="1"),
}


@pytest.mark.parametrize("craft", [_pickled, _pickled_in_an_archive, _npy_with_a_pickle, _call_in_skops])
@pytest.mark.parametrize("file", [*LOADS])
def test_a_crafted_file_runs_nothing_even_if_its_digest_is_right(tmp_path: Path, craft: Any, file: str) -> None:
    marker, crafted = tmp_path / "executed", tmp_path / file
    crafted.write_bytes(craft(marker))
    digests = {file: hashlib.sha256(crafted.read_bytes()).hexdigest()}
    with pytest.raises(RegistryError, match=r"cannot be read \((?!.*No such file)"):
        LOADS[file](tmp_path, digests)
    assert not marker.exists()


def test_a_file_without_a_digest_on_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / model_artifact.FOLDS_FILE).write_bytes(b"")
    with pytest.raises(RegistryError, match="is not the file that was registered"):
        model_artifact.load_folds(tmp_path, {})


def test_a_model_without_one_of_its_files_is_refused(registry: ModelRegistry) -> None:
    version = _register(registry)
    (_model_folder(registry) / "reference_profile.json").unlink()
    with pytest.raises(RegistryError, match=r"cannot be read \(.*No such file"):
        registry.load(version)


class _OfOurOwn(BaseEstimator):  # type: ignore[misc]
    """An estimator that nobody has said may be trusted."""

    def fit(self, features: Any, charges: Any) -> "_OfOurOwn":
        self.mean_ = float(np.mean(charges))
        return self

    def predict(self, features: Any) -> Any:
        return np.full(len(features), self.mean_)


def _of_our_own(parameters: Parameters, seed: int) -> _OfOurOwn:
    return _OfOurOwn()


def test_a_candidate_that_scoring_would_not_load_is_refused_when_it_is_stored(registry: ModelRegistry) -> None:
    own = Candidate(name="of our own", estimator=_of_our_own, parameters={})
    with pytest.raises(TrainingError, match=r"of our own holds types that are not trusted \(.*_OfOurOwn\): add them"):
        _register(registry, train(made_up_population(500), candidates=(own,)))
    assert registry.version_by_alias("challenger") is None


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


def test_only_types_of_scikit_learn_are_trusted_besides_the_safe_ones() -> None:
    assert all(name.startswith("sklearn.") for name in model_artifact.TRUSTED_TYPES)


def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to look like one " * 50, encoding="utf-8")
    with pytest.raises(RegistryError, match=r"mlflow\.db does not answer \(file is not a database\): put it back"):
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
    from healthcare_assets.domain.candidates import CANDIDATES
    from healthcare_assets.domain.training import train
    trained = train(made_up_population(500), candidates=CANDIDATES[2:])
    lineage = Lineage(data_versions={}, code_version="c", dagster_run_id="r")
    registry.load(registry.register(trained, lineage=lineage))
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
