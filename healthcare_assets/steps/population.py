"""`silver_patients`, `predictions` and `observed_outcomes` of a month → `population_health`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from healthcare_assets.domain import checks
from healthcare_assets.domain.figures.figure import Figure
from healthcare_assets.domain.figures.population import Rows, cell_figures, trend_figure, whole
from healthcare_assets.domain.month import month_before
from healthcare_assets.domain.population.cells import Cell, Sums, summed, sums_by_cell
from healthcare_assets.domain.population.health import (
    CHANGES,
    cell_of,
    no_small_cell_published,
    population_health,
    summary,
)
from healthcare_assets.domain.population.tables import POPULATION_HEALTH
from healthcare_assets.domain.tables import PREDICTIONS, SILVER_PATIENTS
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.steps.months import everybody, newest_of_month, of_month, patients_with_cost, rows_of_month
from healthcare_assets.steps.pictures import numbers, shown
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, counts, ranges_of

_PREDICTED = ("predicted_charges", "risk_score", "high_risk_patient")


def run(runtime: Runtime, month: date) -> StepReport:
    """`month` is the month's first day."""
    lakehouse = runtime.lakehouse
    before = _published(runtime, month_before(month))
    sums = _sums(runtime, month)
    columns = POPULATION_HEALTH.content_columns
    cells = population_health(sums, before=before)
    batch = pa.RecordBatch.from_pylist(cells, schema=arrow_schema(columns))
    rows = lakehouse.replace_day(POPULATION_HEALTH, month, lakehouse.from_batches([batch], columns=columns))
    written = lakehouse.scan(POPULATION_HEALTH, day=month)
    nulls = counts(lakehouse, checks.null_counts(POPULATION_HEALTH, written))
    published = _published(runtime, month)
    return (
        AssetReport(
            asset=POPULATION_HEALTH.name,
            location=lakehouse.location(POPULATION_HEALTH),
            rows=rows,
            metadata={
                "population": Markdown(summary(cells)),
                **shown(_figures(published, over_months=everybody(runtime, upto=month))),
                **numbers(whole(published) or {}, CHANGES),
                "cells_withheld": sum(row["suppressed"] for row in cells),
                "compared_with": str(month_before(month)) if before else "nothing: the month before is not there",
            },
            checks=(
                checks.schema(POPULATION_HEALTH, written, nulls),
                no_small_cell_published(published, before=before),
            ),
        ),
    )


def _figures(published: Rows, *, over_months: Rows) -> dict[str, Figure]:
    found = {f"charges_by_{name.replace('-', '_')}": figure for name, figure in cell_figures(published).items()}
    months = trend_figure(over_months)
    return found | ({"months": months} if months else {})


def _published(runtime: Runtime, month: date) -> Sequence[dict[str, Any]]:
    return sorted(rows_of_month(runtime, POPULATION_HEALTH, month), key=cell_of)


def _sums(runtime: Runtime, month: date) -> dict[Cell, Sums]:
    """The month's cells, summed up a range of patients at a time."""
    lakehouse = runtime.lakehouse
    ranges = ranges_of(lakehouse, of_month(runtime, SILVER_PATIENTS, month), of_month(runtime, PREDICTIONS, month))
    parts = [
        lakehouse.collect(
            summed(
                patients_with_cost(runtime, month, keys),
                newest_of_month(runtime, PREDICTIONS, month, keys, names=_PREDICTED),
            )
        )
        for keys in ranges
    ]
    return sums_by_cell(pa.concat_tables(parts).to_pandas())
