"""What the day's checks say: seen, against what, and what to do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.monitoring.checks import DRIFT_CHECKS, Seen, day_checks, drift_alert
from healthcare_assets.domain.monitoring.findings import DriftStatistic, Performance
from healthcare_assets.policy import POLICY

DAY = date(2026, 3, 1)
SERVICE_DAY = date(2026, 1, 20)


def statistic(column: str, name: str = "psi", **what: Any) -> DriftStatistic:
    usual = {"value": 0.01, "threshold": 0.3, "alert": False, "n_reference": 5000, "n_current": 400}
    return DriftStatistic(column=column, statistic=name, **usual | what)


QUIET = (
    statistic("age"),
    statistic("smoker"),
    statistic("predicted_charges"),
    statistic("charges"),
    statistic("observed_charges"),
    statistic("all", "predictions", value=400.0, threshold=50.0),
)


def service_day(**what: Any) -> Performance:
    usual: dict[str, Any] = {
        "scope": "service day",
        "service_date": SERVICE_DAY,
        "attribute": "all",
        "group": "all",
        "status": "matured",
        "predictions": 420,
        "outcomes": 400,
        "risk_score_mae": 9.0,
        "risk_score_r2": 0.8,
        "mae_charges": 900.0,
        "r2_charges": 0.7,
        "predictive_ratio": 1.0,
        "ratio_lower": 0.97,
        "ratio_upper": 1.03,
        "biased": False,
        "model_version": "3",
    }
    return Performance(**usual | what)


def group(attribute: str, name: str, **what: Any) -> Performance:
    return service_day(scope="window", attribute=attribute, group=name, **what)


MATURED = (service_day(), group("all", "all"), group("sex", "female"), group("sex", "male"))


def judged(
    drift: Sequence[DriftStatistic] = QUIET, performance: Sequence[Performance] = MATURED, **what: Any
) -> dict[str, CheckOutcome]:
    usual: dict[str, Any] = {"day": DAY, "model_version": "3", "without_reference": None, "predictions": 400}
    seen = Seen(**usual | {"drift": drift, "performance": performance} | what)
    return {check.name: check for check in day_checks(seen, policy=POLICY)}


def test_a_quiet_day_passes_everything() -> None:
    checks = judged()
    assert {check.metadata["status"] for check in checks.values()} == {"passed"}
    assert all(check.passed for check in checks.values())
    assert not drift_alert(list(checks.values()))


@pytest.mark.parametrize(
    ("column", "failing"),
    [
        ("age", "feature_drift"),
        ("predicted_charges", "prediction_drift"),
        ("charges", "outcome_drift"),
        ("observed_charges", "outcome_drift"),
    ],
)
def test_drift_fails_its_own_check_and_names_column_value_and_limit(column: str, failing: str) -> None:
    checks = judged((*QUIET, statistic(column, "shift", value=0.4, threshold=0.147, alert=True)))
    assert [name for name, check in checks.items() if not check.passed] == [failing]
    assert f"{column} by shift 0.4 (limit 0.147)" in checks[failing].description
    assert "version 3" in checks[failing].description
    assert "Investigate" in checks[failing].description
    assert checks[failing].severity == "warning"
    assert drift_alert(list(checks.values()))


def test_many_drifted_columns_are_named_the_furthest_first_and_not_all() -> None:
    many = [statistic(f"feature_{n}", value=0.3 + n / 10, alert=True) for n in range(9)]
    said = judged(many)["feature_drift"].description
    assert said.index("feature_8") < said.index("feature_3")
    assert "feature_0" not in said
    assert "and 3 more" in said


@pytest.mark.parametrize("why", ["Nothing has been promoted: train.", "The model cannot be read: train again."])
def test_without_a_reference_drift_fails_as_insufficient_data_with_the_reason(why: str) -> None:
    checks = judged((), (), model_version=None, without_reference=why)
    for name in DRIFT_CHECKS:
        assert (checks[name].passed, checks[name].metadata["status"]) == (False, "insufficient data")
        assert checks[name].description == why
    assert not drift_alert(list(checks.values()))


def test_an_empty_day_is_insufficient_data_and_a_low_volume_and_no_drift() -> None:
    checks = judged([replace(s, n_current=0, value=None) for s in QUIET], predictions=0)
    assert [name for name, check in checks.items() if not check.passed] == [
        "feature_drift",
        "prediction_drift",
        "prediction_volume",
    ]
    assert checks["feature_drift"].metadata["status"] == "insufficient data"
    assert checks["outcome_drift"].metadata["status"] == "insufficient data"
    assert not drift_alert(list(checks.values()))


@pytest.mark.parametrize(("predictions", "passed"), [(0, False), (49, False), (50, True)])
def test_fewer_than_fifty_predictions_ask_for_a_pipeline_check(predictions: int, passed: bool) -> None:
    check = judged(predictions=predictions)["prediction_volume"]
    assert check.passed is passed
    assert f"{predictions} predictions" in check.description
    assert ("check the pipeline" in check.description) is not passed


@pytest.mark.parametrize(("error", "passed"), [(15.0, True), (15.1, False)])
def test_an_error_over_the_limit_asks_for_a_training(error: float, passed: bool) -> None:
    check = judged(performance=[service_day(risk_score_mae=error)])["risk_score_error"]
    assert (check.passed, check.severity) == (passed, "error")
    assert f"{error:.1f} points off" in check.description
    assert str(SERVICE_DAY) in check.description
    assert ("train it anew" in check.description) is not passed


def test_costs_that_have_not_matured_are_provisional_and_say_how_many_are_known() -> None:
    young = service_day(status="provisional", outcomes=17, risk_score_mae=40.0)
    checks = judged(performance=[young])
    assert (checks["risk_score_error"].passed, checks["risk_score_error"].metadata["status"]) == (True, "provisional")
    assert "17 known" in checks["risk_score_error"].description
    assert checks["demographic_bias"].metadata["status"] == "provisional"


def test_biased_groups_are_named_with_how_far_off_they_are() -> None:
    off = group("region", "southwest", biased=True, predictive_ratio=0.8)
    check = judged(performance=(*MATURED, off))["demographic_bias"]
    assert (check.passed, check.severity) == (False, "error")
    assert "region southwest -20%" in check.description
    assert "reviewed" in check.description


def test_groups_that_are_too_small_are_told_and_never_a_silent_pass() -> None:
    few = [group("sex", name, status="insufficient data", outcomes=3) for name in ("female", "male")]
    check = judged(performance=[service_day(), group("all", "all"), *few])["demographic_bias"]
    assert (check.passed, check.metadata["status"]) == (True, "insufficient data")
    one = judged(performance=[*MATURED, few[0]])["demographic_bias"]
    assert "For 1 more there are too few." in one.description


def test_overdue_costs_name_the_days_and_how_many() -> None:
    late = [service_day(status="overdue", outcomes=300), service_day(status="overdue", service_date=date(2025, 12, 30))]
    check = judged(performance=late)["outcomes_overdue"]
    assert (check.passed, check.severity) == (False, "warning")
    assert "140 costs of 2 service days from 2025-12-30 to 2026-01-20" in check.description
    assert "HEALTHCARE_OUTCOMES" in check.description
