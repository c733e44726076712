"""`dim_patients` → `risk_features`: features of the day's patients, as they were known on the day."""

from datetime import date

from healthcare_assets.domain import checks
from healthcare_assets.domain.dimension import as_of
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.tables import DIM_PATIENTS, RISK_FEATURES, SILVER_PATIENTS
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, counts, ranges_of, row_count


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse = runtime.lakehouse
    todays = lakehouse.scan(SILVER_PATIENTS, day=day).select("patient_key")
    dimension = lakehouse.scan(DIM_PATIENTS)
    patients = (
        as_of(keys.of(dimension), day=day).join(keys.of(todays), on="patient_key", how="semi")
        for keys in ranges_of(lakehouse, todays)
    )
    rows = lakehouse.replace_day(RISK_FEATURES, day, *(risk_features(some) for some in patients))
    written = lakehouse.scan(RISK_FEATURES, day=day)
    nulls = counts(lakehouse, checks.null_counts(RISK_FEATURES, written))
    outside = counts(lakehouse, checks.features_out_of_range(written, policy=runtime.policy))
    expected = row_count(lakehouse, todays)
    return (
        AssetReport(
            asset=RISK_FEATURES.name,
            location=lakehouse.location(RISK_FEATURES),
            rows=rows,
            checks=(
                checks.schema(RISK_FEATURES, written, nulls),
                checks.feature_ranges(outside),
                checks.one_row_per_patient(RISK_FEATURES, rows=rows, patients=expected),
            ),
        ),
    )
