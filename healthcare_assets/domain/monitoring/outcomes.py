"""From a day's delivery of costs to valid outcomes and quarantined ones.

A cost belongs to a patient and to the day whose record and prediction it is of, its service date. Every record leaves
with all the rules that it breaks, and none is lost: records in = observed + quarantined + repetitions.
"""

from datetime import date
from typing import Any

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_assets.domain import parsing
from healthcare_assets.domain.columns import PARTITION_COLUMN, Column, column
from healthcare_assets.policy import Policy

OUTCOME_SOURCE_COLUMNS = ("patient_id", "charges", "service_date", "known_date")
"""The columns that a delivery of costs may carry. Nothing else of it is kept."""

REQUIRED_OUTCOME_COLUMNS = ("patient_id", "charges", "service_date")

DELIVERED_COLUMNS: tuple[Column, ...] = (
    *(column(name, "string", "As it was delivered.", nullable=True) for name in OUTCOME_SOURCE_COLUMNS),
    column("malformed", "string", "Why the record could not be split into its columns.", nullable=True),
    column("known_expected", "boolean", "Whether the record's known_date says to which day it belongs."),
    column("source_row", "integer", "Position of the record in the day's delivery, from 1."),
)
"""A day's costs as they are delivered."""

RECORD_COLUMNS: tuple[Column, ...] = (
    column("patient_key", "string", "", nullable=True),
    column("charges", "float", "", nullable=True),
    column("service_date", "date", "", nullable=True),
    column("source_row", "integer", ""),
    column("reasons_text", "string", "", nullable=True),
)
"""A day's costs as they have been read, with a pseudonym in the place of the id."""

KEY = ("patient_key", "service_date")

_SEPARATOR = "; "
_EPOCH = date(1970, 1, 1)
_UNKNOWN_PATIENT = (
    "unknown patient: dim_patients has no record of the patient up to service_date, so materialise the patient's days "
    "first"
)
_CONTRADICTION = "the delivery has other charges of the same patient_id and service_date"

Frame = nw.LazyFrame[Any]


def read_outcomes(delivered: Frame, *, day: date, policy: Policy) -> Frame:
    """Parse a day's costs.

    Returns one row a record: `identity` (text that the pseudonym is made from, null when there is none), `charges` in
    dollars, `service_days` (since 1970-01-01), `source_row`, and `reasons_text` (null when no rule is broken). What
    could not be read or is implausible is null.
    """
    frame = delivered.with_columns(parsing.text(name).alias(name) for name in OUTCOME_SOURCE_COLUMNS)
    frame = parsing.with_date(frame, "service_date")
    frame = parsing.with_instant(frame, "known_date")
    frame = parsing.with_numbers(frame, "charges")
    frame = frame.with_columns(parsing.amount("charges").alias("charges_number"))
    low, high = policy.ranges.charges
    plausible = (nw.col("charges_number") >= low) & (nw.col("charges_number") <= high)
    return frame.with_columns(_reasons(day=day, policy=policy).alias("reasons_text")).select(
        nw.col("patient_id").alias("identity"),
        nw.when(plausible).then(nw.col("charges_number")).alias("charges"),
        nw.when(nw.col("service_date_days") <= (day - _EPOCH).days)
        .then(nw.col("service_date_days"))
        .alias("service_days"),
        "source_row",
        "reasons_text",
    )


def _reasons(*, day: date, policy: Policy) -> nw.Expr:
    """All broken rules of a record as one text, null when there are none. The sentences never name a value."""
    day_number = (day - _EPOCH).days
    low, high = policy.ranges.charges
    given = {name: ~nw.col(name).is_null() for name in OUTCOME_SOURCE_COLUMNS}
    known_expected, known_days = nw.col("known_expected"), nw.col("known_date_instant") // parsing.MICROSECONDS_PER_DAY
    known_day = nw.coalesce(known_days, nw.col("known_date_days"))
    rules: list[tuple[nw.Expr, str]] = [
        (~given["patient_id"], "patient_id is missing"),
        (~given["charges"], "charges is missing"),
        (given["charges"] & nw.col("charges_number").is_null(), "charges is not a number"),
        (nw.col("charges_number") < low, "charges is negative"),
        (nw.col("charges_number") > high, f"charges is over {high:,.0f} dollars"),
        (~given["service_date"], "service_date is missing"),
        (given["service_date"] & nw.col("service_date_days").is_null(), "service_date is not a date"),
        (nw.col("service_date_days") > day_number, "service_date is after the day on which the cost became known"),
        (known_expected & ~given["known_date"], "known_date is missing"),
        (known_expected & given["known_date"] & known_day.is_null(), "known_date is not a date"),
        (known_expected & (known_day > day_number), "known_date is in the future"),
    ]
    whole_record = nw.col("malformed").is_null()
    sentences = [nw.when(whole_record & broken).then(nw.lit(sentence)) for broken, sentence in rules]
    joined = nw.concat_str([nw.col("malformed"), *sentences], separator=_SEPARATOR, ignore_nulls=True)
    return nw.when(joined.str.len_chars() > 0).then(joined)


