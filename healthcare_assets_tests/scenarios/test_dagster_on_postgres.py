"""Dagster's storage in PostgreSQL: where several people rely on it, and a run whose process was killed begins anew."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pytest

from healthcare_assets.dagster_home import prepare
from healthcare_assets.environments import settings_from
from healthcare_assets.errors import SettingsError
from healthcare_assets_tests.postgres import postgres_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RECORDS = "age,sex,region,bmi,smoker,children\n44,f,ne,27.9,no,2\n31,m,sw,31.4,yes,0\n"
PATIENCE_S = 300
Found = TypeVar("Found")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_where_several_people_rely_on_it_there_is_no_other_storage(tmp_path: Path, name: str) -> None:
    settings = settings_from({"HEALTHCARE_ENV": name, "HEALTHCARE_HOME": str(tmp_path)})
    with pytest.raises(SettingsError, match=rf"HEALTHCARE_ENV is {name}, .*: set HEALTHCARE_DAGSTER_DATABASE to "):
        prepare(settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db", "postgresql+psycopg2://", "postgresql://dagster:a-password@127.0.0.1/dagster"]
)
def test_what_is_no_url_of_a_database_is_refused_and_not_quoted(tmp_path: Path, url: str) -> None:
    settings = settings_from({"HEALTHCARE_HOME": str(tmp_path), "HEALTHCARE_DAGSTER_DATABASE": url})
    with pytest.raises(
        SettingsError, match=r"^HEALTHCARE_DAGSTER_DATABASE is no URL like postgresql\+psycopg2://user:"
    ):
        prepare(settings)


def test_a_database_that_does_not_answer_is_one_sentence_without_its_password(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = database.replace("/postgres", "/nowhere").replace("a-password", "hunter2")
    monkeypatch.setenv("HEALTHCARE_DAGSTER_DATABASE", other)
    settings = settings_from({"HEALTHCARE_HOME": str(tmp_path), "HEALTHCARE_DAGSTER_DATABASE": other})
    with pytest.raises(SettingsError, match=r"does not take us: start it, or correct user") as refused:
        prepare(settings)
    assert "hunter2" not in str(refused.value) + repr(settings)
    assert refused.value.__cause__ is None


def test_staging_s_storage_is_the_database_and_its_url_stands_in_no_file(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHCARE_DAGSTER_DATABASE", database)
    prepare(
        settings_from(
            {"HEALTHCARE_ENV": "staging", "HEALTHCARE_HOME": str(tmp_path), "HEALTHCARE_DAGSTER_DATABASE": database}
        )
    )
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        instance.add_dynamic_partitions("rooms", ["kitchen"])
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        assert instance.get_dynamic_partitions("rooms") == ["kitchen"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".db" or b"a-password" in path.read_bytes()] == []


def test_a_run_whose_process_is_killed_is_noticed_and_begins_anew(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "members.csv"
    os.mkfifo(source)  # whoever reads it waits: the run is there to be killed
    places = {
        "HEALTHCARE_HOME": str(tmp_path / "home"),
        "DAGSTER_HOME": str(tmp_path / "home" / "dagster"),
        "HEALTHCARE_SOURCE": str(source),
        "HEALTHCARE_DAGSTER_DATABASE": database,
    }
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    prepare(settings_from(places))
    with _daemon(tmp_path / "daemon.log"), dg.DagsterInstance.from_config(places["DAGSTER_HOME"]) as instance:
        _dagster("job", "launch", "-w", "workspace.yaml", "-j", "daily_patients", "--tags", _DAY_TAG)
        [first] = [run.run_id for run in instance.get_runs()]
        os.kill(_until(lambda: _worker_in_a_step(instance, first), "a process in its first step"), signal.SIGKILL)
        source.unlink()
        source.write_text(RECORDS, encoding="utf-8")
        _until(lambda: _ended(instance, first), "the end of the killed run")
        retried = _until(
            lambda: [run for run in instance.get_runs() if run.parent_run_id == first], "a run in its place"
        )[0]
        _until(lambda: _ended(instance, retried.run_id), "the end of the run in its place")
        assert _status(instance, first) == dg.DagsterRunStatus.FAILURE
        assert _status(instance, retried.run_id) == dg.DagsterRunStatus.SUCCESS
        rows = instance.get_latest_materialization_event(dg.AssetKey("silver_patients"))
        assert rows is not None
        assert rows.asset_materialization is not None
        assert rows.asset_materialization.metadata["dagster/partition_row_count"].value == 2


_DAY_TAG = '{"dagster/partition": "2026-01-01"}'


@contextmanager
def _daemon(log: Path) -> Iterator[None]:
    """Dagster's daemon as a deployment runs it, with a code server of its own."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"]
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _dagster(*arguments: str) -> None:
    command = [sys.executable, "-m", "dagster", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _until(look: Callable[[], Found | None], what: str) -> Found:
    """What the look finds at last."""
    waiting, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} has not come within {PATIENCE_S} s"
        waiting.wait(0.1)
    return found


def _ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    return _status(instance, run_id) in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)


def _status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def _worker_in_a_step(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process of the run, once it is in a step."""
    events = instance.all_logs(run_id)
    if not any(event.dagster_event_type == dg.DagsterEventType.STEP_START for event in events):
        return None
    found = [re.search(r"Started process for run \(pid: (\d+)\)", event.message) for event in events]
    return next(int(process[1]) for process in found if process)
