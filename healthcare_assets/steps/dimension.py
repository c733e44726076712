"""`silver_patients` → `dim_patients`: the day merged into the slowly changing dimension."""

from datetime import date
from functools import partial

import narwhals as nw

from healthcare_assets.domain import checks
from healthcare_assets.domain.dimension import (
    affected_patients,
    changes,
    history_before,
    moved_patients,
    next_versions,
    versions,
)
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.domain.tables import DIM_PATIENTS, SILVER_PATIENTS
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, counts, counts_by_key, ranges_of


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse = runtime.lakehouse
    ranges = ranges_of(lakehouse, lakehouse.scan(SILVER_PATIENTS, day=day), lakehouse.scan(DIM_PATIENTS))
    rows = lakehouse.update(DIM_PATIENTS, partial(_staged, runtime, day), ranges)
    dimension = lakehouse.scan(DIM_PATIENTS)
    current = counts_by_key(lakehouse, dimension, checks.current_records)
    stored = counts(lakehouse, dimension.select(nw.len().cast(nw.Int64).alias("rows"), *checks.nulls(DIM_PATIENTS)))
    return (
        AssetReport(
            asset=DIM_PATIENTS.name,
            location=lakehouse.location(DIM_PATIENTS),
            rows_in_table=stored["rows"],
            metadata={"rows_changed": rows, "patients": current["patients"]},
            checks=(checks.schema(DIM_PATIENTS, dimension, stored), checks.one_current_record(current)),
        ),
    )


def _staged(runtime: Runtime, day: date, keys: KeyRange) -> tuple[Frame, Frame]:
    """What the day changes about the patients of a range of keys: the rows to write, and the keys to delete."""
    lakehouse = runtime.lakehouse
    todays, dimension = keys.of(lakehouse.scan(SILVER_PATIENTS, day=day)), keys.of(lakehouse.scan(DIM_PATIENTS))
    is_last = max(lakehouse.days(SILVER_PATIENTS), default=day) <= day
    if is_last and _newest_version(lakehouse, dimension) < day:
        moved = lakehouse.once(moved_patients(dimension.filter("is_current_record"), todays))
        return next_versions(moved, day=day), dimension.filter(nw.col("effective_date").is_null()).select(
            *DIM_PATIENTS.key
        )
    affected = affected_patients(dimension, todays, day=day)
    present = dimension.join(affected, on="patient_key", how="semi")
    # When no later day is there, the versions themselves tell all of the past that matters, and silver's other days
    # are not read; otherwise every day of these patients is.
    past = history_before(present, day=day)
    history = (
        nw.concat([past, todays.select(*past.collect_schema().names())])
        if is_last
        else keys.of(lakehouse.scan(SILVER_PATIENTS)).join(affected, on="patient_key", how="semi")
    )
    return changes(present, versions(history))


def _newest_version(lakehouse: Lakehouse, dimension: Frame) -> date:
    """The day on which the newest of the versions began; the beginning of time when there is none."""
    newest = lakehouse.collect(dimension.select(nw.col("effective_date").max())).to_pylist()
    return newest[0]["effective_date"] or date.min
