"""Monitoring over days: quiet without drift, loud with it, right about costs, and never a crash."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from deltalake import DeltaTable

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.synthetic_shift import SyntheticShift
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets.steps import (
    bronze,
    dimension,
    features,
    governance,
    monitoring,
    outcomes,
    scoring,
    silver,
    training,
)
from healthcare_assets.steps.performance import performance
from healthcare_assets.steps.report import AssetReport
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets.steps.training import training_table
from healthcare_assets_tests.runtimes import runtime_at

pytestmark = pytest.mark.slow

FIRST = date(2026, 1, 1)
POPULATION = SyntheticPopulation(members=1500, arrivals_per_day=80, changes_per_day=60)


def at(home: Path, *shifts: SyntheticShift) -> Runtime:
    """The population, whose first day is the same whatever shifts come later."""
    runtime = runtime_at(home)
    runtime.__dict__["source"] = SyntheticSource(replace(POPULATION, shifts=shifts), first_day=FIRST)
    return runtime


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the first day is scored by a champion."""
    home = tmp_path_factory.mktemp("trained") / "home"
    runtime = at(home)
    for step in (bronze, silver, dimension, features):
        step.run(runtime, FIRST)
    training.run(runtime)
    governance.run(runtime)
    scoring.run(runtime, FIRST)
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, at the same place as far as MLflow is concerned."""
    shutil.copytree(trained, tmp_path / "home")
    return tmp_path / "home"


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def scored(runtime: Runtime, number: int) -> None:
    for step in (bronze, silver, dimension, features, scoring):
        step.run(runtime, day(number))


def watched(runtime: Runtime, number: int) -> tuple[AssetReport, Mapping[str, CheckOutcome]]:
    outcomes.run(runtime, day(number))
    report = monitoring.run(runtime, day(number))[0]
    return report, {check.name: check for check in report.checks}


def failing(checks: Mapping[str, CheckOutcome]) -> set[str]:
    return {name for name, check in checks.items() if not check.passed}


def table(runtime: Runtime, name: str) -> pl.DataFrame:
    frame = pl.from_arrow(DeltaTable(runtime.settings.lakehouse_root / name).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def test_usual_days_are_quiet_and_a_day_of_another_book_is_not(home: Path) -> None:
    runtime = at(home, SyntheticShift(days=frozenset({4}), arrivals=400, older_by_years=12.0, costs_known=True))
    for number in (0, 1, 2, 3, 4):
        if number:
            scored(runtime, number)
        report, checks = watched(runtime, number)
        assert report.metadata["drift_alert"] is (number == 4)
        assert failing(checks) <= ({"feature_drift", "prediction_drift", "outcome_drift"} if number == 4 else set())
    assert "feature_drift" in failing(checks)
    assert "age by " in checks["feature_drift"].description
    assert "smoker" not in checks["feature_drift"].description
    written = table(runtime, "drift_report")
    assert written["partition_date"].n_unique() == 5
    assert set(written["model_version"]) == {"1"}
    alerting = written.filter(pl.col("alert") & (pl.col("partition_date") == day(4)))
    assert set(alerting["column"]) <= {
        "age",
        "age_risk_score",
        "smoking_impact",
        "health_risk_composite",
        "predicted_charges",
        "charges",
    }
    assert (runtime.settings.reports_root / f"drift_report_{day(4)}.html").is_file()


@pytest.mark.parametrize(
    ("shift", "check", "said"),
    [
        (
            SyntheticShift(days=frozenset({1}), arrivals=2000, smoker_share=0.24),
            "feature_drift",
            "smoker by share_shift",
        ),
        (
            SyntheticShift(days=frozenset({1}), arrivals=500, null_share=0.08),
            "feature_drift",
            "bmi by null_rate",
        ),
        (
            SyntheticShift(days=frozenset({1}), arrivals=500, cost_factor=2.0, costs_known=True, outlier_charges=9e7),
            "outcome_drift",
            "charges by shift",
        ),
    ],
)
def test_each_kind_is_caught_through_the_tables(home: Path, shift: SyntheticShift, check: str, said: str) -> None:
    runtime = at(home, shift)
    scored(runtime, 1)
    _, checks = watched(runtime, 1)
    assert said in checks[check].description


def test_costs_mature_and_tell_how_good_the_model_is(home: Path) -> None:
    runtime = at(home)
    for number in (1, 2, 3):
        scored(runtime, number)
    _, young = watched(runtime, 20)
    assert young["risk_score_error"].metadata["status"] == "provisional"
    assert young["outcome_drift"].metadata["status"] in {"passed", "insufficient data"}
    for number in range(15, 46):
        if number != 20:
            outcomes.run(runtime, day(number))
    report, checks = watched(runtime, 45)
    assert checks["risk_score_error"].metadata["status"] == "passed"
    assert report.metadata["matured_service_date"] == day(3).isoformat()
    known = table(runtime, "model_performance").filter(
        (pl.col("partition_date") == day(45)) & (pl.col("scope") == "service day")
    )
    assert known["status"].to_list() == ["matured"] * 3
    assert known.filter(pl.col("outcomes") < 0.9 * pl.col("predictions")).is_empty()
    assert report.metadata["risk_score_mae"] == pytest.approx(
        known.filter(pl.col("service_date") == day(3))["risk_score_mae"].item()
    )
    # What became known is what the model is trained on next, on the day that it belongs to.
    labelled = training_table(runtime.lakehouse)
    arrivals = labelled[labelled["service_date"] > FIRST]
    observed = table(runtime, "observed_outcomes").to_pandas()
    both = arrivals.merge(observed, on=["patient_key"], suffixes=("", "_observed"))
    both = both[pd.to_datetime(both["service_date"]) == pd.to_datetime(both["service_date_observed"])]
    assert len(both) > 100
    assert (both["charges"] == both["charges_observed"]).all()
    # Taken a range of pseudonyms at a time, patients are the same patients.
    whole = performance(runtime, day(45), known={})
    runtime.lakehouse.keys_at_a_time = 50
    parts = performance(runtime, day(45), known={})
    assert [asdict(finding) for finding in parts] == [pytest.approx(asdict(finding)) for finding in whole]
    # Overdue are those of records that never get a cost: of none here.
    late, _ = watched(runtime, 70)
    assert "outcomes_overdue" not in failing({check.name: check for check in late.checks})


def test_costs_a_third_higher_at_the_same_features_are_a_bias_in_the_outcomes_alone(home: Path) -> None:
    runtime = at(home, SyntheticShift(days=frozenset({1, 2}), arrivals=400, cost_factor=1.3))
    for number in (1, 2):
        scored(runtime, number)
        _, checks = watched(runtime, number)
        assert failing(checks) == set()
    for number in range(15, 45):
        outcomes.run(runtime, day(number))
    _, checks = watched(runtime, 45)
    assert "demographic_bias" in failing(checks)
    assert "-" in checks["demographic_bias"].description
    assert "have the model reviewed" in checks["demographic_bias"].description


def test_costs_that_never_come_are_overdue(home: Path) -> None:
    runtime = at(home)
    scored(runtime, 1)
    report = monitoring.run(runtime, day(62))[0]
    checks = {check.name: check for check in report.checks}
    assert "outcomes_overdue" in failing(checks)
    assert str(day(1)) in checks["outcomes_overdue"].description


def test_a_day_without_predictions_is_insufficient_data_and_no_drift(home: Path) -> None:
    runtime = at(home)
    report, checks = watched(runtime, 1)
    assert failing(checks) == {"feature_drift", "prediction_drift", "prediction_volume"}
    assert checks["feature_drift"].metadata["status"] == "insufficient data"
    assert report.metadata["drift_alert"] is False


def test_without_any_model_the_report_says_what_to_do(tmp_path: Path) -> None:
    runtime = at(tmp_path)
    for step in (bronze, silver, dimension, features):
        step.run(runtime, FIRST)
    report, checks = watched(runtime, 0)
    assert "materialise trained_model" in checks["feature_drift"].description
    assert "model_version" not in report.metadata
    assert (runtime.settings.reports_root / f"drift_report_{FIRST}.html").is_file()


def test_a_champion_whose_profile_was_changed_fails_the_checks_and_not_the_report(home: Path) -> None:
    runtime = at(home)
    scored(runtime, 1)
    version = runtime.registry.required_version("champion")
    profile = runtime.registry._files(version)[0] / "reference_profile.json"
    text = profile.read_text(encoding="utf-8")
    try:
        profile.write_text(text.replace("0", "1"), encoding="utf-8")
        report, checks = watched(runtime, 1)
    finally:
        profile.write_text(text, encoding="utf-8")
    assert {"feature_drift", "prediction_drift", "outcome_drift"} <= failing(checks)
    assert "is not the file that was registered" in checks["feature_drift"].description
    assert report.metadata["drift_alert"] is False


def test_monitoring_a_day_again_gives_the_same_rows(home: Path) -> None:
    runtime = at(home)
    scored(runtime, 1)
    watched(runtime, 1)
    before = {name: table(runtime, name) for name in ("drift_report", "model_performance", "observed_outcomes")}
    watched(runtime, 1)
    for name, rows in before.items():
        by_all = pl.all()
        assert rows.sort(by_all).equals(table(runtime, name).sort(by_all)), name
