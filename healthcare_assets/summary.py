"""What a run did, read back from the tables and the registry, in a short account."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import narwhals as nw
from rich.markup import escape
from rich.table import Table as Grid

from healthcare_assets.domain.candidates import GLM
from healthcare_assets.domain.columns import PARTITION_COLUMN, Table
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    DIM_PATIENTS,
    GOVERNANCE_VERDICT,
    PREDICTIONS,
    QUARANTINED_PATIENTS,
    RISK_CATEGORIES,
    SILVER_PATIENTS,
)
from healthcare_assets.domain.training import MEDIAN
from healthcare_assets.steps.governance import CARD, card_folder
from healthcare_assets.steps.runtime import Runtime, counts

if TYPE_CHECKING:
    from rich.console import Console


_DOLLAR_METRICS = {
    "r2_charges": ("R²", "{:.4f}"),
    "rmse_charges": ("root mean squared error", "{:,.0f}"),
    "mae_charges": ("mean absolute error", "{:,.0f}"),
    "predictive_ratio": ("predicted ÷ actual", "{:.4f}"),
    "top_share_of_cost": ("cost held by the flagged 5 %", "{:.1%}"),
    "interval_coverage": ("within the 90 % interval", "{:.1%}"),
}


def print_summary(runtime: Runtime, days: Sequence[date], console: "Console") -> None:
    """Records by day; the model, its criteria and the verdict; predictions by category; where everything lies."""
    console.print()
    console.print(_records(runtime, days))
    verdict = _latest_verdict(runtime)
    console.print(_criteria(verdict))
    console.print(_in_dollars(runtime))
    for reason in verdict["reasons"]:
        console.print(f"  {reason}", style="red", markup=False)
    champion = runtime.registry.version_by_alias("champion")
    if champion is None:
        console.print("[red]No model is champion, so nothing was predicted: read the reasons above.[/red]")
    else:
        console.print(f"\nThe champion that scores is version {champion.version}.")
        console.print(_predictions(runtime, days))
    console.print(_places(runtime))


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for number, column in enumerate(columns):
        grid.add_column(
            column, justify="left" if number == 0 else "right", style="dim" if number == 0 else None, overflow="fold"
        )
    return grid


def _records(runtime: Runtime, days: Sequence[date]) -> Grid:
    grid = _grid("Records", "day", "in", "silver", "quarantined", "duplicates")
    sums = [0, 0, 0, 0]
    for day in days:
        duplicates = (nw.col("source_records") - 1).sum().alias("duplicates")
        silver = runtime.lakehouse.scan(SILVER_PATIENTS, day=day)
        found = [
            _rows(runtime, BRONZE_PATIENTS, day),
            _rows(runtime, SILVER_PATIENTS, day),
            _rows(runtime, QUARANTINED_PATIENTS, day),
            counts(runtime.lakehouse, silver.select(duplicates))["duplicates"],
        ]
        sums = [total + number for total, number in zip(sums, found, strict=True)]
        grid.add_row(day.isoformat(), *(f"{number:,}" for number in found))
    if len(days) > 1:
        grid.add_row("in all", *(f"{number:,}" for number in sums))
    return grid


def _criteria(verdict: Mapping[str, Any]) -> Grid:
    grid = _grid(
        f"\nModel {verdict['model_name']} version {verdict['model_version']}: {verdict['decision']}",
        "criterion (held-out patients)",
        "value",
        "must be",
        "",
    )
    for criterion in verdict["criteria"]:
        value, passed = criterion["value"], criterion["passed"]
        grid.add_row(
            criterion["name"],
            "unknown" if value is None else f"{value:.4g}",
            f"{criterion['comparison']} {criterion['threshold']:g}",
            "[green]passed[/green]" if passed else "[red]failed[/red]",
        )
    return grid


def _in_dollars(runtime: Runtime) -> Grid:
    """The newest model's out-of-fold metrics that no criterion asks for, beside the actuary's model and the median."""
    challenger = runtime.registry.required_version("challenger")
    results, candidate = runtime.registry.results(challenger), runtime.registry.tags(challenger)["candidate"]
    shown = dict.fromkeys((candidate, GLM, MEDIAN))
    grid = _grid("\nIn dollars, out of fold", "metric", *shown)
    for metric, (label, form) in _DOLLAR_METRICS.items():
        grid.add_row(label, *(form.format(results[name][metric].value) for name in shown))
    return grid


def _predictions(runtime: Runtime, days: Sequence[date]) -> Grid:
    grid = _grid("\nPredictions by risk category", "day", *RISK_CATEGORIES, "in all")
    for day in days:
        frame = runtime.lakehouse.scan(PREDICTIONS, day=day)
        is_category = {name: (nw.col("risk_category") == name).cast(nw.Int64) for name in RISK_CATEGORIES}
        found = counts(runtime.lakehouse, frame.select(expr.sum().alias(name) for name, expr in is_category.items()))
        grid.add_row(day.isoformat(), *(f"{found[name]:,}" for name in RISK_CATEGORIES), f"{sum(found.values()):,}")
    return grid


def _places(runtime: Runtime) -> Grid:
    settings = runtime.settings
    grid = _grid("\nWhere things lie", "what", "where")
    grid.columns[1].justify = "left"
    verdict, challenger = _latest_verdict(runtime), runtime.registry.required_version("challenger")
    places = {
        "tables (Delta)": str(settings.lakehouse_root),
        "patients' history": runtime.lakehouse.location(DIM_PATIENTS),
        "predictions": runtime.lakehouse.location(PREDICTIONS),
        "care team's lists (CSV)": str(settings.exports_root),
        "model card": runtime.registry.attached(challenger, f"{card_folder(verdict['verdict_id'])}/{CARD}"),
        "models (MLflow)": runtime.registry.tracking_uri,
        "runs (Dagster)": str(settings.dagster_home),
        "the graph": "make dev, then http://127.0.0.1:3000",
    }
    for what, where in places.items():
        grid.add_row(what, escape(where))
    return grid


def _latest_verdict(runtime: Runtime) -> Mapping[str, Any]:
    table = runtime.lakehouse.collect(runtime.lakehouse.scan(GOVERNANCE_VERDICT))
    newest: Mapping[str, Any] = max(table.to_pylist(), key=lambda row: row["decided_at"])
    return newest


def _rows(runtime: Runtime, table: Table, day: date) -> int:
    frame = runtime.lakehouse.scan(table, day=day).select(nw.col(PARTITION_COLUMN).len().cast(nw.Int64).alias("rows"))
    return counts(runtime.lakehouse, frame)["rows"]
