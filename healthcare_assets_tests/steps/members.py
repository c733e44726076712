"""Small deliveries of patients and of their costs, and the runtime that reads them."""

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.tables import SILVER_PATIENTS, TABLES
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.steps.running import run_step
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.domain.frames import GOOD_RECORD
from healthcare_assets_tests.runtimes import KEY, runtime_at

PATIENT_STEPS = ("bronze", "silver", "dimension", "features")


def write_members(folder: Path, day: date, *records: Mapping[str, str | None]) -> None:
    with (folder / f"members-{day}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(n for r in (GOOD_RECORD, *records) for n in r)))
        writer.writeheader()
        writer.writerows([{**GOOD_RECORD, **record} for record in records])


def write_costs(folder: Path, day: date, *lines: str) -> None:
    text = "\n".join(["patient_id,charges,service_date", *lines, ""])
    (folder / f"costs-{day}.csv").write_text(text, encoding="utf-8")


def members_runtime(
    folder: Path, lakehouse: Lakehouse | None = None, *, key: str | None = KEY, next_key: str = ""
) -> Runtime:
    return runtime_at(
        folder,
        lakehouse=lakehouse,
        source=str(folder / "members-{date}.csv"),
        outcomes=str(folder / "costs-{date}.csv"),
        key=key,
        next_key=next_key,
    )


def on_polars(lakehouse: Lakehouse) -> PolarsLakehouse:
    """The same tables through Polars, on which they are made much faster."""
    return PolarsLakehouse(Path(lakehouse.location(SILVER_PATIENTS)).parent)


def run_days(runtime: Runtime, *days: date, steps: tuple[str, ...] = PATIENT_STEPS) -> None:
    """On record, as a launcher runs them."""
    for day in days:
        for step in steps:
            run_step(step, runtime, day=day)


def rows_of(lakehouse: Lakehouse, table: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lakehouse.collect(lakehouse.scan(table)).to_pylist()
    return rows


def all_rows(lakehouse: Lakehouse) -> dict[str, list[str]]:
    """Of every table, in an order that does not depend on how they are stored."""
    return {table.name: sorted(map(repr, rows_of(lakehouse, table))) for table in TABLES.values()}
