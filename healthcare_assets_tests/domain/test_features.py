"""The contract's formulas, with the values at their boundaries."""

from typing import Any

import polars as pl
import pytest

from healthcare_assets.domain.features import risk_features
from healthcare_assets_tests.domain.frames import lazy, rows

_SCHEMA = {
    "patient_key": pl.String,
    "age": pl.Int64,
    "sex": pl.String,
    "region": pl.String,
    "bmi": pl.Float64,
    "smoker": pl.Boolean,
    "children": pl.Int64,
}
_PATIENT = {
    "patient_key": "k",
    "age": 40,
    "sex": "male",
    "region": "southeast",
    "bmi": 22.0,
    "smoker": False,
    "children": 0,
}


def _features(**changes: Any) -> dict[str, Any]:
    return rows(risk_features(lazy([{**_PATIENT, **changes}], _SCHEMA)))[0]


@pytest.mark.parametrize(
    ("age", "score"),
    [(0, 1), (24, 1), (25, 2), (34, 2), (35, 3), (49, 3), (50, 4), (64, 4), (65, 5), (90, 5)],
)
def test_age_risk_score(age: int, score: int) -> None:
    assert _features(age=age)["age_risk_score"] == score


@pytest.mark.parametrize(
    ("bmi", "category"),
    [
        (10.0, "underweight"),
        (18.49, "underweight"),
        (18.5, "normal"),
        (24.99, "normal"),
        (25.0, "overweight"),
        (29.99, "overweight"),
        (30.0, "obese"),
        (53.13, "obese"),
    ],
)
def test_bmi_category(bmi: float, category: str) -> None:
    assert _features(bmi=bmi)["bmi_category"] == category


def test_smoking_impact() -> None:
    assert _features(age=40, smoker=True)["smoking_impact"] == 100.0
    assert _features(age=40, smoker=False)["smoking_impact"] == 40.0


@pytest.mark.parametrize(("children", "factor"), [(0, 1.0), (1, 1.15), (5, 1.75)])
def test_family_size_factor(children: int, factor: float) -> None:
    assert _features(children=children)["family_size_factor"] == pytest.approx(factor)


@pytest.mark.parametrize(
    ("region", "multiplier"), [("northeast", 1.2), ("northwest", 1.1), ("southeast", 1.0), ("southwest", 0.95)]
)
def test_regional_multiplier(region: str, multiplier: float) -> None:
    assert _features(region=region)["regional_multiplier"] == multiplier


@pytest.mark.parametrize(
    ("changes", "composite"),
    [
        ({"age": 24, "bmi": 30.0, "smoker": False}, 20.0),
        ({"age": 24, "bmi": 30.01, "smoker": False}, 50.0),
        ({"age": 24, "bmi": 30.0, "smoker": True}, 70.0),
        ({"age": 65, "bmi": 31.0, "smoker": True}, 180.0),
    ],
)
def test_health_risk_composite(changes: dict[str, Any], composite: float) -> None:
    assert _features(**changes)["health_risk_composite"] == composite


def test_an_unknown_attribute_gives_an_unknown_feature_and_not_a_no() -> None:
    unknown = _features(smoker=None, bmi=None, region=None)
    for name in ("smoking_impact", "health_risk_composite", "bmi_category", "regional_multiplier"):
        assert unknown[name] is None


def test_charges_never_come_through() -> None:
    assert "charges" not in _features()
