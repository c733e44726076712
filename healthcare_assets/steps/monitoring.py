"""The day against what its model was trained on, predictions against costs → `drift_report`, `model_performance`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain import checks
from healthcare_assets.domain.columns import PARTITION_COLUMN, Table
from healthcare_assets.domain.figures.costs import observed_figure
from healthcare_assets.domain.figures.drift import days_figure, drift_figure, drifted
from healthcare_assets.domain.model_features import LABEL, MODEL_FEATURES
from healthcare_assets.domain.monitoring import drift, report
from healthcare_assets.domain.monitoring.checks import (
    DELIVERED_CHARGES,
    OBSERVED_CHARGES,
    Seen,
    day_checks,
    drift_alert,
)
from healthcare_assets.domain.monitoring.findings import (
    Distribution,
    DriftStatistic,
    HistoryPoint,
    MonitoredDay,
)
from healthcare_assets.domain.monitoring.performance import newest_matured
from healthcare_assets.domain.monitoring.profile import COUNT_COLUMNS, Cells, Profile, added_up, counter
from healthcare_assets.domain.monitoring.report_performance import service_days
from healthcare_assets.domain.monitoring.retraining import MonitoredEvidence
from healthcare_assets.domain.monitoring.tables import DRIFT_REPORT, MODEL_PERFORMANCE, OBSERVED_OUTCOMES
from healthcare_assets.domain.reference import PREDICTED_CHARGES, ReferenceProfile
from healthcare_assets.domain.tables import PREDICTIONS, QUARANTINED_PATIENTS, RISK_FEATURES, SILVER_PATIENTS
from healthcare_assets.environments import made_folder
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Frame
from healthcare_assets.steps.performance import performance
from healthcare_assets.steps.pictures import shown
from healthcare_assets.steps.report import AssetReport, Link, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, counts, row_count

_SERVICE_DAYS_DRAWN = 60
"""In the metadata, which are stored with every day."""


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """What the day is compared with: None and why, when there is nothing."""

    version: str | None
    profile: ReferenceProfile | None
    missing: str | None = None


def run(runtime: Runtime, day: date) -> StepReport:
    lakehouse = runtime.lakehouse
    reference = _reference(runtime, day)
    predictions = row_count(lakehouse, lakehouse.scan(PREDICTIONS, day=day))
    statistics, distributions = _drift(runtime, day, reference, predictions)
    # The scale of the day's own model is at hand already.
    known = {reference.version: reference.profile.charges} if reference.version and reference.profile else {}
    found = performance(runtime, day, known=known)
    seen = Seen(
        day=day,
        model_version=reference.version,
        without_reference=reference.missing,
        predictions=predictions,
        drift=statistics,
        performance=found,
    )
    outcomes = day_checks(seen, policy=runtime.policy)
    monitored = MonitoredDay(
        day=day,
        model_name=runtime.registry.name,
        model_version=reference.version,
        predictions=predictions,
        reference_patients=reference.profile.patients if reference.profile else 0,
        drift=statistics,
        distributions=distributions,
        history=_history(runtime, day, statistics, reference.version),
        performance=found,
        checks=outcomes,
    )
    version = {"model_version": reference.version}
    rows = _write(runtime, DRIFT_REPORT, day, [asdict(statistic) | version for statistic in statistics])
    rows_of_performance = _write(runtime, MODEL_PERFORMANCE, day, [asdict(finding) for finding in found])
    page = _page(runtime, monitored)
    evidence = _evidence(runtime, seen, outcomes)
    _record(runtime, monitored, evidence, page)
    written = lakehouse.scan(DRIFT_REPORT, day=day)
    nulls = counts(lakehouse, checks.null_counts(DRIFT_REPORT, written))
    return (
        AssetReport(
            asset=DRIFT_REPORT.name,
            location=lakehouse.location(DRIFT_REPORT),
            rows=rows,
            metadata={
                "report": Link(page.absolute().as_uri()),
                "report_path": str(page.absolute()),
                "checks": Markdown(_listed(outcomes)),
                "predictions": predictions,
                "columns_drifted": len(drifted(monitored)),
                **_pictures(monitored),
                **evidence.as_metadata(),
            },
            checks=(checks.schema(DRIFT_REPORT, written, nulls), *outcomes),
        ),
        AssetReport(
            asset=MODEL_PERFORMANCE.name, location=lakehouse.location(MODEL_PERFORMANCE), rows=rows_of_performance
        ),
    )


def _pictures(monitored: MonitoredDay) -> dict[str, Markdown]:
    figures = {
        "drift": drift_figure(monitored),
        "days": days_figure(monitored),
        "observed": observed_figure(service_days(monitored)[-_SERVICE_DAYS_DRAWN:]),
    }
    return shown({name: figure for name, figure in figures.items() if figure is not None})


def _reference(runtime: Runtime, day: date) -> _Reference:
    """The model that scored the day, else the champion."""
    lakehouse, registry = runtime.lakehouse, runtime.registry
    scored_by = lakehouse.collect(lakehouse.scan(PREDICTIONS, day=day).select("model_version").unique()).to_pylist()
    version: str | None = scored_by[0]["model_version"] if scored_by else None
    if version is None and (champion := registry.version_by_alias("champion")) is not None:
        version = champion.version
    if version is None:
        missing = (
            f"No model has scored {day} and none is champion, so there is nothing to compare the day with: "
            "materialise trained_model and governance_verdict, then the day's predictions."
        )
        return _Reference(version=None, profile=None, missing=missing)
    try:
        return _Reference(version=version, profile=registry.reference(version))
    except RegistryError as error:
        missing = f"What version {version} was trained on cannot be read, so {day} cannot be compared with it: {error}"
        return _Reference(version=version, profile=None, missing=missing)


def _drift(
    runtime: Runtime, day: date, reference: _Reference, predictions: int
) -> tuple[tuple[DriftStatistic, ...], tuple[Distribution, ...]]:
    policy, profile = runtime.policy, reference.profile
    if profile is None:
        return (drift.volume(predictions, reference=0, policy=policy),), ()
    profiles: dict[str, Profile] = {**profile.numeric, **profile.categorical}
    scan = runtime.lakehouse.scan
    features = scan(RISK_FEATURES, day=day)
    delivered = scan(SILVER_PATIENTS, day=day).filter(~nw.col(LABEL).is_null())
    observed = scan(OBSERVED_OUTCOMES, day=day)
    present = set(features.collect_schema().names())
    missing = [name for name in profiles if name not in present and name not in (LABEL, PREDICTED_CHARGES)]
    of_features = {name: profiles[name] for name in MODEL_FEATURES if name in profiles and name in present}
    cells = {
        **_cells(runtime, features, of_features),
        **_cells(runtime, scan(PREDICTIONS, day=day), {PREDICTED_CHARGES: profiles[PREDICTED_CHARGES]}),
        **_cells(runtime, delivered, {DELIVERED_CHARGES: profiles[LABEL]}),
    }
    # Missing values lie among the refused records, since silver has none.
    attributes = {name: found for name, found in of_features.items() if name in QUARANTINED_PATIENTS.column_names}
    refused = _cells(runtime, scan(QUARANTINED_PATIENTS, day=day), attributes)
    cells |= {name: replace(cells[name], nulls=cells[name].nulls + found.nulls) for name, found in refused.items()}
    cells[OBSERVED_CHARGES] = _cells(runtime, observed, {LABEL: profiles[LABEL]})[LABEL]
    profiles[OBSERVED_CHARGES] = profiles[LABEL]
    statistics = [
        statistic
        for name, found in cells.items()
        for statistic in drift.column_statistics(name, profiles[name], found, policy=policy)
    ]
    statistics += [drift.missing_column(name, profiles[name]) for name in missing]
    statistics.append(drift.volume(predictions, reference=profile.patients, policy=policy))
    return tuple(statistics), tuple(drift.distribution(name, profiles[name], found) for name, found in cells.items())


def _cells(runtime: Runtime, frame: Frame, profiles: Mapping[str, Profile]) -> dict[str, Cells]:
    """The columns of the frame on the grids of their profiles, in one pass."""
    lakehouse = runtime.lakehouse
    partial = lakehouse.map_batches(frame.select(*profiles), counter(profiles), columns=COUNT_COLUMNS)
    summed = partial.group_by("column", "cell").agg(nw.col("rows").sum(), nw.col("total").sum())
    return added_up(lakehouse.collect(summed), profiles)


def _history(
    runtime: Runtime, day: date, statistics: Sequence[DriftStatistic], version: str | None
) -> tuple[HistoryPoint, ...]:
    """The statistics of the days before, as their reports have them, and the day's own."""
    lakehouse = runtime.lakehouse
    first = day - timedelta(days=runtime.policy.monitoring.history_days - 1)
    partition = nw.col(PARTITION_COLUMN)
    before = lakehouse.scan(DRIFT_REPORT).filter(partition >= nw.lit(first), partition < nw.lit(day))
    names = ["column", "statistic", "value", "threshold", "alert", "n_current", "model_version"]
    rows = lakehouse.collect(before.select(*names, PARTITION_COLUMN)).to_pylist()
    rows.sort(key=lambda row: row[PARTITION_COLUMN])
    own = [HistoryPoint.of(found, day=day, model_version=version) for found in statistics]
    return (*(HistoryPoint(day=row.pop(PARTITION_COLUMN), **row) for row in rows), *own)


