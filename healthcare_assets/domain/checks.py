"""What must never pass: the rules behind the asset checks.

Each takes a frame of what was written, or counts read back from the tables, and says in one sentence what was seen,
against what, and what to do. Counting is lazy: a rule over a frame is one row of aggregates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import narwhals as nw

from healthcare_assets.domain.columns import ColumnType, Table
from healthcare_assets.domain.features import plausible_ranges
from healthcare_assets.domain.tables import BMI_CATEGORIES, REGIONS, RISK_CATEGORIES, SEXES
from healthcare_assets.policy import Policy

Frame = nw.LazyFrame[Any]
Counts = Mapping[str, int]
Severity = Literal["warning", "error"]


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """The outcome of one rule."""

    name: str
    passed: bool
    description: str
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)
    severity: Severity = "error"
    """Of a failure: `warning` asks to look into it, `error` says that the figures are not to be relied on."""


_DTYPES: Mapping[ColumnType, nw.dtypes.DType | type[nw.dtypes.DType]] = {
    "string": nw.String,
    "integer": nw.Int64,
    "float": nw.Float64,
    "boolean": nw.Boolean,
    "date": nw.Date,
    "timestamp": nw.Datetime,
    "strings": nw.List,
    "criteria": nw.List,
    "reason_codes": nw.List,
}


def schema(table: Table, frame: Frame, nulls: Counts) -> CheckOutcome:
    """Columns, types and required values are those of the contract. `nulls` has the aggregates `nulls`, others too."""
    actual = frame.collect_schema()
    faults = [f"{name} is missing" for name in table.column_names if name not in actual]
    faults += [f"{name} is not declared" for name in actual if name not in table.column_names]
    faults += [
        f"{column.name} is {actual[column.name]} instead of {column.type}"
        for column in table.columns
        if column.name in actual and actual[column.name] != _DTYPES[column.type]
    ]
    faults += [
        f"{name} is null in {count} rows" for name, count in nulls.items() if count and name in table.column_names
    ]
    return _outcome(
        "schema_matches_contract",
        faults,
        good=f"All {len(table.columns)} columns of {table.name} are as declared.",
        bad=f"{table.name} breaks its contract",
        then="compare the step's output with healthcare_assets/domain/tables.py",
    )


def null_counts(table: Table, frame: Frame) -> Frame:
    """One row: the number of nulls in each column that may have none."""
    return frame.select(*nulls(table))


def nulls(table: Table) -> list[nw.Expr]:
    """The aggregates of `null_counts`, to be asked for together with others."""
    required = [column.name for column in table.columns if not column.nullable]
    return [nw.col(name).is_null().cast(nw.Int64).sum().alias(name) for name in required]


def nothing_lost(*, records_in: int, silver: int, quarantined: int, duplicates: int) -> CheckOutcome:
    """Records in = silver + quarantined + duplicates, each counted in its own table."""
    parts = {"silver": silver, "quarantined": quarantined, "duplicates": duplicates}
    return _sum_of(records_in, parts, then="materialise the day again from bronze_patients on")


def no_outcome_lost(*, records_in: int, observed: int, quarantined: int, repetitions: int) -> CheckOutcome:
    """Records in = observed + quarantined + repetitions, the records counted as delivered, the others in the tables."""
    parts = {"observed": observed, "quarantined": quarantined, "repetitions": repetitions}
    return _sum_of(records_in, parts, then="materialise observed_outcomes for the day again")


def _sum_of(records_in: int, parts: Counts, *, then: str) -> CheckOutcome:
    out = sum(parts.values())
    sums = f"{records_in} records in, {' + '.join(f'{count} {name}' for name, count in parts.items())} = {out}"
    passed = records_in == out
    return CheckOutcome(
        name="no_record_lost",
        passed=passed,
        description=f"{sums}." if passed else f"{sums}: {then}.",
        metadata={"records_in": records_in, **parts},
    )


def quarantine_rate(*, records_in: int, quarantined: int, policy: Policy) -> CheckOutcome:
    """The share of refused records is at most the policy's; a day without records has none."""
    limit = policy.data.quarantine_rate_maximum
    rate = quarantined / records_in if records_in else 0.0
    passed = rate <= limit
    seen = f"{quarantined} of {records_in} records ({rate:.1%}) are quarantined; the limit is {limit:.0%}"
    return CheckOutcome(
        name="quarantine_rate",
        passed=passed,
        description=f"{seen}." if passed else f"{seen}: read the reasons in quarantined_patients and mend the source.",
        metadata={"rate": rate, "limit": limit},
    )


def one_row_per_patient(table: Table, *, rows: int, patients: int) -> CheckOutcome:
    """No patient occurs twice in a day."""
    return CheckOutcome(
        name="one_row_per_patient",
        passed=rows == patients,
        description=f"{table.name} holds {rows} rows of {patients} patients."
        + ("" if rows == patients else " Materialise the day again; if it stays so, the de-duplication is at fault."),
        metadata={"rows": rows, "patients": patients},
    )


def patients_and_nulls(table: Table) -> list[nw.Expr]:
    """Aggregates: rows, distinct patients, and the nulls of `nulls`."""
    return [
        nw.col("patient_key").len().cast(nw.Int64).alias("rows"),
        nw.col("patient_key").n_unique().cast(nw.Int64).alias("patients"),
        *nulls(table),
    ]


def ranks(listed: Frame) -> Frame:
    """One row: how many ranks there are, how many different ones, the first and the last."""
    rank = nw.col("rank")
    return listed.select(
        rank.len().cast(nw.Int64).alias("rows"),
        rank.n_unique().cast(nw.Int64).alias("distinct"),
        rank.min().alias("first"),
        rank.max().alias("last"),
    )


