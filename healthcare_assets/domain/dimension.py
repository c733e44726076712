"""The patient dimension: slowly changing, type 2.

The table is a function of the days' patients alone: for each patient, in the order of days, a new version begins where
an attribute differs from the day before. So it is the same in whatever order days arrive and however often one is
replayed.
"""

from datetime import date
from typing import Any

import narwhals as nw

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.tables import DIM_PATIENTS

Frame = nw.LazyFrame[Any]

ATTRIBUTES = (
    "age",
    "sex",
    "region",
    "bmi",
    "smoker",
    "children",
    "charges",
    "insurance_plan",
    "coverage_start_year",
    "zip3",
)
"""The attributes whose change begins a new version."""

_VERSION_COLUMNS = ("expiry_date", "is_current_record", "record_version")


def versions(history: Frame) -> Frame:
    """The versions of each patient.

    `history` has one row a patient and day: `patient_key`, the attributes, `partition_date`. Returns the columns of
    `dim_patients`.
    """
    by_day = {"order_by": PARTITION_COLUMN}
    frame = history.select("patient_key", *ATTRIBUTES, PARTITION_COLUMN).with_columns(_signature().alias("signature"))
    frame = frame.with_columns(nw.col("signature").shift(1).over("patient_key", **by_day).alias("signature_before"))
    starts = frame.filter(nw.col("signature_before").is_null() | (nw.col("signature") != nw.col("signature_before")))
    return (
        starts.with_columns(
            nw.col(PARTITION_COLUMN).alias("effective_date"),
            nw.col(PARTITION_COLUMN).shift(-1).over("patient_key", **by_day).alias("expiry_date"),
            nw.col("patient_key").cum_count().over("patient_key", **by_day).cast(nw.Int64).alias("record_version"),
        )
        .with_columns(nw.col("expiry_date").is_null().alias("is_current_record"))
        .select(*DIM_PATIENTS.column_names)
    )


def moved_patients(current: Frame, todays: Frame) -> Frame:
    """The day's patients who are new or whose attributes are not those of their current version: `next_versions` of
    them.

    `current` has the current versions, in the columns of `dim_patients`, `todays` the day's patients.
    """
    known = current.select(
        "patient_key",
        "effective_date",
        "record_version",
        *(nw.col(name).alias(f"{name}_before") for name in ATTRIBUTES),
    )
    compared = todays.select("patient_key", *ATTRIBUTES).join(known, on="patient_key", how="left")
    differs = nw.any_horizontal(
        (~_same(nw.col(name), nw.col(f"{name}_before")) for name in ATTRIBUTES), ignore_nulls=True
    )
    return compared.filter(nw.col("record_version").is_null() | differs)


def next_versions(moved: Frame, *, day: date) -> Frame:
    """The versions to write for a day after the beginning of every version: what `versions` would change then.

    Of `moved_patients`, those who have a current version have it closed and a new one begun; the others get a first.
    """
    begun = moved.with_columns(
        nw.lit(day).alias("effective_date"),
        nw.lit(None).cast(nw.Date).alias("expiry_date"),
        nw.lit(True).alias("is_current_record"),  # noqa: FBT003
        (nw.coalesce(nw.col("record_version"), nw.lit(0).cast(nw.Int64)) + 1).alias("record_version"),
    )
    closed = moved.filter(~nw.col("record_version").is_null()).with_columns(
        *(nw.col(f"{name}_before").alias(name) for name in ATTRIBUTES),
        nw.lit(day).alias("expiry_date"),
        nw.lit(False).alias("is_current_record"),  # noqa: FBT003
    )
    return nw.concat([frame.select(*DIM_PATIENTS.column_names) for frame in (begun, closed)])


def _same(value: nw.Expr, other: nw.Expr) -> nw.Expr:
    """Whether two values are equal, where a null equals a null."""
    return nw.coalesce(value == other, value.is_null() & other.is_null())


def affected_patients(dimension: Frame, todays: Frame, *, day: date) -> Frame:
    """The keys whose versions the day can change: its patients, and those for whom it began a version before.

    A patient whom the day held before, unchanged from the day before that, began no version there: leaving the day out
    changes nothing for them.
    """
    before = dimension.filter(nw.col("effective_date") == nw.lit(day)).select("patient_key")
    return nw.concat([todays.select("patient_key"), before]).unique("patient_key")


def history_before(dimension: Frame, *, day: date) -> Frame:
    """What a day at the end of time needs of the past: the versions that began before it, as days of their own.

    Days without a change may be missing from it: they begin no version as long as nothing is put between them.
    """
    return dimension.filter(nw.col("effective_date") < nw.lit(day)).select(
        "patient_key", *ATTRIBUTES, nw.col("effective_date").alias(PARTITION_COLUMN)
    )


def changes(present: Frame, wanted: Frame) -> tuple[Frame, Frame]:
    """The rows to write and the keys to delete that turn the `present` versions of some patients into the `wanted`.

    Rows that are there already are left out, so a replay of the same day writes nothing.
    """
    key = list(DIM_PATIENTS.key)
    compared = present.with_columns(_signature().alias("signature"), nw.col("record_version").alias("there")).select(
        *key, "signature", *_VERSION_COLUMNS, "there"
    )
    joined = wanted.with_columns(_signature().alias("signature")).join(compared, on=key, how="left", suffix="_present")
    never = nw.lit(date(1900, 1, 1))
    same = (
        ~nw.col("there").is_null()
        & (nw.col("signature") == nw.col("signature_present"))
        & (nw.col("record_version") == nw.col("record_version_present"))
        & (nw.coalesce(nw.col("expiry_date"), never) == nw.coalesce(nw.col("expiry_date_present"), never))
    )
    upserts = joined.filter(~same | nw.col("there").is_null()).select(*DIM_PATIENTS.column_names)
    deletes = present.select(*key).join(wanted.select(*key), on=key, how="anti")
    return upserts, deletes


def as_of(dimension: Frame, *, day: date) -> Frame:
    """The version of each patient that was valid on the day."""
    open_ended = nw.col("expiry_date").is_null() | (nw.col("expiry_date") > nw.lit(day))
    return dimension.filter((nw.col("effective_date") <= nw.lit(day)) & open_ended)


def _signature() -> nw.Expr:
    """All attributes as one text, so that a change is one comparison and a null equals a null."""
    return nw.concat_str(
        [nw.coalesce(nw.col(name).cast(nw.String), nw.lit("")) for name in ATTRIBUTES], separator="\x1f"
    )
