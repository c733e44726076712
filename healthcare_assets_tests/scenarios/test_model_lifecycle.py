"""A model's life: trained, judged, promoted or refused, compared, rolled back; each refusal for its own reason."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthcare_assets.domain.candidates import CANDIDATES, GLM
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.tables import (
    CHAMPION_HISTORY,
    GOVERNANCE_VERDICT,
    PREDICTIONS,
    RISK_FEATURES,
    TRAINING_PATIENTS,
)
from healthcare_assets.domain.training import train
from healthcare_assets.errors import HealthcareError, RegistryError, SettingsError
from healthcare_assets.resources.registry import ModelRegistry, ModelVersion
from healthcare_assets.steps import bronze, dimension, examination, features, governance, scoring, silver, training
from healthcare_assets.steps.running import run_operation
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.training_populations import made_up_population

DAY, NEXT_DAY = date(2026, 1, 1), date(2026, 1, 2)
COLUMNS = ["patient_id", "age", "sex", "region", "bmi", "smoker", "children", "charges"]


@pytest.fixture(autouse=True, scope="module")
def one_candidate() -> Iterator[None]:
    """The fastest of the candidates: which one wins is told elsewhere."""
    fast = [candidate for candidate in CANDIDATES if candidate.name == GLM]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", partial(train, candidates=tuple(fast)))
        yield


def _members(count: int = 1500, *, seed: int = 0) -> pd.DataFrame:
    members = made_up_population(count, seed=seed)
    return members.assign(patient_id=[f"M{number}" for number in range(count)])[COLUMNS]


def _deliver(folder: Path, members: pd.DataFrame, *, day: date = DAY) -> Runtime:
    """The members' records of the day, through to their features."""
    members.to_csv(folder / f"members-{day}.csv", index=False)
    runtime = _runtime(folder)
    for step in (bronze, silver, dimension, features):
        step.run(runtime, day)
    return runtime


def _runtime(folder: Path) -> Runtime:
    return runtime_at(folder / "home", source=str(folder / "members-{date}.csv"))


