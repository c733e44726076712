"""`risk_features` → `predictions`: the champion scores the day's patients, batch by batch."""

from datetime import date
from functools import partial

import narwhals as nw

from healthcare_assets.domain import checks
from healthcare_assets.domain.scoring import score
from healthcare_assets.domain.tables import PREDICTIONS, RISK_FEATURES
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, counts_by_key, row_count


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse, registry = runtime.lakehouse, runtime.registry
    champion = registry.required_version("champion")
    scoring = partial(score, model=registry.load(champion), predicted_at=runtime.now, policy=runtime.policy)
    features = lakehouse.scan(RISK_FEATURES, day=day)
    columns = PREDICTIONS.content_columns
    rows = lakehouse.replace_day(PREDICTIONS, day, lakehouse.map_batches(features, scoring, columns=columns))
    written = lakehouse.scan(PREDICTIONS, day=day)
    patients = row_count(lakehouse, features)
    _record(runtime, day, champion, _overview(runtime, day))
    asked = (*checks.incomplete_predictions(), *checks.nulls(PREDICTIONS))
    found = counts_by_key(lakehouse, written, lambda some: some.select(*asked))
    return (
        AssetReport(
            asset=PREDICTIONS.name,
            location=lakehouse.location(PREDICTIONS),
            rows=rows,
            metadata={"model_version": champion.version},
            checks=(checks.schema(PREDICTIONS, written, found), checks.complete_predictions(found, patients=patients)),
        ),
    )


def _overview(runtime: Runtime, day: date) -> dict[str, float]:
    """What the day's predictions are like as a whole."""
    written = runtime.lakehouse.scan(PREDICTIONS, day=day)
    row = runtime.lakehouse.collect(
        written.select(
            nw.len().cast(nw.Float64).alias("patients"),
            nw.col("predicted_charges").mean().alias("mean_predicted_charges"),
            nw.col("risk_score").mean().alias("mean_risk_score"),
            nw.col("high_risk_patient").cast(nw.Float64).mean().alias("high_risk_rate"),
            nw.col("requires_review").cast(nw.Float64).mean().alias("review_rate"),
        )
    ).to_pylist()[0]
    return {name: value for name, value in row.items() if value is not None}


def _record(runtime: Runtime, day: date, champion: ModelVersion, overview: dict[str, float]) -> None:
    """A run of the scoring experiment: aggregates only."""
    runtime.registry.record_run(
        "scoring",
        f"{day} version {champion.version}",
        metrics=overview,
        tags={
            "partition_date": day.isoformat(),
            "model_version": champion.version,
            "code_version": runtime.code_version,
            "dagster_run_id": runtime.run_id,
        },
    )
