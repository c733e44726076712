"""`make explore`: its figures say what the tables say, tell of no small group, and touch nothing."""

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
import pytest

from healthcare_assets.domain.tables import DIM_PATIENTS, PREDICTIONS
from healthcare_assets.exploration import app
from healthcare_assets.steps.runtime import Runtime, content_of
from healthcare_assets_tests.browser import chromium, needs_chromium, opened
from healthcare_assets_tests.canary.processes import answered, running, until
from healthcare_assets_tests.loopback import free_port
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.steps.members import members_runtime, rows_of, run_days, write_members

DAY = date(2026, 1, 5)
HIGH_FROM = 20_000.0
REGIONS = ("northeast", "northwest", "southeast", "southwest")

Patients = list[dict[str, Any]]


def _members(*, smoke: int, of: int = 200) -> Patients:
    """The first so many smoke, and cost three times as much; ages, regions and children take turns."""
    return [
        {
            "patient_id": f"MBR{number:04}",
            "age": str(20 + number * 7 % 45),
            "region": REGIONS[number % 4],
            "bmi": str(20.5 + number * 3 % 20),
            "children": str(number % 3),
            "smoker": "yes" if number < smoke else "no",
            "charges": str((3000 + 10 * number + 100 * (number * 7 % 45)) * (3 if number < smoke else 1)),
        }
        for number in range(of)
    ]


def _delivered(home: Path, members: Sequence[Mapping[str, str]], *, score: bool = True) -> tuple[Runtime, Patients]:
    """The patients as `dim_patients` has them, scored each a tenth over what they cost."""
    runtime = members_runtime(home)
    write_members(home, DAY, *members)
    run_days(runtime, DAY, steps=("bronze", "silver", "dimension"))
    patients = rows_of(runtime.lakehouse, DIM_PATIENTS)
    if score:
        scored = [
            {
                "patient_key": patient["patient_key"],
                "predicted_charges": 1.1 * patient["charges"],
                "risk_score": 50.0,
                "high_risk_patient": patient["charges"] >= HIGH_FROM,
            }
            for patient in patients
        ]
        frame = content_of(PREDICTIONS, frame_of(runtime.lakehouse, PREDICTIONS, scored))
        runtime.lakehouse.replace_day(PREDICTIONS, DAY, frame)
    return runtime, patients


def _explored(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Mapping[str, Any]]:
    """What the notebook shows, cell by cell, and the names that it defines."""
    monkeypatch.setenv("HEALTHCARE_HOME", str(home))
    outputs, names = app.run()
    return [output.text for output in outputs if output is not None], names


def _mean(patients: Patients, column: str) -> float:
    return fmean(float(patient[column]) for patient in patients)


def test_the_figures_are_those_of_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, patients = _delivered(tmp_path, _members(smoke=80))
    shown, names = _explored(tmp_path, monkeypatch)
    assert "200 patients" in "".join(shown)

    distribution: pl.DataFrame = names["distribution"]
    for low, high, count in distribution.rows():
        assert count == sum(low <= p["charges"] < (high or np.inf) for p in patients)
    assert distribution["patients"].sum() == len(patients)
    assert not any(0 < count < 11 for count in distribution["patients"])

    costs: pl.DataFrame = names["costs"]
    assert costs.height == 8
    for region, smoker, count, mean in costs.select("region", "smoker", "patients", "mean_charges").rows():
        group = [p for p in patients if (p["region"], p["smoker"]) == (region, smoker)]
        assert (count, mean) == (len(group), pytest.approx(_mean(group, "charges")))

    matrix: pl.DataFrame = names["matrix"]
    assert matrix["of"].to_list() == ["age", "bmi", "children", "smoker", "charges", "predicted_charges"]
    for one, other in (("age", "charges"), ("smoker", "bmi"), ("charges", "children")):
        expected = np.corrcoef([float(p[one]) for p in patients], [float(p[other]) for p in patients])[0, 1]
        assert matrix.row(by_predicate=pl.col("of") == one, named=True)[other] == pytest.approx(expected)
    assert matrix["predicted_charges"][4] == pytest.approx(1.0)

    profile = {row["measure"]: (row["high_risk"], row["others"]) for row in names["profile"].to_dicts()}
    sides = [[p for p in patients if (p["charges"] >= HIGH_FROM) == high] for high in (True, False)]
    assert profile["patients"] == tuple(map(len, sides))
    for measure, column in (("mean_age", "age"), ("mean_charges", "charges"), ("share_smokers", "smoker")):
        assert profile[measure] == pytest.approx(tuple(_mean(side, column) for side in sides))
    assert 0 < sum(p["bmi"] < 30 for p in sides[0]) < 11
    assert profile["share_obese"] == (None, None)