def _rows(runtime: Runtime, table: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = runtime.lakehouse.collect(runtime.lakehouse.scan(table)).to_pylist()
    return rows


def _judged(runtime: Runtime) -> dict[str, Any]:
    """The verdict of a governance run, as the table has it."""
    before = {row["verdict_id"] for row in _rows(runtime, GOVERNANCE_VERDICT)}
    governance.run(runtime)
    [verdict] = [row for row in _rows(runtime, GOVERNANCE_VERDICT) if row["verdict_id"] not in before]
    return verdict


def _failed(verdict: dict[str, Any]) -> set[str]:
    return {criterion["name"] for criterion in verdict["criteria"] if not criterion["passed"]}


def _version(runtime: Runtime, alias: Any) -> str | None:
    version: ModelVersion | None = runtime.registry.version_by_alias(alias)
    return None if version is None else version.version


def _moved(folder: Path, to: Path) -> Runtime:
    """A copy of everything, which is faster than making it again; MLflow knows its files by absolute paths."""
    shutil.copytree(folder, to, dirs_exist_ok=True)
    with closing(sqlite3.connect(to / "home" / "mlflow" / "mlflow.db")) as database, database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in database.execute(f"PRAGMA table_info({table})").fetchall():
                if "CHAR" in kind or "TEXT" in kind:
                    paths = (str(folder), str(to))
                    database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", paths)  # noqa: S608
    return _runtime(to)


@pytest.fixture(scope="module")
def home_of_one(tmp_path_factory: pytest.TempPathFactory, one_candidate: None) -> Path:
    folder = tmp_path_factory.mktemp("one")
    runtime = _deliver(folder, _members())
    training.run(runtime)
    assert _judged(runtime)["decision"] == "approved"
    return folder


@pytest.fixture(scope="module")
def home_of_two(tmp_path_factory: pytest.TempPathFactory, home_of_one: Path) -> Path:
    folder = tmp_path_factory.mktemp("two")
    _moved(home_of_one, folder)
    members = _members()
    dearer = members["charges"] * np.exp(0.03 * (members["age"] - 40))
    runtime = _deliver(folder, members.assign(charges=dearer), day=NEXT_DAY)
    training.run(runtime)
    verdict = _judged(runtime)
    assert (verdict["model_version"], verdict["decision"]) == ("2", "approved"), verdict["reasons"]
    return folder


@pytest.fixture
def promoted(home_of_one: Path, tmp_path: Path) -> Runtime:
    """One model, trained and promoted."""
    return _moved(home_of_one, tmp_path)


@pytest.fixture
def replaced(home_of_two: Path, tmp_path: Path) -> Runtime:
    """A second model, trained on costs that have changed since, that won against the first."""
    return _moved(home_of_two, tmp_path)


def test_a_verdict_comes_after_the_one_before_though_the_clock_was_set_back(promoted: Runtime) -> None:
    """The newest holds, and is the one that the summary and the site show."""
    [first] = _rows(promoted, GOVERNANCE_VERDICT)
    assert _judged(replace(promoted, now=promoted.now - timedelta(days=400)))["decided_at"] > first["decided_at"]


def test_an_approved_model_is_champion_and_everything_about_it_is_on_record(promoted: Runtime) -> None:
    [verdict], [move] = _rows(promoted, GOVERNANCE_VERDICT), _rows(promoted, CHAMPION_HISTORY)
    assert _version(promoted, "champion") == verdict["model_version"] == move["model_version"] == "1"
    assert (move["action"], move["verdict_id"], move["replaced_version"]) == ("promotion", verdict["verdict_id"], None)
    r2 = next(criterion for criterion in verdict["criteria"] if criterion["name"] == "risk_score_r2")
    assert 0.7 == r2["threshold"] < r2["lower"] < r2["value"] < r2["upper"] < 1
    champion = promoted.registry.required_version("champion")
    tags = promoted.registry.tags(champion)
    assert tags["compliance_status"] == "approved"
    assert tags["verdict_id"] == verdict["verdict_id"]
    assert {tags["code_version"], tags["dagster_run_id"]} == {"test", "test-run"}
    assert tags["data_version.risk_features"] == str(promoted.lakehouse.version(RISK_FEATURES))
    assert len(_rows(promoted, TRAINING_PATIENTS)) == 1500
    cards = promoted.settings.mlflow_root.rglob(f"verdicts/{verdict['verdict_id']}/model_card.html")
    assert "version 1: approved" in next(cards).read_text(encoding="utf-8")


def test_judged_on_the_data_that_it_was_trained_on_it_shows_what_training_showed(promoted: Runtime) -> None:
    logged = promoted.registry.evidence(promoted.registry.required_version("champion"))
    for criterion in _rows(promoted, GOVERNANCE_VERDICT)[0]["criteria"]:
        if criterion["name"] in ("risk_score_r2", "risk_score_mae", "high_risk_recall"):
            assert criterion["value"] == logged[criterion["name"]]
            assert criterion["lower"] == logged[f"{criterion['name']}_lower"]


def _shuffled(members: pd.DataFrame) -> pd.DataFrame:
    return members.assign(charges=np.random.default_rng(1).permutation(members["charges"]))


def _with_the_label_in_bmi(members: pd.DataFrame) -> pd.DataFrame:
    """A monotone function of the charges, within the plausible range of a body mass index."""
    return members.assign(bmi=15.0 + 60.0 * members["charges"].rank(pct=True))


def _of_one_sex(members: pd.DataFrame) -> pd.DataFrame:
    return members.assign(sex="female")


def _with_a_tiny_region(members: pd.DataFrame) -> pd.DataFrame:
    few = members.index < 40
    return members.assign(region=np.where(few, "northeast", members["region"].replace("northeast", "southeast")))


def _known_for_a_tenth(members: pd.DataFrame) -> pd.DataFrame:
    everybody = pd.concat([members, *(_members(seed=seed) for seed in range(1, 11))], ignore_index=True)
    everybody["patient_id"] = [f"M{number}" for number in range(len(everybody))]
    return everybody.assign(charges=everybody["charges"].where(everybody.index % 11 == 0))


@pytest.mark.parametrize(
    ("faulty", "failed", "said"),
    [
        (_shuffled, "risk_score_r2", "R² of the risk score is -"),
        (_with_the_label_in_bmi, "no_label_leakage", "bmi"),
        (_of_one_sex, "no_demographic_bias", "sex has fewer than two groups"),
        (_with_a_tiny_region, "no_demographic_bias", "region northeast: insufficient data"),
        (_known_for_a_tenth, "no_demographic_bias", "sex female: provisional"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_model_that_must_not_be_promoted_is_refused_for_its_own_reason(
    tmp_path: Path, faulty: Callable[[pd.DataFrame], pd.DataFrame], failed: str, said: str
) -> None:
    runtime = _deliver(tmp_path, faulty(_members()))
    training.run(runtime)
    verdict = _judged(runtime)
    assert verdict["decision"] == "rejected"
    assert failed in _failed(verdict)
    assert any(said in reason for reason in verdict["reasons"]), verdict["reasons"]
    assert _version(runtime, "champion") is None
    assert _rows(runtime, CHAMPION_HISTORY) == []
    assert runtime.registry.tags(runtime.registry.required_version("challenger"))["compliance_status"] == "rejected"
    with pytest.raises(RegistryError, match="No champion yet: materialise trained_model and governance_verdict first"):
        scoring.run(runtime, DAY)


def test_charges_of_one_region_that_double_after_training_are_a_bias_against_it(tmp_path: Path) -> None:
    members = _members()
    training.run(_deliver(tmp_path, members))
    doubled = members["charges"] * np.where(members["region"] == "southwest", 2.0, 1.0)
    verdict = _judged(_deliver(tmp_path, members.assign(charges=doubled)))
    assert "no_demographic_bias" in _failed(verdict)
    [reason] = [reason for reason in verdict["reasons"] if reason.startswith("Bias")]
    assert "region southwest: bias (-" in reason
    assert "northwest" not in reason


def test_a_second_training_on_the_same_data_replaces_nobody(promoted: Runtime) -> None:
    training.run(promoted)
    verdict = _judged(promoted)
    assert (verdict["model_version"], verdict["decision"], verdict["champion_version"]) == ("2", "rejected", "1")
    assert _failed(verdict) == {"risk_score_r2_gain"}
    assert "is 0.0000 (95 % interval 0 to 0) and the whole interval must lie above 0" in verdict["reasons"][0]
    assert (_version(promoted, "champion"), _version(promoted, "challenger")) == ("1", "2")


def test_a_better_challenger_wins_and_after_a_rollback_scoring_names_the_previous_version(replaced: Runtime) -> None:
    scoring.run(replaced, DAY)
    assert {row["model_version"] for row in _rows(replaced, PREDICTIONS)} == {"2"}
    [report] = run_operation("roll_back", replaced, who="Ada Lovelace", why="complaints from the southwest")
    assert (report.metadata["champion"], report.metadata["replaced"]) == ("1", "2")
    assert {row["model_version"] for row in _rows(replaced, PREDICTIONS)} == {"2"}  # nothing is scored unasked
    scoring.run(replaced, DAY)
    assert {row["model_version"] for row in _rows(replaced, PREDICTIONS)} == {"1"}
    move = _rows(replaced, CHAMPION_HISTORY)[-1]
    moves = sorted(_rows(replaced, CHAMPION_HISTORY), key=lambda row: row["moved_at"])
    assert [(row["action"], row["model_version"], row["replaced_version"]) for row in moves] == [
        ("promotion", "1", None),
        ("promotion", "2", "1"),
        ("rollback", "1", "2"),
    ]
    assert (moves[-1]["who"], moves[-1]["why"]) == ("Ada Lovelace", "complaints from the southwest")
    assert move["dagster_run_id"] == "test-run"
    with pytest.raises(RegistryError, match="No previous yet"):
        run_operation("roll_back", replaced, who="Ada Lovelace", why="a second click")
    assert _version(replaced, "champion") == "1"


def test_a_rollback_without_a_name_or_a_reason_moves_nothing(replaced: Runtime) -> None:
    for who, why in (("", "a reason"), ("somebody", " ")):
        with pytest.raises(SettingsError, match="who asked for it and why"):
            run_operation("roll_back", replaced, who=who, why=why)
    assert _version(replaced, "champion") == "2"
    assert len(_rows(replaced, CHAMPION_HISTORY)) == 2


def test_after_a_rollback_the_next_model_is_judged_against_who_is_back(replaced: Runtime) -> None:
    run_operation("roll_back", replaced, who="Ada Lovelace", why="a try")
    training.run(replaced)
    verdict = _judged(replaced)
    assert (verdict["decision"], verdict["champion_version"]) == ("approved", "1"), verdict["reasons"]
    assert (_version(replaced, "champion"), _version(replaced, "previous")) == ("3", "1")


def test_two_governance_runs_at_once_promote_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have judged before either moves the alias."""
    runtime = _trained(tmp_path)
    both_have_judged = threading.Barrier(2)

    def judged_together(*arguments: Any) -> examination.Examination:
        found = examination.examine(*arguments)
        both_have_judged.wait(timeout=120)
        return found

    monkeypatch.setattr(governance, "examine", judged_together)
    runs = [threading.Thread(target=governance.run, args=(_runtime(tmp_path),)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    verdicts = _rows(runtime, GOVERNANCE_VERDICT)
    assert sorted(verdict["decision"] for verdict in verdicts) == ["approved", "rejected"], [
        v["reasons"] for v in verdicts
    ]
    [refused] = [verdict for verdict in verdicts if verdict["decision"] == "rejected"]
    assert "version 1 is champion by now and no version was when the model was judged" in refused["reasons"][0]
    assert len(_rows(runtime, CHAMPION_HISTORY)) == 1
    assert _version(runtime, "champion") == "1"


def _trained(folder: Path) -> Runtime:
    runtime = _deliver(folder, _members())
    training.run(runtime)
    return runtime


def _model_file(runtime: Runtime, name: str) -> Path:
    return max(runtime.settings.mlflow_root.rglob(name), key=lambda path: path.stat().st_mtime_ns)


def test_a_governance_run_that_dies_as_the_alias_has_moved_leaves_a_champion_with_tags_and_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _trained(tmp_path)
    move = ModelRegistry._move_champion

    def move_and_die(*arguments: Any, **named: Any) -> None:
        move(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelRegistry, "_move_champion", move_and_die)
    with pytest.raises(KeyboardInterrupt):
        governance.run(runtime)
    [verdict] = _rows(runtime, GOVERNANCE_VERDICT)
    tags = runtime.registry.tags(runtime.registry.required_version("champion"))
    assert (tags["compliance_status"], tags["verdict_id"]) == ("approved", verdict["verdict_id"])
    assert _model_file(runtime, f"verdicts/{verdict['verdict_id']}/model_card.html").is_file()


def test_a_challenger_whose_files_were_changed_is_refused(tmp_path: Path) -> None:
    runtime = _trained(tmp_path)
    profile = _model_file(runtime, "reference_profile.json")
    profile.write_text(profile.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    verdict = _judged(runtime)
    assert verdict["decision"] == "rejected"
    assert "its SHA-256 differs" in verdict["reasons"][0]
    assert all(c["value"] is None for c in verdict["criteria"] if c["name"].startswith(("risk_score", "high_risk")))


def test_a_champion_whose_files_were_changed_scores_nobody(promoted: Runtime) -> None:
    compiled = _model_file(promoted, "compiled.npz")
    compiled.write_bytes(compiled.read_bytes() + b"\0")
    with pytest.raises(HealthcareError, match="not the file that was registered"):
        scoring.run(promoted, DAY)


def test_a_champion_that_cannot_be_loaded_is_not_replaced_on_faith(promoted: Runtime) -> None:
    _model_file(promoted, "folds.skops").unlink()
    training.run(promoted)
    verdict = _judged(promoted)
    assert _failed(verdict) == {"risk_score_r2_gain", "risk_score_mae_ratio", "high_risk_recall_ratio"}
    assert "version 1 cannot be loaded" in verdict["reasons"][0]
    assert _version(promoted, "champion") == "1"


def test_an_alias_that_was_moved_by_hand_is_found_out(replaced: Runtime) -> None:
    replaced.registry._move_champion(replaced.registry.required_version("previous"), previous=None)
    replaced.registry._move_champion(_version_3(replaced), previous=None)
    verdict = _judged(replaced)
    assert "hipaa_audit_trail_complete" in _failed(verdict)
    assert any("champion_history does not say who made it so" in reason for reason in verdict["reasons"])


def _version_3(runtime: Runtime) -> ModelVersion:
    training.run(runtime)
    return runtime.registry.required_version("challenger")


def test_a_registry_that_does_not_answer_is_a_clear_failure_and_no_verdict(promoted: Runtime, tmp_path: Path) -> None:
    (promoted.settings.mlflow_root / "mlflow.db").write_bytes(b"no database")
    with pytest.raises(RegistryError, match="does not answer"):
        governance.run(_runtime(tmp_path))
    assert len(_rows(promoted, GOVERNANCE_VERDICT)) == 1


def test_a_model_whose_patients_are_not_on_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that was killed between the registry and the table."""
    runtime = _deliver(tmp_path, _members())
    monkeypatch.setattr(training, "_append_members", lambda *_: 0)
    training.run(runtime)
    verdict = _judged(runtime)
    assert verdict["decision"] == "rejected"
    assert any("training_patients names 0 patients" in reason for reason in verdict["reasons"])
