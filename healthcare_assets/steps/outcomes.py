"""Costs as they become known → `observed_outcomes` and `quarantined_outcomes`."""

from collections.abc import Callable
from datetime import date

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain import checks, deidentification
from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.monitoring import outcomes
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES, QUARANTINED_OUTCOMES
from healthcare_assets.domain.tables import DIM_PATIENTS
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.pseudonym_key import Keys
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, content_of, counts, row_count


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse = runtime.lakehouse
    delivery = runtime.outcomes.read(day)
    delivered = lakehouse.from_batches(delivery.batches, columns=outcomes.DELIVERED_COLUMNS)
    records = lakehouse.map_batches(
        outcomes.read_outcomes(delivered, day=day, policy=runtime.policy),
        _pseudonymiser(runtime.pseudonym_keys),
        columns=outcomes.RECORD_COLUMNS,
    )
    judged = outcomes.judged(records, lakehouse.scan(DIM_PATIENTS))
    observed = lakehouse.latest(
        outcomes.valid_outcomes(judged), key=outcomes.KEY, order_by=["source_row"], count_as="source_records"
    )
    quarantined = outcomes.quarantined_outcomes(judged)
    rows_quarantined = lakehouse.replace_day(QUARANTINED_OUTCOMES, day, content_of(QUARANTINED_OUTCOMES, quarantined))
    rows_observed = lakehouse.replace_day(OBSERVED_OUTCOMES, day, content_of(OBSERVED_OUTCOMES, observed))
    for note in delivery.notes:
        runtime.log(note)
    return (
        AssetReport(
            asset=OBSERVED_OUTCOMES.name,
            location=lakehouse.location(OBSERVED_OUTCOMES),
            rows=rows_observed,
            metadata={
                "source": runtime.outcomes.description,
                "notes": " ".join(delivery.notes),
                "quarantined": rows_quarantined,
            },
            checks=_checks(runtime, day, records_in=row_count(lakehouse, delivered)),
        ),
        AssetReport(
            asset=QUARANTINED_OUTCOMES.name, location=lakehouse.location(QUARANTINED_OUTCOMES), rows=rows_quarantined
        ),
    )


def newest_outcomes(lakehouse: Lakehouse, observed: Frame) -> Frame:
    """Of rows of `observed_outcomes`, each patient's and service date's newest."""
    return lakehouse.latest(observed, key=outcomes.KEY, order_by=[PARTITION_COLUMN])


def _pseudonymiser(keys: Keys) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    pseudonymise = deidentification.pseudonymiser(*keys)
    return lambda batch: outcomes.with_service_date(pseudonymise(batch))


def _checks(runtime: Runtime, day: date, *, records_in: int) -> tuple[checks.CheckOutcome, ...]:
    """What the tables themselves say, read back after writing."""
    lakehouse = runtime.lakehouse
    observed = lakehouse.scan(OBSERVED_OUTCOMES, day=day)
    found = counts(
        lakehouse,
        observed.select(
            nw.col("patient_key").len().cast(nw.Int64).alias("rows"),
            (nw.col("source_records") - 1).sum().alias("repetitions"),
        ),
    )
    return (
        checks.schema(OBSERVED_OUTCOMES, observed, counts(lakehouse, checks.null_counts(OBSERVED_OUTCOMES, observed))),
        checks.no_outcome_lost(
            records_in=records_in,
            observed=found["rows"],
            quarantined=row_count(lakehouse, lakehouse.scan(QUARANTINED_OUTCOMES, day=day)),
            repetitions=found["repetitions"],
        ),
    )