def _write(runtime: Runtime, table: Table, day: date, rows: Sequence[Mapping[str, object]]) -> int:
    columns = table.content_columns
    batch = pa.RecordBatch.from_pylist(list(rows), schema=arrow_schema(columns))
    lakehouse = runtime.lakehouse
    return lakehouse.replace_day(table, day, lakehouse.from_batches([batch], columns=columns))


def _page(runtime: Runtime, monitored: MonitoredDay) -> Path:
    """Write the day's report as a page, whole or not at all."""
    folder = made_folder(runtime.settings.reports_root)
    path = folder / f"drift_report_{monitored.day}.html"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(report.html(monitored, policy=runtime.policy), encoding="utf-8")
    unfinished.replace(path)
    return path


def _record(runtime: Runtime, monitored: MonitoredDay, evidence: MonitoredEvidence, page: Path) -> None:
    """A run of the monitoring experiment: aggregates only."""
    metrics = {f"{found.column}.{found.statistic}": found.value for found in monitored.drift if found.value is not None}
    if evidence.matured_mae is not None:
        metrics["risk_score_mae"] = evidence.matured_mae
    runtime.registry.record_run(
        "monitoring",
        f"{monitored.day} version {monitored.model_version}",
        metrics=metrics,
        tags={
            "partition_date": monitored.day.isoformat(),
            "model_version": monitored.model_version or "none",
            "failed_checks": ", ".join(check.name for check in monitored.checks if not check.passed) or "none",
            "code_version": runtime.code_version,
            "dagster_run_id": runtime.run_id,
        },
        files={page.name: page.read_bytes()},
    )


def _evidence(runtime: Runtime, seen: Seen, outcomes: Sequence[checks.CheckOutcome]) -> MonitoredEvidence:
    newest = newest_matured(seen.performance, policy=runtime.policy)
    return MonitoredEvidence(
        day=seen.day,
        monitored_at=runtime.now,
        model_version=seen.model_version,
        drift=drift_alert(outcomes),
        matured_mae=newest.risk_score_mae if newest else None,
        matured_day=newest.service_date if newest else None,
        matured_version=newest.model_version if newest else None,
    )


def _listed(outcomes: Sequence[checks.CheckOutcome]) -> str:
    rows = [f"| {check.name} | {check.metadata['status']} | {check.description} |" for check in outcomes]
    return "\n".join(["| check | status | what was seen |", "|---|---|---|", *rows])
