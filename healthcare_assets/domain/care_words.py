"""Why a patient is on the care team's list, in words that a care manager reads before the call."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from healthcare_assets.domain.care import CARE_MANAGEMENT, HIGH_COST, REQUIRES_REVIEW, RISEN
from healthcare_assets.domain.care_list import PLACE_COLUMNS
from healthcare_assets.policy import Policy

_PLACED = ("rank", "within_capacity")
"""What is known only when everybody is counted."""
WORDED_COLUMNS = (
    *(column for column in CARE_MANAGEMENT.content_columns if column.name not in _PLACED),
    *(column for column in PLACE_COLUMNS if column.name == "urgency"),
)
SPOKEN_OF = ("last_model_version", "high_risk_patient", "requires_review")
"""Columns that the words need besides."""
SEPARATOR = "; "
_MOST_DIGITS = 6


def with_words(batch: pa.RecordBatch, *, policy: Policy) -> pa.RecordBatch:
    """The columns of `WORDED_COLUMNS`, `why` among them, for a batch of those and of `SPOKEN_OF`."""
    names = ("risk_score", "predicted_charges", "score_change", "last_scored_on", "rule", "model_version", *SPOKEN_OF)
    rows = batch.select(list(names)).to_pylist()
    texts = reasons_text(batch["reasons"]).to_pylist()
    why = [
        " ".join([_rule_words(row, policy), _change_words(row, policy), _reason_words(row, text)])
        for row, text in zip(rows, texts, strict=True)
    ]
    columns = {name: batch[name] for name in batch.schema.names} | {"why": pa.array(why, pa.string())}
    wanted = [column.name for column in WORDED_COLUMNS]
    return pa.RecordBatch.from_arrays([columns[name] for name in wanted], names=wanted)


def reasons_text(reasons: pa.Array) -> pa.Array:
    """The texts of each list of reason codes, joined."""
    texts = pc.struct_field(reasons.flatten(), "text")
    lengths = pc.fill_null(pc.list_value_length(reasons), 0).to_pylist()
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), texts), SEPARATOR)


def _rule_words(row: Mapping[str, Any], policy: Policy) -> str:
    bands, score = policy.bands, float(row["risk_score"])
    if row["rule"] == HIGH_COST:
        share = f"{1 - bands.high_cost_quantile:.0%}".replace("%", " %")
        return f"High cost: ${row['predicted_charges']:,.0f} a year are predicted, which is among the highest {share}."
    if row["rule"] == REQUIRES_REVIEW and score > bands.review_above:
        return f"Requires review: the risk score, {_over(score, bands.review_above)}."
    if row["rule"] == REQUIRES_REVIEW:
        return f"Requires review: smokes, and the risk score, {_over(score, bands.smoker_review_above)}."
    if row["rule"] == RISEN:
        return f"Risen: the risk score is {score:.1f}."
    return f"Critical: the risk score, {score:.1f}, is {bands.critical_from:g} or more."


def _over(score: float, limit: float) -> str:
    """The score and the limit that it is over, and never `90.0 is over 90`."""
    texts = (f"{score:.{digits}f}" for digits in range(1, _MOST_DIGITS))
    shown = next((text for text in texts if float(text) > limit), str(score))
    return f"{shown}, is over {limit:g}"


def _change_words(row: Mapping[str, Any], policy: Policy) -> str:
    change, since = row["score_change"], row["last_scored_on"]
    if change is None or not isinstance(since, date):
        return f"No score in the {policy.care.look_back_days} days before."
    points = f"{abs(change):.1f}"
    direction = "Unchanged" if points == "0.0" else f"{'Up' if change > 0 else 'Down'} {points} points"
    told = f"{direction} since {since.isoformat()}"
    if row["last_model_version"] == row["model_version"]:
        return f"{told}."
    return (
        f"{told}, when the patient was scored by another model (version {row['last_model_version']}, now "
        f"{row['model_version']}): the difference may be the models'."
    )


def _reason_words(row: Mapping[str, Any], reasons: str) -> str:
    if reasons:
        return f"What raises the cost most: {reasons}."
    if row["high_risk_patient"] or row["requires_review"]:
        return "No attribute by itself raises the cost above the typical member's."
    return "What raises the cost is worked out for patients who are high risk or require review only."
