"""Days of predictions from which the care team's list is made."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.risk_bands import risk_category
from healthcare_assets.domain.tables import PREDICTIONS
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps.runtime import content_of
from healthcare_assets_tests.resources.lakehouse_tables import frame_of

REASONS = [
    {"attribute": "smoker", "dollars": 23910.0, "text": "Smokes: +$23,900 a year"},
    {"attribute": "bmi", "dollars": 5100.0, "text": "BMI 36.2 (obese): +$5,100 a year"},
]


def prediction(key: str, score: float, *, smoker: bool = False, **changes: Any) -> dict[str, Any]:
    """As scoring makes one of the score, with the bands of the policy."""
    bands = POLICY.bands
    review = score > bands.review_above or (smoker and score > bands.smoker_review_above)
    high_risk = score > bands.high_risk_above
    return {
        "patient_key": key,
        "predicted_charges": 400.0 * score,
        "charges_lower": 300.0 * score,
        "charges_upper": 600.0 * score,
        "risk_score": score,
        "adjusted_risk_score": max(score, bands.adjusted_minimum),
        "risk_category": str(risk_category([score], bands)[0]),  # type: ignore[arg-type]
        "high_risk_patient": high_risk,
        "requires_review": review,
        "high_cost": score >= 100 * bands.high_cost_quantile,
        "reason_codes": REASONS if high_risk or review else [],
        "model_name": "model",
        "model_version": "1",
        "predicted_at": datetime(2026, 1, 9, 2, tzinfo=UTC),
        **changes,
    }


def predicted(lakehouse: Lakehouse, day: date, *rows: Mapping[str, Any]) -> None:
    """The day's predictions, in place of those that it had."""
    lakehouse.replace_day(PREDICTIONS, day, content_of(PREDICTIONS, frame_of(lakehouse, PREDICTIONS, list(rows))))


def care_list(lakehouse: Lakehouse, day: date) -> list[dict[str, Any]]:
    """In the order of the ranks."""
    rows: list[dict[str, Any]] = lakehouse.collect(lakehouse.scan(CARE_MANAGEMENT, day=day)).to_pylist()
    return sorted(rows, key=lambda row: int(row["rank"]))
