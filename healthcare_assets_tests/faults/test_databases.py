"""SQLite files of MLflow and of Dagster that are locked or damaged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from healthcare_assets.dagster_home import prepare
from healthcare_assets.environments import settings_from
from healthcare_assets.errors import RegistryError, SettingsError
from healthcare_assets_tests.champions import home_with_champion
from healthcare_assets_tests.faults.disks import locked
from healthcare_assets_tests.runtimes import runtime_at

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_with_champion(tmp_path_factory.mktemp("home"))


def test_a_model_registry_that_is_locked_is_one_sentence_and_answers_once_it_is_not(home: Path) -> None:
    with (
        locked(home / "mlflow" / "mlflow.db"),
        pytest.raises(RegistryError, match=r"does not answer \(database is locked\): end the process") as told,
    ):
        runtime_at(home).registry.required_version("champion")
    assert "\n" not in str(told.value)
    assert runtime_at(home).registry.required_version("champion").version == "1"


def test_a_model_registry_that_is_damaged_is_one_sentence_and_answers_once_it_is_put_back(home: Path) -> None:
    database = home / "mlflow" / "mlflow.db"
    whole = database.read_bytes()
    database.write_bytes(b"rubbish " * 1000)
    with pytest.raises(RegistryError, match=r"does not answer \(file is not a database\): put it back") as told:
        runtime_at(home).registry.required_version("champion")
    assert "\n" not in str(told.value)
    database.write_bytes(whole)
    assert runtime_at(home).registry.required_version("champion").version == "1"


def test_a_damaged_database_of_dagster_s_is_named_and_made_anew_once_it_is_moved_away(tmp_path: Path) -> None:
    variables = {**os.environ, "HEALTHCARE_HOME": str(tmp_path)}
    variables.pop("DAGSTER_HOME", None)
    settings = settings_from({"HEALTHCARE_HOME": str(tmp_path)})
    prepare(settings)
    database = tmp_path / "dagster" / "history" / "runs.db"
    assert database.exists()
    database.write_bytes(b"rubbish " * 1000)
    run = subprocess.run(
        [sys.executable, "-m", "healthcare_assets"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert "runs.db is damaged (file is not a database): put it back from your backup, or move it away," in run.stdout
    database.rename(tmp_path / "runs.damaged")
    prepare(settings)
    (tmp_path / "dagster" / "schedules" / "schedules.db").write_bytes(b"rubbish " * 1000)
    with pytest.raises(SettingsError, match=r"schedules\.db is damaged"):
        prepare(settings)