def with_service_date(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Puts the column `service_date` in the place of `service_days`.

    On Arrow, since no expression that both engines know makes a date of a number.
    """
    position = batch.schema.get_field_index("service_days")
    dates = pc.cast(pc.cast(batch.column(position), pa.int32()), pa.date32())
    return batch.set_column(position, pa.field("service_date", pa.date32()), dates)


def judged(records: Frame, dimension: Frame) -> Frame:
    """The records (`RECORD_COLUMNS`) with `reasons`: the list of all the rules that each breaks, null for a valid one.

    To the rules that a record breaks by itself come those that take the others: its patient must be in the dimension
    by the service date, and no other valid record of the delivery may say another cost of the same patient and date.
    A service date on which the patient is not known leaves no trace: it may be a birth date that slipped a column.
    """
    first_seen = dimension.group_by("patient_key").agg(nw.col("effective_date").min().alias("first_seen"))
    records = records.join(first_seen, on="patient_key", how="left")
    stranger = nw.col("first_seen").is_null() | (nw.col("first_seen") > nw.col("service_date"))
    named = ~nw.col("patient_key").is_null() & ~nw.col("service_date").is_null()
    records = _with_reason(records, named & stranger, _UNKNOWN_PATIENT)
    known = nw.col("first_seen") <= nw.col("service_date")
    records = records.with_columns(nw.when(known).then(nw.col("service_date")).alias("service_date")).drop("first_seen")
    costs = (
        records.filter(nw.col("reasons_text").is_null())
        .group_by(*KEY)
        .agg(nw.col("charges").min().alias("least"), nw.col("charges").max().alias("most"))
    )
    contradicted = costs.filter(nw.col("least") < nw.col("most")).select(*KEY, nw.lit(1).alias("contradicted"))
    records = records.join(contradicted, on=list(KEY), how="left")
    contradiction = ~nw.col("contradicted").is_null() & nw.col("reasons_text").is_null()
    records = _with_reason(records, contradiction, _CONTRADICTION)
    return records.with_columns(nw.col("reasons_text").str.split(_SEPARATOR).alias("reasons")).drop(
        "contradicted", "reasons_text"
    )


def _with_reason(records: Frame, broken: nw.Expr, sentence: str) -> Frame:
    text = nw.concat_str(
        [nw.col("reasons_text"), nw.when(broken).then(nw.lit(sentence))], separator=_SEPARATOR, ignore_nulls=True
    )
    return records.with_columns(text.alias("reasons_text")).with_columns(
        nw.when(nw.col("reasons_text").str.len_chars() > 0).then(nw.col("reasons_text")).alias("reasons_text")
    )


def valid_outcomes(records: Frame) -> Frame:
    """The records that break no rule, repetitions among them."""
    return records.filter(nw.col("reasons").is_null())


def quarantined_outcomes(records: Frame) -> Frame:
    """The refused records: all their reasons, and of their values what could be read and is plausible."""
    return records.filter(~nw.col("reasons").is_null())


def with_known_charges(records: Frame, newest: Frame) -> Frame:
    """The records of patients by day with the charges as they are known: the outcome's where there is one, else the
    record's own, which may be null.

    `records` has `patient_key`, `charges` and `partition_date`; `newest` has one row a `patient_key` and
    `service_date`, with `charges` (see `steps.outcomes.newest_outcomes`).
    """
    known = newest.select(
        "patient_key", nw.col("service_date").alias(PARTITION_COLUMN), nw.col("charges").alias("known_charges")
    )
    joined = records.join(known, on=["patient_key", PARTITION_COLUMN], how="left")
    return joined.with_columns(nw.coalesce("known_charges", "charges").alias("charges")).drop("known_charges")
