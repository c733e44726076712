"""A newcomer's first day, word by word as `docs/tutorial.md` has it, and what `make run` must do besides."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from healthcare_assets_tests.documents.followed import DOCS, Follower, clean_copy, commands, is_said, plain
from healthcare_assets_tests.loopback import free_port

TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
BESIDE = "in a second terminal"
_LINK = re.compile(r"<http://127\.0\.0\.1:3000(/[\w/-]+)>")
_ASKED = """{
  assetNodes { assetKey { path } partitionStats { numMaterialized }
    assetChecksOrError { ... on AssetChecks { checks { name } } }
    assetMaterializations(limit: 1) { metadataEntries { label } } }
  schedulesOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "healthcare_assets"})
    { ... on Schedules { results { name scheduleState { status } } } }
  sensorsOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "healthcare_assets"})
    { ... on Sensors { results { name sensorState { status } } } }
  runsOrError { ... on Runs { results { jobName status } } }
}"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True, kw_only=True)
class FirstDay:
    """What came of following the tutorial."""

    follower: Follower
    said: list[tuple[str, str | None, str]]
    """Commands, what the tutorial quotes of their output, and the output."""
    ui: dict[str, Any]
    """What Dagster answered while it was open."""
    pages: dict[str, int]

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_delta(str(self.follower.root / ".healthcare" / "lakehouse" / name))


REPEATABLE = ("silver_patients", "quarantined_patients", "dim_patients", "risk_features")


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> FirstDay:
    port = str(free_port())
    follower = clean_copy(tmp_path_factory.mktemp("first-day"), DEV_PORT=port)
    said: list[tuple[str, str | None, str]] = []
    ui: dict[str, Any] = {}
    pages: dict[str, int] = {}
    for block, quoted in commands(TUTORIAL):
        if block.mark == BESIDE:
            with _beside(follower, block.text, port) as address:
                ui = _post(f"{address}/graphql", {"query": _ASKED})["data"]
                pages = {path: _status(f"{address}{path}") for path in _LINK.findall(TUTORIAL)}
            continue
        said.append((block.text, quoted, follower.does(block.text)))
    return FirstDay(follower=follower, said=said, ui=ui, pages=pages)


class _beside:  # noqa: N801 - used as a context manager
    """The command in a terminal of its own, from when it serves until Ctrl-C."""

    def __init__(self, follower: Follower, command: str, port: str) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            follower.command(command),
            cwd=follower.root,
            env=follower.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []

    def __enter__(self) -> str:
        self._read_until("Serving dagster-webserver on")
        # The run that begins by itself; one that Ctrl-C ended would be a failed job.
        self._read_until('RUN_SUCCESS - Finished execution of run for "serving"')
        return self._address

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.communicate(timeout=60)

    def _read_until(self, words: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if words in line:
                return
        raise AssertionError("".join(self._lines))


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own server
        status: int = answer.status
    return status


def test_each_command_prints_what_the_tutorial_quotes(first_day: FirstDay) -> None:
    assert len(first_day.said) >= 9
    for command, quoted, said in first_day.said:
        assert quoted is not None, f"nothing is quoted of {command}"
        assert is_said(quoted, said), f"{command}\nprinted\n{plain(said)}\nand not\n{quoted}"


def test_what_stands_beside_each_link_is_there_in_dagster(first_day: FirstDay) -> None:
    assert set(first_day.pages.values()) == {200}
    assets = {node["assetKey"]["path"][-1]: node for node in first_day.ui["assetNodes"]}
    linked = [path.removeprefix("/assets/") for path in first_day.pages if path.startswith("/assets/")]
    assert linked == ["predictions", "drift_report", "governance_verdict"]
    assert assets["predictions"]["partitionStats"]["numMaterialized"] == 7
    checks = {check["name"] for check in assets["drift_report"]["assetChecksOrError"]["checks"]}
    assert "feature_drift" in checks
    assert "report" in _metadata(assets["drift_report"])
    assert {"criteria", "model_card"} <= _metadata(assets["governance_verdict"])
    schedules = {s["name"]: s["scheduleState"]["status"] for s in first_day.ui["schedulesOrError"]["results"]}
    assert set(schedules.values()) == {"STOPPED"}
    sensors = {s["name"]: s["sensorState"]["status"] for s in first_day.ui["sensorsOrError"]["results"]}
    assert sensors["alerts"] == sensors["retraining"] == "RUNNING"
    runs = [(run["jobName"], run["status"]) for run in first_day.ui["runsOrError"]["results"]]
    assert {status for _, status in runs} == {"SUCCESS"}
    assert {"daily_patients", "training", "daily_scoring", "daily_monitoring", "serving"} <= {job for job, _ in runs}


def _metadata(node: dict[str, Any]) -> set[str]:
    [newest] = node["assetMaterializations"]
    return {entry["label"] for entry in newest["metadataEntries"]}


def test_the_same_run_again_gives_the_same_tables(first_day: FirstDay) -> None:
    before = {name: first_day.table(name) for name in REPEATABLE}
    assert before["silver_patients"].n_unique("partition_date") == 8
    assert before["quarantined_patients"].height > 0
    assert before["dim_patients"].filter(pl.col("record_version") >= 3).height > 0
    assert first_day.table("governance_verdict")["decision"].to_list() == ["approved"] * 2
    first_day.follower.does("make run")
    for name, frame in before.items():
        by_all = pl.all().exclude(pl.List(pl.String))
        assert frame.sort(by_all).equals(first_day.table(name).sort(by_all)), name
    # The third training knew hardly more than the second, so its model is no better; each patient has one prediction.
    assert first_day.table("governance_verdict")["model_version"].sort().to_list() == ["1", "2", "3"]
    predictions = first_day.table("predictions")
    assert predictions["model_version"].unique().to_list() == ["2"]
    assert (
        predictions.height
        == predictions.n_unique(["patient_key", "partition_date"])
        == before["silver_patients"].height
    )
