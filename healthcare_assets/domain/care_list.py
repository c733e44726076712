"""Who is on the care team's list, and in which place.

Ranks run through the whole day, which no engine has to hold or sort as one: patients are counted by rule and score
first, so that everybody's place is that of the group, and the order within it.
"""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.care import CRITICAL, HIGH_COST, REQUIRES_REVIEW, RISEN, RULES
from healthcare_assets.domain.columns import PARTITION_COLUMN, PATIENT_KEY, column
from healthcare_assets.domain.tables import RISK_CATEGORIES
from healthcare_assets.policy import CareRules

Frame = nw.LazyFrame[Any]

KEY = PATIENT_KEY.name
GROUP = ("urgency", "risk_score")
"""By which patients are counted: the position of the rule in `RULES`, and the score."""
PLACE_COLUMNS = (
    column("urgency", "integer", "Position of the rule, from 0."),
    column("risk_score", "float", "The score of the group."),
    column("before", "integer", "How many patients come before the group."),
)
_PLACE_SCHEMA = pa.schema([("urgency", pa.int64()), ("risk_score", pa.float64()), ("before", pa.int64())])
_CHARGES_DESCENDING = "__charges"


def candidates(predictions: Frame, *, rules: CareRules) -> Frame:
    """The predictions of those whom a rule can list, whatever their last score was."""
    flagged = nw.col("high_cost") | nw.col("requires_review") | _is_critical() | _may_have_risen(rules)
    return predictions.filter(flagged)


def scores(predictions: Frame) -> Frame:
    """Of earlier predictions, what is compared."""
    return predictions.select(
        KEY,
        nw.col(PARTITION_COLUMN).alias("last_scored_on"),
        nw.col("risk_score").alias("last_risk_score"),
        nw.col("model_version").alias("last_model_version"),
    )


def listed(candidates: Frame, last_scores: Frame, *, rules: CareRules) -> Frame:
    """Those who meet a rule, with the first that they meet.

    `last_scores` has the columns of `scores`, and one row a patient at most.
    """
    compared = candidates.join(last_scores, on=KEY, how="left").with_columns(
        (nw.col("risk_score") - nw.col("last_risk_score")).alias("score_change"),
        nw.col("reason_codes").alias("reasons"),
    )
    has_risen = _may_have_risen(rules) & (nw.col("score_change") >= nw.lit(rules.risen_points))
    met = {
        HIGH_COST: nw.col("high_cost"),
        REQUIRES_REVIEW: nw.col("requires_review"),
        RISEN: has_risen,
        CRITICAL: _is_critical(),
    }
    in_order = [nw.when(met[name]) for name in RULES]
    return compared.with_columns(
        nw.coalesce(*(when.then(nw.lit(name)) for when, name in zip(in_order, RULES, strict=True))).alias("rule"),
        nw.coalesce(*(when.then(nw.lit(number)) for number, when in enumerate(in_order)))
        .cast(nw.Int64)
        .alias("urgency"),
    ).filter(~nw.col("rule").is_null())


def group_sizes(listed: Frame) -> Frame:
    """How many patients there are of each rule and score: no more rows than a training population has scores."""
    return listed.group_by(*GROUP).agg(nw.col(KEY).count().cast(nw.Int64).alias("patients"))


def places(groups: Sequence[dict[str, Any]], *, at_a_time: int | None) -> list[pa.RecordBatch]:
    """Where each group begins (`PLACE_COLUMNS`), in parts of about `at_a_time` patients or fewer, one at least.

    `groups` are the rows of `group_sizes`.
    """
    parts: list[list[dict[str, Any]]] = [[]]
    before = held = 0
    for group in sorted(groups, key=lambda group: (group["urgency"], -group["risk_score"])):
        if parts[-1] and at_a_time is not None and held + group["patients"] > at_a_time:
            parts.append([])
            held = 0
        parts[-1].append({**group, "before": before})
        before += group["patients"]
        held += group["patients"]
    return [pa.RecordBatch.from_pylist(part, schema=_PLACE_SCHEMA) for part in parts]


def ranked(listed: Frame, places: Frame, *, capacity: int) -> Frame:
    """The patients of the groups, with their rank: within a group by predicted charges, then by key."""
    within = nw.col(KEY).cum_count().over(*GROUP, order_by=[_CHARGES_DESCENDING, KEY]).cast(nw.Int64)
    return (
        listed.join(places, on=list(GROUP), how="inner")
        .with_columns((-nw.col("predicted_charges")).alias(_CHARGES_DESCENDING))
        .with_columns((nw.col("before") + within).alias("rank"))
        .with_columns((nw.col("rank") <= nw.lit(capacity)).alias("within_capacity"))
    )


def _is_critical() -> nw.Expr:
    return nw.col("risk_category") == nw.lit(RISK_CATEGORIES[-1])


def _may_have_risen(rules: CareRules) -> nw.Expr:
    return nw.col("risk_category").is_in(RISK_CATEGORIES[RISK_CATEGORIES.index(rules.risen_from_category) :])
