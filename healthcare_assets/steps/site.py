"""The tables and the registry → the site under `reports`: written anew each time, as they are at that moment."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import PARTITION_COLUMN, Table
from healthcare_assets.domain.figures.costs import ChargesOf
from healthcare_assets.domain.monitoring.report_figures import plural
from healthcare_assets.domain.monitoring.tables import DRIFT_REPORT, MODEL_PERFORMANCE
from healthcare_assets.domain.site.care import care_page
from healthcare_assets.domain.site.costs import costs_page
from healthcare_assets.domain.site.decisions import Record, decisions_page
from healthcare_assets.domain.site.frame import file_of
from healthcare_assets.domain.site.model import CARD_FILE, model_page
from healthcare_assets.domain.site.monitoring import monitoring_page
from healthcare_assets.domain.site.overview import overview_page
from healthcare_assets.domain.small_cells import counted
from healthcare_assets.domain.tables import (
    CHAMPION_HISTORY,
    GOVERNANCE_VERDICT,
    PREDICTIONS,
    RISK_CATEGORIES,
)
from healthcare_assets.environments import made_folder
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources.mlflow_client import answering
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.steps import site_months as monthly
from healthcare_assets.steps.audit import examined
from healthcare_assets.steps.charges import charges_by
from healthcare_assets.steps.governance import CARD, card_folder
from healthcare_assets.steps.runtime import Runtime, row_count

DAYS_SHOWN = 90
_REPORT = re.compile(r"drift_report_(\d{4}-\d{2}-\d{2})\.html")
_OWNER_ONLY = 0o600

Rows = list[dict[str, Any]]


def write_site(runtime: Runtime) -> Path:
    """Write all pages; the page to begin with. What is not there yet is said to be so."""
    folder = made_folder(runtime.settings.reports_root)
    newest = max(runtime.lakehouse.days(PREDICTIONS), default=None)
    champion = runtime.registry.version_by_alias("champion")
    record = _record(runtime)
    performance = _newest_days(runtime, MODEL_PERFORMANCE)
    verdict = _approval(champion, record.verdicts)
    card = _card(runtime, champion, verdict)
    pages = {
        "costs": costs_page(
            day=newest,
            groups=_charges(runtime, newest),
            performance=performance,
            champion=champion.version if champion else None,
            made_at=runtime.now,
        ),
        "care": _care(runtime, newest),
        "pricing": monthly.pricing(runtime),
        "population": monthly.population(runtime),
        "index": overview_page(_figures(runtime, newest, champion, record), made_at=runtime.now),
        "model": model_page(
            champion=champion.version if champion else None,
            verdict=verdict,
            has_card=card is not None,
            made_at=runtime.now,
        ),
        "monitoring": monitoring_page(
            drift=_newest_days(runtime, DRIFT_REPORT),
            performance=performance,
            reports=_reports(folder),
            made_at=runtime.now,
        ),
        "decisions": decisions_page(record, made_at=runtime.now),
    }
    for name, html in pages.items():
        _write(folder / file_of(name), html)
    if card is not None:
        _write(folder / CARD_FILE, card)
    return folder / file_of("index")


def _care(runtime: Runtime, day: date | None) -> str:
    lakehouse = runtime.lakehouse
    listed = lakehouse.scan(CARE_MANAGEMENT, day=day) if day else lakehouse.scan(CARE_MANAGEMENT).head(0)
    by_rule = lakehouse.collect(listed.group_by("rule").agg(nw.len().alias("patients"))).to_pylist()
    return care_page(
        day=day,
        listed=lakehouse.collect(listed.filter("within_capacity")).to_pylist(),
        rules={row["rule"]: int(row["patients"]) for row in by_rule},
        made_at=runtime.now,
    )


def _charges(runtime: Runtime, day: date | None) -> list[ChargesOf]:
    """Of the day's patients, by risk category; none of a day that is not there."""
    lakehouse = runtime.lakehouse
    scored = lakehouse.scan(PREDICTIONS, day=day) if day else lakehouse.scan(PREDICTIONS).head(0)
    return charges_by(lakehouse, scored, "risk_category", RISK_CATEGORIES)


def _figures(
    runtime: Runtime, day: date | None, champion: ModelVersion | None, record: Record
) -> list[tuple[str, str, str]]:
    lakehouse = runtime.lakehouse
    scored = row_count(lakehouse, lakehouse.scan(PREDICTIONS, day=day)) if day else 0
    faults = len(record.found.faults) + len(record.unrecorded)
    return [
        ("The newest day", str(day or "none"), f"{counted(scored)} patients scored"),
        ("Champion", f"version {champion.version}" if champion else "none", runtime.registry.name),
        ("Audit trail", plural(faults, "fault") if faults else "whole", f"{record.found.entries:,} entries"),
    ]


def _record(runtime: Runtime) -> Record:
    found, unrecorded, rows = examined(runtime)
    return Record(
        verdicts=_rows(runtime, GOVERNANCE_VERDICT),
        moves=_rows(runtime, CHAMPION_HISTORY),
        entries=rows,
        found=found,
        unrecorded=unrecorded,
    )


def _rows(runtime: Runtime, table: Table) -> Rows:
    rows: Rows = runtime.lakehouse.collect(runtime.lakehouse.scan(table)).to_pylist()
    return rows


def _newest_days(runtime: Runtime, table: Table) -> Rows:
    """Of the days that are shown: aggregates, some hundred rows a day."""
    lakehouse = runtime.lakehouse
    days = lakehouse.days(table)
    if not days:
        return []
    first = days[-1] - timedelta(days=DAYS_SHOWN - 1)
    rows: Rows = lakehouse.collect(lakehouse.scan(table).filter(nw.col(PARTITION_COLUMN) >= nw.lit(first))).to_pylist()
    return rows


def _approval(champion: ModelVersion | None, verdicts: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - rows
    """The newest verdict that approved the champion."""
    found = [
        row
        for row in verdicts
        if champion is not None and row["model_version"] == champion.version and row["decision"] == "approved"
    ]
    return max(found, key=lambda row: row["decided_at"], default=None)


def _card(runtime: Runtime, champion: ModelVersion | None, verdict: Mapping[str, Any] | None) -> str | None:
    if champion is None or verdict is None:
        return None
    registry, path = runtime.registry, f"{card_folder(verdict['verdict_id'])}/{CARD}"
    try:
        with answering(registry.tracking_uri):
            return Path(registry.client.download_artifacts(champion.run_id, path)).read_text(encoding="utf-8")
    except RegistryError:
        return None


def _reports(folder: Path) -> dict[date, str]:
    found = ((path.name, _REPORT.fullmatch(path.name)) for path in folder.iterdir())
    return {date.fromisoformat(match[1]): name for name, match in found if match}


def _write(path: Path, html: str) -> None:
    """Whole or not at all, and for its owner alone: some pages have a row a patient."""
    unfinished = path.with_suffix(".tmp")
    unfinished.touch(mode=_OWNER_ONLY)
    unfinished.write_text(html, encoding="utf-8")
    unfinished.replace(path)
