"""`silver_patients` → `dim_patients`: the day merged into the slowly changing dimension."""

from datetime import date

import narwhals as nw

from healthcare_assets.domain import checks
from healthcare_assets.domain.dimension import affected_patients, changes, history_before, versions
from healthcare_assets.domain.tables import DIM_PATIENTS, SILVER_PATIENTS
from healthcare_assets.resources.lakehouse import Frame
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, counts, row_count


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse = runtime.lakehouse

    def stage() -> tuple[Frame, Frame]:
        todays = lakehouse.scan(SILVER_PATIENTS, day=day)
        dimension = lakehouse.scan(DIM_PATIENTS)
        affected = affected_patients(dimension, todays, day=day)
        present = dimension.join(affected, on="patient_key", how="semi")
        return changes(present, versions(_history(runtime, day, present=present, affected=affected, todays=todays)))

    rows = lakehouse.update(DIM_PATIENTS, stage)
    dimension = lakehouse.scan(DIM_PATIENTS)
    current = counts(lakehouse, checks.current_records(dimension))
    nulls = counts(lakehouse, checks.null_counts(DIM_PATIENTS, dimension))
    return (
        AssetReport(
            asset=DIM_PATIENTS.name,
            location=lakehouse.location(DIM_PATIENTS),
            rows_in_table=row_count(lakehouse, dimension),
            metadata={"rows_changed": rows, "patients": current["patients"]},
            checks=(checks.schema(DIM_PATIENTS, dimension, nulls), checks.one_current_record(current)),
        ),
    )


def _history(runtime: Runtime, day: date, *, present: Frame, affected: Frame, todays: Frame) -> Frame:
    """The days that the affected patients' versions follow from.

    When no later day is there, the versions themselves tell all of the past that matters, and silver's other days are
    not read; otherwise every day of these patients is.
    """
    lakehouse = runtime.lakehouse
    if max(lakehouse.days(SILVER_PATIENTS), default=day) <= day:
        past = history_before(present, day=day)
        return nw.concat([past, todays.select(*past.collect_schema().names())])
    return lakehouse.scan(SILVER_PATIENTS).join(affected, on="patient_key", how="semi")
