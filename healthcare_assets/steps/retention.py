"""All tables → without the rows that are past their time."""

from datetime import UTC, date, datetime, time

import narwhals as nw

from healthcare_assets.domain.audit import AUDIT_TRAIL, EXPIRED_HASH, EXPIRED_THROUGH, expired
from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.domain.retention import (
    DAILY,
    WRITTEN_AT,
    days_kept,
    expired_rows,
    expired_versions,
    kept_from,
)
from healthcare_assets.domain.tables import CHAMPION_HISTORY, DIM_PATIENTS, SILVER_PATIENTS, TABLES
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.steps.care_exports import exports_of
from healthcare_assets.steps.recording import record
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, delete_rows, ranges_of, row_count

ASSET = "data_retention"
_EXPORTS = f"exports of {CARE_MANAGEMENT.name}"


def run(runtime: Runtime) -> StepReport:
    """Drop what is past its time, table by table; a repetition finds nothing to do."""
    dropped = {**_drop_days(runtime), **_drop_rows(runtime), DIM_PATIENTS.name: _drop_versions(runtime)}
    dropped[_EXPORTS] = _drop_exports(runtime)
    dropped[AUDIT_TRAIL.name] = _drop_entries(runtime)
    for name, what in dropped.items():
        if what:
            runtime.log(f"{name}: {what}, past their time, are deleted.")
    return (
        AssetReport(
            asset=ASSET,
            location=runtime.settings.environment.schema or str(runtime.settings.lakehouse_root),
            metadata={
                "tables": Markdown(_listed(runtime, dropped)),
                "tables_changed": sum(bool(what) for what in dropped.values()),
            },
        ),
    )


def _drop_days(runtime: Runtime) -> dict[str, str]:
    dropped = {}
    for table in DAILY:
        days = runtime.lakehouse.drop_days(table, before=_kept_from(runtime, table))
        dropped[table.name] = f"{len(days)} days, to {days[-1]}" if days else ""
        if days:
            record(
                runtime,
                "expired",
                table.name,
                written=runtime.lakehouse.journal.written_to(table.name),
                detail={
                    "days": len(days),
                    "through_day": days[-1].isoformat(),
                    "kept_days": _days_kept(runtime, table),
                },
            )
    return dropped


def _drop_exports(runtime: Runtime) -> str:
    """The files of the days that the table has lost: they are kept as long as what they were made of."""
    exports = exports_of(runtime)
    files = exports.before(_kept_from(runtime, CARE_MANAGEMENT))
    if not files:
        return ""
    exports.delete(files)
    detail = {
        "files": len(files),
        "through_day": exports.days(files)[-1].isoformat(),
        "kept_days": _days_kept(runtime, CARE_MANAGEMENT),
    }
    record(runtime, "expired", _EXPORTS, detail=detail)
    return f"{len(files)} files, to {detail['through_day']}"


def _drop_rows(runtime: Runtime) -> dict[str, str]:
    champion = _champion(runtime.lakehouse)
    return {
        name: _deleted(
            runtime,
            TABLES[name],
            expired_rows(
                TABLES[name],
                runtime.lakehouse.scan(TABLES[name]),
                before=_kept_from(runtime, TABLES[name]),
                champion=champion,
            ),
        )
        for name in WRITTEN_AT
    }


def _drop_versions(runtime: Runtime) -> str:
    lakehouse = runtime.lakehouse
    before = _kept_from(runtime, DIM_PATIENTS)
    ranges = ranges_of(lakehouse, lakehouse.scan(DIM_PATIENTS), lakehouse.scan(SILVER_PATIENTS))

    def of(keys: KeyRange) -> Frame:
        return expired_versions(
            keys.of(lakehouse.scan(DIM_PATIENTS)), keys.of(lakehouse.scan(SILVER_PATIENTS)), before=before
        )

    rows = sum(row_count(lakehouse, of(keys)) for keys in ranges)
    if not rows:
        return ""
    delete_rows(lakehouse, DIM_PATIENTS, of, ranges)
    return _recorded(runtime, DIM_PATIENTS, rows)


def _drop_entries(runtime: Runtime) -> str:
    """The beginning of the audit trail, once it is on record which entry was the last of it."""
    lakehouse = runtime.lakehouse
    before = datetime.combine(_kept_from(runtime, AUDIT_TRAIL), time(), UTC)
    last = expired(entries(lakehouse), before=before)
    if last is None:
        return ""
    record(
        runtime,
        "expired",
        AUDIT_TRAIL.name,
        detail={
            EXPIRED_THROUGH: last.sequence,
            EXPIRED_HASH: last.entry_hash,
            "kept_days": _days_kept(runtime, AUDIT_TRAIL),
        },
    )
    old = lakehouse.scan(AUDIT_TRAIL).filter(nw.col("sequence") <= nw.lit(last.sequence)).select(*AUDIT_TRAIL.key)
    return f"{delete_rows(lakehouse, AUDIT_TRAIL, lambda _: old)} entries"


def _deleted(runtime: Runtime, table: Table, old: Frame) -> str:
    lakehouse = runtime.lakehouse
    rows = row_count(lakehouse, old)
    if not rows:
        return ""
    delete_rows(lakehouse, table, lambda _: old)
    return _recorded(runtime, table, rows)


def _recorded(runtime: Runtime, table: Table, rows: int) -> str:
    record(
        runtime,
        "expired",
        table.name,
        written=runtime.lakehouse.journal.written_to(table.name),
        detail={"rows": rows, "kept_days": _days_kept(runtime, table)},
    )
    return f"{rows} rows"


def _champion(lakehouse: Lakehouse) -> str | None:
    """The version that the last move made champion: what it stands on is in effect."""
    moves = lakehouse.collect(lakehouse.scan(CHAMPION_HISTORY).select("model_version", "moved_at")).to_pylist()
    last = max(moves, key=lambda move: move["moved_at"], default=None)
    return None if last is None else str(last["model_version"])


def _kept_from(runtime: Runtime, table: Table) -> date:
    return kept_from(table, runtime.now.date(), runtime.policy.retention)


def _days_kept(runtime: Runtime, table: Table) -> int:
    return days_kept(table, runtime.policy.retention)


def _listed(runtime: Runtime, dropped: dict[str, str]) -> str:
    tables = {**TABLES, _EXPORTS: CARE_MANAGEMENT}
    rows = [
        f"| {name} | {_days_kept(runtime, tables[name])} | {_kept_from(runtime, tables[name])} | {what or 'nothing'} |"
        for name, what in dropped.items()
    ]
    return "\n".join(["| table | kept days | from | deleted |", "|---|---|---|---|", *rows])
