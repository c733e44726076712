"""From a day's raw records to valid patients and quarantined records.

Every record leaves with all the rules that it breaks; none is changed beyond the folding of spellings, and none is
lost: records in = silver + quarantined + duplicates.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import narwhals as nw

from healthcare_assets.domain import parsing
from healthcare_assets.domain.features import SAFE_HARBOR_AGE
from healthcare_assets.domain.tables import INSURANCE_PLANS, SOURCE_COLUMNS
from healthcare_assets.domain.zip_codes import zip3
from healthcare_assets.policy import Policy

SEX_SPELLINGS = {"female": ("female", "f", "woman", "w"), "male": ("male", "m", "man")}
REGION_SPELLINGS = {
    "northeast": ("northeast", "ne"),
    "northwest": ("northwest", "nw"),
    "southeast": ("southeast", "se"),
    "southwest": ("southwest", "sw"),
}
SMOKER_SPELLINGS = {
    "yes": ("yes", "y", "true", "t", "1", "smoker", "current"),
    "no": ("no", "n", "false", "f", "0", "nonsmoker", "never"),
}

SPELLINGS: Mapping[str, parsing.Spellings] = {
    "sex": SEX_SPELLINGS,
    "region": REGION_SPELLINGS,
    "smoker": SMOKER_SPELLINGS,
    "insurance_plan": {plan: (plan,) for plan in INSURANCE_PLANS},
}
"""By column, each value with the spellings that mean it."""

NEWEST_BY = ("instant", "source_row")
"""The record of a patient to keep is the greatest by these: the later timestamp wins, among equals the later in the
delivery."""

_NOT_IN_DERIVED_IDS = ("timestamp", "zip_code")
"""Who moves, or is written anew, stays who they are."""

_REASON_SEPARATOR = "; "

_EXPECTED_VALUES = (
    ("patient_id",),
    ("age", "birth_date"),
    ("sex",),
    ("region",),
    ("bmi",),
    ("smoker",),
    ("children",),
    ("charges",),
    ("insurance_plan",),
    ("coverage_start_date",),
)

Frame = nw.LazyFrame[Any]


def read_records(
    bronze: Frame, *, day: date, policy: Policy, spellings: Mapping[str, parsing.Spellings] = SPELLINGS
) -> Frame:
    """Parse a day's bronze records. `spellings` are `SPELLINGS`, or these and the source's own.

    Returns one row a record: `identity` (text that the pseudonym is made from, null when there is none), the silver
    attributes, `data_quality_score`, `instant` (microseconds since 1970, null when the record has no timestamp),
    `source_row`, and which rules it breaks, as `with_reasons` reads it: `broken_rules` (a sum of powers of two, 0 for a
    valid record) and `malformed`. No identifier but `identity` is left.
    """
    frame = bronze.with_columns(parsing.text(name).alias(name) for name in SOURCE_COLUMNS)
    frame = parsing.with_date(frame, "birth_date")
    frame = parsing.with_date(frame, "coverage_start_date")
    frame = parsing.with_instant(frame, "timestamp")
    frame = parsing.with_folded(frame, spellings)
    frame = parsing.with_numbers(frame, "age", "bmi", "children", "charges")
    frame = frame.with_columns(parsing.amount("charges").alias("charges_number"))
    frame = frame.with_columns(
        _cutoff_days().alias("cutoff_days"),
        parsing.whole("age_number").alias("age_stated"),
        _age_on(day).alias("age_from_birth"),
        parsing.whole("children_number").alias("children_whole"),
        zip3("zip_code").alias("zip3"),
    )
    frame = frame.with_columns(nw.coalesce("age_stated", "age_from_birth").alias("age_years"))
    frame = frame.with_columns(_broken_rules(_rules(day=day, policy=policy)).alias("broken_rules"))
    return _tidy(frame, day=day, policy=policy)


def valid_patients(records: Frame) -> Frame:
    """The records that break no rule."""
    return records.filter(nw.col("broken_rules") == 0)


def quarantined_records(records: Frame, *, policy: Policy) -> Frame:
    """The refused records: all their reasons, and of their values only those that could be read and are plausible."""
    return with_reasons(records.filter(nw.col("broken_rules") != 0), policy=policy)


def with_reasons(records: Frame, *, policy: Policy) -> Frame:
    """The records with `reasons` (list of sentences, null for a valid record) in the place of `broken_rules`."""
    broken = nw.col("broken_rules")
    sentences = [
        nw.when(broken // 2**number % 2 == 1).then(nw.lit(sentence))
        for number, (_, sentence) in enumerate(_rules(day=date.min, policy=policy), start=1)
    ]
    joined = nw.concat_str([nw.col("malformed"), *sentences], separator=_REASON_SEPARATOR, ignore_nulls=True)
    text = nw.when(joined.str.len_chars() > 0).then(joined)
    return (
        records.with_columns(text.alias("reasons_text"))
        .with_columns(nw.col("reasons_text").str.split(_REASON_SEPARATOR).alias("reasons"))
        .drop("broken_rules", "malformed", "reasons_text")
    )


def with_order(records: Frame) -> Frame:
    """The records made ready for `NEWEST_BY`: one without a timestamp is older than any with one."""
    return records.with_columns(nw.coalesce(nw.col("instant"), nw.lit(-(2**62)).cast(nw.Int64)).alias("instant"))


def _age_on(day: date) -> nw.Expr:
    """Completed years from the birth date to the day; null without a birth date, negative for one after the day."""
    month, day_of_month = nw.col("birth_date_month"), nw.col("birth_date_day")
    birthday_to_come = (month > day.month) | ((month == day.month) & (day_of_month > day.day))
    return day.year - nw.col("birth_date_year") - birthday_to_come.cast(nw.Int64)


def _cutoff_days() -> nw.Expr:
    cutoff = nw.col("cutoff")
    year, month, day = (part.cast(nw.Int64) for part in (cutoff.dt.year(), cutoff.dt.month(), cutoff.dt.day()))
    return parsing.days_since_epoch(year, month, day)


def _rules(*, day: date, policy: Policy) -> list[tuple[nw.Expr, str]]:
    """When a rule is broken, and the sentence that says so.

    The sentences name columns and limits and never a value: a cell may hold anything, a name in the age column too.
    """
    ranges = policy.ranges
    given = {name: ~nw.col(name).is_null() for name in SOURCE_COLUMNS}
    return [
        (nw.col("id_expected") & ~given["patient_id"], "patient_id is missing"),
        (~given["age"] & ~given["birth_date"], "age and birth_date are missing"),
        (given["age"] & nw.col("age_number").is_null(), "age is not a number"),
        (given["birth_date"] & nw.col("birth_date_days").is_null(), "birth_date is not a date"),
        (
            nw.col("birth_date_days") > (day - date(1970, 1, 1)).days,
            "birth_date is in the future",
        ),
        (_outside(nw.col("age_number"), ranges.age_years), f"age is outside {_span(ranges.age_years)} years"),
        (
            nw.col("age_from_birth") > ranges.age_years[1],
            f"birth_date is more than {ranges.age_years[1]} years ago",
        ),
        (~given["sex"], "sex is missing"),
        (given["sex"] & nw.col("sex_folded").is_null(), "sex is not female or male"),
        (~given["region"], "region is missing"),
        (
            given["region"] & nw.col("region_folded").is_null(),
            "region is not northeast, northwest, southeast or southwest",
        ),
        (~given["bmi"], "bmi is missing"),
        (given["bmi"] & nw.col("bmi_number").is_null(), "bmi is not a number"),
        (_outside(nw.col("bmi_number"), ranges.bmi), f"bmi is outside {_span(ranges.bmi)}"),
        (~given["smoker"], "smoker is missing"),
        (given["smoker"] & nw.col("smoker_folded").is_null(), "smoker is not yes or no"),
        (~given["children"], "children is missing"),
        (given["children"] & nw.col("children_number").is_null(), "children is not a number"),
        (
            ~nw.col("children_whole").is_null() & (nw.col("children_whole") != nw.col("children_number")),
            "children is not a whole number",
        ),
        (_outside(nw.col("children_number"), ranges.children), f"children is outside {_span(ranges.children)}"),
        (given["charges"] & nw.col("charges_number").is_null(), "charges is not a number"),
        (nw.col("charges_number") < ranges.charges[0], "charges is negative"),
        (nw.col("charges_number") > ranges.charges[1], f"charges is over {ranges.charges[1]:,.0f} dollars"),
        (
            given["coverage_start_date"] & nw.col("coverage_start_date_days").is_null(),
            "coverage_start_date is not a date",
        ),
        (
            nw.col("coverage_start_date_days") > nw.col("cutoff_days") + ranges.coverage_lead_days,
            f"coverage_start_date is more than {ranges.coverage_lead_days} days ahead",
        ),
        (given["timestamp"] & nw.col("timestamp_instant").is_null(), "timestamp is not a date and time"),
        (
            nw.col("timestamp_instant") >= (nw.col("cutoff_days") + 1) * parsing.MICROSECONDS_PER_DAY,
            "timestamp is in the future",
        ),
        (given["zip_code"] & nw.col("zip3").is_null(), "zip_code is not a ZIP code of five or nine digits"),
    ]


def _broken_rules(rules: Sequence[tuple[nw.Expr, str]]) -> nw.Expr:
    """One number for all rules that a record breaks: 2 for the first, 4 for the second ...; 1 for a malformed record.

    Texts are made of it for the few that are refused: made for every record, they took an eighth of the time.
    """
    broken = (nw.when(rule).then(nw.lit(2**number)).otherwise(nw.lit(0)) for number, (rule, _) in enumerate(rules, 1))
    total = nw.sum_horizontal(*(power.cast(nw.Int64) for power in broken))
    return nw.when(nw.col("malformed").is_null()).then(total).otherwise(nw.lit(1).cast(nw.Int64))


def _span(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:g}–{bounds[1]:g}"


def _outside(value: nw.Expr, bounds: tuple[float, float]) -> nw.Expr:
    return (value < bounds[0]) | (value > bounds[1])


def _within(value: nw.Expr, bounds: tuple[float, float]) -> nw.Expr:
    return nw.when((value >= bounds[0]) & (value <= bounds[1])).then(value)


def _tidy(frame: Frame, *, day: date, policy: Policy) -> Frame:
    """The columns that leave this module, under their silver names; of the identifiers only `identity`.

    A number outside its range does not leave: it may be a telephone number that slipped a column. Nor does a year of
    coverage that tells an age over 89, which Safe Harbor (C) counts among the dates.
    """
    ranges = policy.ranges
    coverage_year = nw.col("coverage_start_date_year")
    delivered = nw.sum_horizontal((~nw.coalesce(*names).is_null()).cast(nw.Int64) for names in _EXPECTED_VALUES)
    age = _within(nw.col("age_years"), ranges.age_years)
    capped_age = nw.coalesce(nw.when(age >= SAFE_HARBOR_AGE).then(nw.lit(SAFE_HARBOR_AGE).cast(nw.Int64)), age)
    plan = nw.coalesce(
        nw.col("insurance_plan_folded"), nw.when(~nw.col("insurance_plan").is_null()).then(nw.lit("other"))
    )
    derived = nw.concat_str(
        [
            nw.lit("record"),
            *(nw.coalesce(nw.col(name), nw.lit("")) for name in SOURCE_COLUMNS if name not in _NOT_IN_DERIVED_IDS),
        ],
        separator="\x1f",
    )
    derivable = ~nw.col("id_expected") & nw.col("malformed").is_null()
    identity = nw.coalesce(nw.col("patient_id"), nw.when(derivable).then(derived))
    return frame.select(
        identity.alias("identity"),
        capped_age.alias("age"),
        nw.col("sex_folded").alias("sex"),
        nw.col("region_folded").alias("region"),
        _within(nw.col("bmi_number"), ranges.bmi).alias("bmi"),
        (nw.col("smoker_folded") == "yes").alias("smoker"),
        _within(nw.col("children_whole"), ranges.children).alias("children"),
        _within(nw.col("charges_number"), ranges.charges).alias("charges"),
        plan.alias("insurance_plan"),
        nw.when(coverage_year > day.year - SAFE_HARBOR_AGE).then(coverage_year).alias("coverage_start_year"),
        nw.col("zip3"),
        (delivered.cast(nw.Float64) * 100 / len(_EXPECTED_VALUES)).alias("data_quality_score"),
        nw.col("timestamp_instant").alias("instant"),
        nw.col("source_row"),
        nw.col("broken_rules"),
        nw.col("malformed"),
    )
