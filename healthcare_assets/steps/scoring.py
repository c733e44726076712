"""`risk_features` → `predictions`: the champion scores the day's patients, batch by batch."""

from datetime import date
from functools import partial

import narwhals as nw

from healthcare_assets.domain import checks
from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.scoring import score
from healthcare_assets.domain.tables import PREDICTIONS, RISK_FEATURES
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, counts


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse, registry = runtime.lakehouse, runtime.registry
    champion = registry.required_version("champion")
    scoring = partial(score, model=registry.load(champion), predicted_at=runtime.now, policy=runtime.policy)
    features = lakehouse.scan(RISK_FEATURES, day=day)
    columns = [column for column in PREDICTIONS.columns if column.name != PARTITION_COLUMN]
    rows = lakehouse.replace_day(PREDICTIONS, day, lakehouse.map_batches(features, scoring, columns=columns))
    written = lakehouse.scan(PREDICTIONS, day=day)
    patients = counts(lakehouse, features.select(nw.len().cast(nw.Int64).alias("patients")))["patients"]
    nulls = counts(lakehouse, checks.null_counts(PREDICTIONS, written))
    found = counts(lakehouse, checks.incomplete_predictions(written))
    return (
        AssetReport(
            asset=PREDICTIONS.name,
            location=lakehouse.location(PREDICTIONS),
            rows=rows,
            metadata={"model_version": champion.version},
            checks=(checks.schema(PREDICTIONS, written, nulls), checks.complete_predictions(found, patients=patients)),
        ),
    )
