"""Source → `bronze_patients`: the day's records as they were delivered."""

from datetime import date

from healthcare_assets.domain.tables import BRONZE_PATIENTS
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse, source = runtime.lakehouse, runtime.source
    delivery = source.read(day)
    records = lakehouse.streamed(delivery.batches, columns=BRONZE_PATIENTS.content_columns)
    rows = lakehouse.replace_day(BRONZE_PATIENTS, day, records)
    for note in delivery.notes:
        runtime.log(note)
    return (
        AssetReport(
            asset=BRONZE_PATIENTS.name,
            location=lakehouse.location(BRONZE_PATIENTS),
            rows=rows,
            metadata={"source": source.description, "notes": " ".join(delivery.notes)},
        ),
    )
