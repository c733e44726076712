"""A patient who asks to be erased leaves every table, and every version of it that could still be read."""

import re
from collections import Counter
from collections.abc import Collection
from datetime import date
from pathlib import Path

import narwhals as nw

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import PARTITION_COLUMN, PATIENT_KEY, Table
from healthcare_assets.domain.deidentification import PSEUDONYM_PATTERN, pseudonyms
from healthcare_assets.domain.tables import BRONZE_PATIENTS
from healthcare_assets.environments import made_folder
from healthcare_assets.errors import SettingsError
from healthcare_assets.steps.care_exports import delete_page, exports_of
from healthcare_assets.steps.patient_tables import PATIENT_TABLES, rewrite, versions
from healthcare_assets.steps.recording import operation_report, record
from healthcare_assets.steps.report import Markdown, MetadataEntry, StepReport
from healthcare_assets.steps.runtime import Runtime, delete_rows, row_count
from healthcare_assets.steps.silver import pseudonymised_records

REQUESTS = "erasure_requests"
"""The folder of the home with the requests: a patient's id is in no setting, argument, log or record of a run."""


def operate(runtime: Runtime, *, who: str, why: str) -> StepReport:
    """Erase the patients whom the request files name, and then the files; begun again, it goes on where it ended.

    SettingsError without a request.
    """
    folder = made_folder(runtime.settings.home / REQUESTS)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    keys = _patient_keys(runtime, files)
    if not keys:
        raise SettingsError(
            f"No request is in {folder}: put a text file there with one patient_id or patient_key a line, and run it "
            "again."
        )
    erased = {table.name: _erased(runtime, table, keys) for table in PATIENT_TABLES}
    erased[BRONZE_PATIENTS.name] = _erased_from_bronze(runtime, keys)
    exports = exports_of(runtime)
    naming = exports.naming(keys)
    exports.delete(naming)
    delete_page(runtime)
    # Not of the changed ones only: one that was killed here has changed them before.
    for table in (*PATIENT_TABLES, BRONZE_PATIENTS):
        runtime.lakehouse.forget_past(table)
    lakehouse = runtime.lakehouse
    head = record(
        runtime,
        "erased",
        ", ".join(name for name, rows in erased.items() if rows) or "no table had a row",
        who=who,
        why=why,
        written=versions(lakehouse, (*PATIENT_TABLES, BRONZE_PATIENTS)),
        detail={"patients": len(keys), "rows": erased, "exports_deleted": [file.name for file in naming]},
    )
    for file in files:
        file.unlink()
    runtime.log(f"{len(keys)} patients are erased: {sum(erased.values())} rows of {len(erased)} tables.")
    if naming:
        days = ", ".join(day.isoformat() for day in exports.days(naming))
        runtime.log(
            f"Deleted with them: the care team's files of {days}. Materialise {CARE_MANAGEMENT.name} for a day "
            "whose file is still wanted."
        )
    listed = [f"| {name} | {rows} |" for name, rows in erased.items()]
    metadata: dict[str, MetadataEntry] = {
        "patients": len(keys),
        "exports_deleted": len(naming),
        "rows_erased": Markdown("\n".join(["| table | rows |", "|---|---|", *listed])),
    }
    return operation_report(runtime, head, who=who, why=why, metadata=metadata)


def _patient_keys(runtime: Runtime, files: Collection[Path]) -> frozenset[str]:
    """The pseudonyms of whom the files name; a line that is one already stands for itself."""
    lines = {line.strip() for file in files for line in file.read_text(encoding="utf-8-sig").splitlines()} - {""}
    if not lines:
        return frozenset()
    of = pseudonyms(*runtime.pseudonym_keys)
    known = {line for line in lines if re.fullmatch(PSEUDONYM_PATTERN, line)}
    return frozenset(known | {of(line) for line in lines - known})


def _erased(runtime: Runtime, table: Table, keys: Collection[str]) -> int:
    lakehouse = runtime.lakehouse
    theirs = lakehouse.scan(table).filter(_is_of(keys))
    if not table.daily:
        found = theirs.select(*table.key)
        rows = row_count(lakehouse, found)
        if rows:
            delete_rows(lakehouse, table, lambda _: found)
        return rows
    by_day: Counter[date] = Counter(lakehouse.collect(theirs.select(PARTITION_COLUMN)).column(0).to_pylist())
    for day in sorted(by_day):
        rewrite(lakehouse, table, lambda frame: frame.filter(~_is_of(keys)), day=day, note=f"erasure {day}")
    return sum(by_day.values())


def _erased_from_bronze(runtime: Runtime, keys: Collection[str]) -> int:
    lakehouse = runtime.lakehouse
    return sum(_erased_from_delivery(runtime, keys, day) for day in lakehouse.days(BRONZE_PATIENTS))


def _erased_from_delivery(runtime: Runtime, keys: Collection[str], day: date) -> int:
    lakehouse = runtime.lakehouse
    theirs = pseudonymised_records(runtime, day).filter(_is_of(keys)).select("source_row")
    rows = lakehouse.collect(theirs).column(0).to_pylist()
    if rows:
        others = lakehouse.scan(BRONZE_PATIENTS, day=day).filter(~nw.col("source_row").is_in(rows))
        lakehouse.replace_day(BRONZE_PATIENTS, day, others, note=f"erasure {day}")
    return len(rows)


def _is_of(keys: Collection[str]) -> nw.Expr:
    """Never null: a row without a key is nobody's, and is kept."""
    return nw.coalesce(nw.col(PATIENT_KEY.name), nw.lit("")).is_in(sorted(keys))
