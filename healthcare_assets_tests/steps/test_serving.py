"""The step of the serving endpoint, and that serving says of a patient what the graph says."""

import csv
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from databricks_steps.launcher import InProcessStepLauncher
from healthcare_assets.defs.assets.serving_endpoint import serving_endpoint
from healthcare_assets.domain.candidates import GLM
from healthcare_assets.domain.deidentification import pseudonyms
from healthcare_assets.domain.serving import ANSWER_COLUMNS
from healthcare_assets.domain.tables import PREDICTIONS
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets.errors import ServingError
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.servable import assemble
from healthcare_assets.resources.serving_endpoint import Clock
from healthcare_assets.steps import bronze, dimension, features, scoring, serving, silver
from healthcare_assets.steps.catalogue import files_of_module
from healthcare_assets.steps.report import AssetReport
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests import loopback
from healthcare_assets_tests.champions import home_with_champion, promoted
from healthcare_assets_tests.resources.test_serving_endpoint import FakeTime, Workspace
from healthcare_assets_tests.runtimes import KEY, runtime_at

DAY = date(2026, 1, 6)
NOTHING = "no Unity Catalog here (HEALTHCARE_ENV=local): nothing to deploy, see `make serve`"
MODEL = "health_insurance_cost_serving"


def _record(identity: str, **attributes: Any) -> Mapping[str, Any]:
    usual = {"age": 42, "sex": "female", "region": "northeast", "bmi": 27.9, "smoker": "no", "children": 0}
    return {"patient_id": identity, **usual, **attributes, "timestamp": "2026-01-06T08:00:00Z"}


RECORDS = (
    _record("a1"),
    _record("B2 ", age="64.0", sex="M", region="South-West", bmi="36.20", smoker="TRUE", children="2"),
    _record("c3", age=97, bmi=18.4, smoker="Current", children=5),
    _record("d4", age=" 18", sex="Woman", region="N.W.", bmi="3.1e1", smoker=1),
    _record("e5", age=49, sex="m", region="SE", bmi=29.97, smoker="non-smoker", children=" 1 "),
    _record("f6", age=30, sex="F", region="north east", bmi=100, smoker="y", children=20),
)


@pytest.mark.parametrize("candidate", [GLM, "histogram_gradient_boosting"])
def test_a_record_has_the_same_figures_from_the_graph_and_from_serving(
    tmp_path: Path, polars_lakehouse: Lakehouse, candidate: str
) -> None:
    with (tmp_path / f"members-{DAY}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(RECORDS[0]))
        writer.writeheader()
        writer.writerows(RECORDS)
    runtime = runtime_at(tmp_path / "home", lakehouse=polars_lakehouse, source=str(tmp_path / "members-{date}.csv"))
    champion = promoted(runtime.registry, candidate)
    for step in (bronze, silver, dimension, features, scoring):
        step.run(runtime, DAY)
    rows = polars_lakehouse.collect(polars_lakehouse.scan(PREDICTIONS, day=DAY)).to_pylist()
    of_the_graph = {row["patient_key"]: {name: row[name] for name in ANSWER_COLUMNS} for row in rows}

    code = files_of_module(serving.SERVED_MODULE)
    servable = assemble(runtime.registry, champion, tmp_path / "servable", code=code)
    import mlflow.pyfunc  # by now imported, without the warning that it comes with

    model = mlflow.pyfunc.load_model(str(servable.folder))
    answers = model.predict([dict(record) for record in RECORDS])
    assert len(of_the_graph) == len(RECORDS)
    for record, answer in zip(RECORDS, answers, strict=True):
        assert answer == of_the_graph[pseudonyms(KEY.encode())(record["patient_id"])]


def _elsewhere(runtime: Runtime) -> Runtime:
    """The same, in an environment that has a Unity Catalog."""
    dev = ENVIRONMENTS["dev"]
    assert dev.workspace is not None
    environment = replace(dev, workspace=replace(dev.workspace, catalog="main", schema="health"))
    elsewhere = replace(runtime, settings=replace(runtime.settings, environment=environment))
    elsewhere.__dict__["registry"] = runtime.registry  # a cached property: the models are those of this machine
    return elsewhere


def test_locally_it_says_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    said: list[str] = []
    [report] = serving.run(runtime_at(tmp_path, log=said.append))
    assert report.metadata == {"endpoint": NOTHING}
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_locally_neither_the_sdk_nor_mlflow_is_even_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from healthcare_assets.steps import serving;"
        "from healthcare_assets_tests.runtimes import runtime_at;"
        f"serving.run(runtime_at(Path({str(tmp_path)!r})));"
        "print({'databricks.sdk', 'mlflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=True, text=True)
    assert run.stdout.split() == ["set()"]


def test_the_asset_materialises_locally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    monkeypatch.delenv("HEALTHCARE_ENV", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([serving_endpoint], resources={"steps": InProcessStepLauncher()}, instance=instance)
        [shown] = result.asset_materializations_for_node("serving_endpoint")
    assert shown.metadata["endpoint"].value == NOTHING


def test_without_a_champion_nothing_is_deployed(tmp_path: Path) -> None:
    [report] = serving.run(_elsewhere(runtime_at(tmp_path)))
    assert str(report.metadata["endpoint"]).startswith("no champion yet")


def _deployed(runtime: Runtime) -> AssetReport:
    [report] = serving.run(runtime)
    return report


def test_in_a_workspace_the_champion_is_registered_and_put_behind_the_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first champion, nothing new, the second one, which does not start at first."""
    time = FakeTime()
    clock = Clock(seconds=lambda: time.seconds, sleep=time.sleep)
    monkeypatch.setattr("healthcare_assets.resources.serving_endpoint.Clock", lambda: clock)
    runtime, workspace = _elsewhere(runtime_at(home_with_champion(tmp_path))), Workspace()
    with loopback.serving(workspace) as port:
        monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("DATABRICKS_TOKEN", "x")
        first, again = _deployed(runtime), _deployed(runtime)
        promoted(runtime.registry)
        workspace.outcomes["2"] = "failed"
        with pytest.raises(ServingError, match=r"version 2 \(No module named 'skops'\), so that it serves version 1"):
            _deployed(runtime)
        workspace.outcomes.clear()
        second = _deployed(runtime)
    assert first.location == "health-insurance-cost-dev"
    assert first.metadata == {
        "endpoint": "created",
        "champion_version": "1",
        "served_model": MODEL,
        "served_version": "1",
        "served_before": "nothing",
    }
    assert again.metadata == {**first.metadata, "endpoint": "unchanged", "served_before": "1"}
    assert second.metadata == {
        **first.metadata,
        "endpoint": "updated",
        "champion_version": "2",
        "served_version": "2",
        "served_before": "1",
    }
    assert workspace.endpoint is not None
    assert workspace.endpoint["config"]["served_entities"][0]["entity_name"] == MODEL
    tags = {tag["key"]: tag["value"] for tag in workspace.endpoint["tags"]}
    assert tags == {"environment": "dev", "champion_version": "2"}
