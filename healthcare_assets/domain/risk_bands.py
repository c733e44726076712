"""Risk bands: what a risk score (percentile, 0–100) means for a patient. Thresholds are the policy's."""

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.tables import RISK_CATEGORIES
from healthcare_assets.policy import RiskBands

Booleans = NDArray[np.bool_]


def adjusted_risk_score(risk_score: Floats, bands: RiskBands) -> Floats:
    """The risk score, but at least the adjusted minimum."""
    return np.maximum(risk_score, bands.adjusted_minimum)


def risk_category(risk_score: Floats, bands: RiskBands) -> NDArray[np.str_]:
    """low, medium, high or critical; a score on a boundary belongs to the band above it."""
    from_scores = (bands.medium_from, bands.high_from, bands.critical_from)
    categories: NDArray[np.str_] = np.asarray(RISK_CATEGORIES)[np.searchsorted(from_scores, risk_score, side="right")]
    return categories


def high_risk_patient(risk_score: Floats, bands: RiskBands) -> Booleans:
    """Over the high-risk score, or critical."""
    return (risk_score > bands.high_risk_above) | (risk_score >= bands.critical_from)


def requires_review(risk_score: Floats, smoker: Booleans, bands: RiskBands) -> Booleans:
    """Over the review score, or a smoker over the smokers' one."""
    return (risk_score > bands.review_above) | (smoker & (risk_score > bands.smoker_review_above))


def high_cost(predicted_charges: Floats, high_cost_from: float) -> Booleans:
    """Predicted charges (US dollars) at or over the reference's high-cost quantile."""
    return predicted_charges >= high_cost_from
