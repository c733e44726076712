"""`bronze_patients` → `silver_patients` and `quarantined_patients`: cleaned, de-identified, one row a patient."""

from datetime import date

import narwhals as nw

from healthcare_assets.domain import checks, cleaning, deidentification
from healthcare_assets.domain.columns import PARTITION_COLUMN, Column
from healthcare_assets.domain.retention import kept_from
from healthcare_assets.domain.tables import BRONZE_PATIENTS, QUARANTINED_PATIENTS, SILVER_PATIENTS
from healthcare_assets.domain.zip_codes import RESTRICTED_PREFIXES
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.source_mapping import source_spellings
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, content_of, counts, counts_by_key, ranges_of, row_count

RECORD_COLUMNS = (
    *(c for c in QUARANTINED_PATIENTS.columns if c.name not in ("reasons", "source_row", PARTITION_COLUMN)),
    Column(name="data_quality_score", type="float", description=""),
    Column(name="instant", type="integer", description="", nullable=True),
    Column(name="source_row", type="integer", description=""),
    Column(name="broken_rules", type="integer", description=""),
    Column(name="malformed", type="string", description="", nullable=True),
)


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse, policy = runtime.lakehouse, runtime.policy
    _check_not_expired(runtime, day)
    records = pseudonymised_records(runtime, day)
    parts = lakehouse.divided(records, ranges_of(lakehouse, lakehouse.scan(BRONZE_PATIENTS, day=day)))
    quarantined = content_of(QUARANTINED_PATIENTS, cleaning.quarantined_records(nw.concat(parts), policy=policy))
    rows_quarantined = lakehouse.replace_day(QUARANTINED_PATIENTS, day, quarantined)
    rows_silver = lakehouse.replace_day(SILVER_PATIENTS, day, *(_patients(lakehouse, part) for part in parts))
    return (
        AssetReport(
            asset=SILVER_PATIENTS.name,
            location=lakehouse.location(SILVER_PATIENTS),
            rows=rows_silver,
            metadata={"zip3_by": RESTRICTED_PREFIXES.version},
            checks=_checks(runtime, day),
        ),
        AssetReport(
            asset=QUARANTINED_PATIENTS.name, location=lakehouse.location(QUARANTINED_PATIENTS), rows=rows_quarantined
        ),
    )


def pseudonymised_records(runtime: Runtime, day: date) -> Frame:
    """The day's records of bronze with pseudonyms in the place of identities: a row a record."""
    return runtime.lakehouse.map_batches(
        cleaning.read_records(
            runtime.lakehouse.scan(BRONZE_PATIENTS, day=day),
            day=day,
            policy=runtime.policy,
            spellings=source_spellings(runtime.settings.source_columns),
        ),
        deidentification.pseudonymiser(*runtime.pseudonym_keys),
        columns=RECORD_COLUMNS,
    )


def _check_not_expired(runtime: Runtime, day: date) -> None:
    """Bronze forgets before silver does: what is gone there must not empty the day here."""
    lakehouse = runtime.lakehouse
    expired = day < kept_from(BRONZE_PATIENTS, runtime.now.date(), runtime.policy.retention)
    if expired and day not in lakehouse.days(BRONZE_PATIENTS) and day in lakehouse.days(SILVER_PATIENTS):
        raise LakehouseError(
            f"The records of {day} have expired from bronze_patients, and silver_patients stays as it was: see that "
            "the source has them, materialize that day of bronze_patients, then this one."
        )


def _patients(lakehouse: Lakehouse, records: Frame) -> Frame:
    """The newest valid record of each patient."""
    valid = cleaning.with_order(cleaning.valid_patients(records))
    newest = lakehouse.latest(valid, key=["patient_key"], order_by=cleaning.NEWEST_BY, count_as="source_records")
    return content_of(
        SILVER_PATIENTS, newest.with_columns(deidentification.is_deidentified().alias("hipaa_deidentified"))
    )


def _checks(runtime: Runtime, day: date) -> tuple[checks.CheckOutcome, ...]:
    """What the tables themselves say, read back after writing."""
    lakehouse, policy = runtime.lakehouse, runtime.policy
    silver = lakehouse.scan(SILVER_PATIENTS, day=day)
    counted = {"rows": nw.len(), "duplicates": (nw.col("source_records") - 1).sum()}
    found = counts(
        lakehouse,
        silver.select(
            *(number.cast(nw.Int64).alias(name) for name, number in counted.items()), *checks.nulls(SILVER_PATIENTS)
        ),
    )
    distinct = nw.col("patient_key").n_unique().cast(nw.Int64).alias("patients")
    patients = counts_by_key(lakehouse, silver, lambda frame: frame.select(distinct))["patients"]
    records_in = row_count(lakehouse, lakehouse.scan(BRONZE_PATIENTS, day=day))
    quarantined = row_count(lakehouse, lakehouse.scan(QUARANTINED_PATIENTS, day=day))
    return (
        checks.schema(SILVER_PATIENTS, silver, found),
        checks.nothing_lost(
            records_in=records_in, silver=found["rows"], quarantined=quarantined, duplicates=found["duplicates"]
        ),
        checks.quarantine_rate(records_in=records_in, quarantined=quarantined, policy=policy),
        checks.one_row_per_patient(SILVER_PATIENTS, rows=found["rows"], patients=patients),
    )