def ranks_without_gaps(counts: Counts) -> CheckOutcome:
    """Ranks are 1, 2, 3 and so on, each once. `counts` comes from `ranks`."""
    rows = counts["rows"]
    passed = not rows or (counts["distinct"], counts["first"], counts["last"]) == (rows, 1, rows)
    seen = f"{rows} patients have {counts['distinct']} different ranks, from {counts['first']} to {counts['last']}"
    return CheckOutcome(
        name="ranks_without_gaps",
        passed=passed,
        description=f"{seen}." if passed else f"{seen}: materialise care_management for the day again.",
        metadata=dict(counts),
    )


def current_records(dimension: Frame) -> Frame:
    """One row: patients, and those of them that have not exactly one current version."""
    per_patient = dimension.group_by("patient_key").agg(
        nw.col("is_current_record").cast(nw.Int64).sum().alias("current")
    )
    return per_patient.select(
        nw.col("current").count().cast(nw.Int64).alias("patients"),
        (nw.col("current") != 1).cast(nw.Int64).sum().alias("without_one_current"),
    )


def one_current_record(counts: Counts) -> CheckOutcome:
    """Exactly one current version a patient. `counts` comes from `current_records`."""
    patients, wrong = counts["patients"], counts["without_one_current"] or 0
    return CheckOutcome(
        name="one_current_record_per_patient",
        passed=wrong == 0,
        description=f"Each of {patients} patients has exactly one current record."
        if wrong == 0
        else f"{wrong} of {patients} patients have no or several current records: materialise the day again.",
        metadata={"patients": patients, "without_one_current": wrong},
    )


def features_out_of_range(features: Frame, *, policy: Policy) -> Frame:
    """One row: for each feature, the number of rows with a value that its formula cannot give."""
    bounds = plausible_ranges(policy)
    categories = {"sex": SEXES, "region": REGIONS, "bmi_category": BMI_CATEGORIES}
    inside = {name: (nw.col(name) >= low) & (nw.col(name) <= high) for name, (low, high) in bounds.items()}
    inside |= {name: nw.col(name).is_in(known) for name, known in categories.items()}
    return features.select(
        (~nw.coalesce(good, nw.lit(False))).cast(nw.Int64).sum().alias(name)  # noqa: FBT003
        for name, good in inside.items()
    )


def feature_ranges(counts: Counts) -> CheckOutcome:
    """Every feature lies where its formula puts it. `counts` comes from `features_out_of_range`."""
    return _outcome(
        "feature_ranges",
        [f"{name} in {count} rows" for name, count in counts.items() if count],
        good=f"All {len(counts)} features lie within their ranges.",
        bad="features out of range",
        then="look at silver_patients for the day",
        metadata={name: count or 0 for name, count in counts.items()},
    )


_PREDICTION_RULES = ("interval_out_of_order", "not_finite", "score_out_of_range", "unknown_category")


def incomplete_predictions() -> list[nw.Expr]:
    """Aggregates of the predictions: how many, of how many distinct patients, and the rows that break each rule."""
    figures = ("predicted_charges", "charges_lower", "charges_upper", "risk_score", "adjusted_risk_score")
    in_order = (nw.col("charges_lower") <= nw.col("predicted_charges")) & (
        nw.col("predicted_charges") <= nw.col("charges_upper")
    )
    rules = (
        in_order,
        nw.all_horizontal((nw.col(name).is_finite() for name in figures), ignore_nulls=False),
        (nw.col("risk_score") >= 0) & (nw.col("risk_score") <= 100),  # noqa: PLR2004
        nw.col("risk_category").is_in(RISK_CATEGORIES),
    )
    return [
        nw.col("patient_key").len().cast(nw.Int64).alias("rows"),
        nw.col("patient_key").n_unique().cast(nw.Int64).alias("patients"),
        *(
            (~nw.coalesce(good, nw.lit(False))).cast(nw.Int64).sum().alias(name)  # noqa: FBT003
            for name, good in zip(_PREDICTION_RULES, rules, strict=True)
        ),
    ]


def complete_predictions(counts: Counts, *, patients: int) -> CheckOutcome:
    """One prediction for each of the day's patients, intervals in order, every figure finite.

    `counts` comes from `incomplete_predictions`, `patients` is the number of the day's patients in `risk_features`.
    """
    rows = counts["rows"]
    faults = [f"{name} in {counts[name]} rows" for name in _PREDICTION_RULES if counts[name]]
    if rows != patients:
        faults.append(f"{rows} predictions for {patients} patients")
    if rows != counts["patients"]:
        faults.append(f"{rows} predictions of {counts['patients']} distinct patients")
    return _outcome(
        "complete_predictions",
        faults,
        good=f"{rows} predictions, one for each of {patients} patients, intervals in order.",
        bad="predictions are not complete",
        then="materialise predictions for the day again",
        metadata={"predictions": rows, "patients": patients},
    )


def _outcome(  # noqa: PLR0913 - a name, what was found, and the parts of one sentence
    name: str,
    faults: list[str],
    *,
    good: str,
    bad: str,
    then: str,
    metadata: Mapping[str, str | int | float] | None = None,
) -> CheckOutcome:
    description = good if not faults else f"{bad[0].upper()}{bad[1:]} ({'; '.join(faults)}): {then}."
    return CheckOutcome(name=name, passed=not faults, description=description, metadata=metadata or {})