def test_few_smokers_are_told_of_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _delivered(tmp_path, _members(smoke=10))
    _, names = _explored(tmp_path, monkeypatch)
    assert names["costs"]["patients"].null_count() == names["costs"]["mean_charges"].null_count() == 8
    assert "smoker" not in names["matrix"].columns
    assert names["profile"].is_empty()  # the ten are the only ones at high risk


def test_a_small_cell_of_smokers_takes_another_of_smokers_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many smoke can be worked out from the profile: a cell of the others' would hide nothing."""
    _delivered(tmp_path, _members(smoke=42))  # 11, 11, 10 and 10 by region
    _, names = _explored(tmp_path, monkeypatch)
    hidden = names["costs"].filter(pl.col("patients").is_null())
    assert hidden.select("region", "smoker").rows() == [("southeast", True), ("southwest", True)]
    assert hidden["mean_charges"].null_count() == 2


def test_without_predictions_the_rest_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _delivered(tmp_path, _members(smoke=80), score=False)
    shown, names = _explored(tmp_path, monkeypatch)
    assert names["matrix"]["of"].to_list() == ["age", "bmi", "children", "smoker", "charges"]
    assert "daily_scoring" in shown[-1]


def test_an_empty_lakehouse_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, names = _explored(tmp_path, monkeypatch)
    assert "make run" in shown[-1]
    assert str(tmp_path / "lakehouse") in shown[-1]
    assert not {"distribution", "costs", "matrix", "profile"} & names.keys()
    assert list(tmp_path.iterdir()) == []


def test_too_few_patients_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _delivered(tmp_path, _members(smoke=4, of=10))
    shown, names = _explored(tmp_path, monkeypatch)
    assert "fewer than 11 patients" in shown[-1]
    assert "costs" not in names


def test_it_reads_no_identifiers_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _delivered(tmp_path, _members(smoke=80))
    for bronze in sorted((tmp_path / "lakehouse" / "bronze_patients").rglob("*")):
        if bronze.is_file():
            bronze.write_bytes(b"not to be read")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    _explored(tmp_path, monkeypatch)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


class TestInABrowser:
    """As Chromium shows it."""

    pytestmark = needs_chromium

    @pytest.mark.slow
    def test_every_figure_is_drawn_and_nothing_asked_of_another_machine(self, tmp_path: Path) -> None:
        _delivered(tmp_path, _members(smoke=80))
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "marimo", "run", "--headless", "--host", "127.0.0.1", "--port", str(port)]
        variables = {"HEALTHCARE_HOME": str(tmp_path), "MARIMO_SKIP_UPDATE_CHECK": "1"}
        said = tmp_path / "marimo.log"
        with running([*command, "healthcare_assets/exploration.py"], variables=variables, said=said):
            until(lambda: answered(f"{address}/health"), f"marimo, {said}")
            with chromium() as browser:
                seen = opened(browser, address)
                seen.page.get_by_role("heading", name="Patients at high risk").wait_for(timeout=60_000)
                images = seen.page.locator("img")
                images.nth(3).wait_for(timeout=60_000)
                assert images.count() == 4
                assert seen.faults == []
                assert [url for url in seen.requests if not url.startswith((address, "data:", "blob:"))] == []
