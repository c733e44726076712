"""A patient who asks for it leaves every table and every file of it, and nobody else is touched."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from healthcare_assets.domain.deidentification import pseudonyms
from healthcare_assets.domain.tables import TABLES, TRAINING_PATIENTS
from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps.audit import examine
from healthcare_assets.steps.running import run_operation
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.runtimes import KEY
from healthcare_assets_tests.steps.care_days import predicted, prediction
from healthcare_assets_tests.steps.dying import DiedError, dies
from healthcare_assets_tests.steps.members import (
    members_runtime,
    on_polars,
    rows_of,
    run_days,
    write_costs,
    write_members,
)

FIRST, SECOND = date(2026, 1, 5), date(2026, 1, 6)
GONE, STAYS = pseudonyms(KEY.encode())("Gone-1"), pseudonyms(KEY.encode())("Stays-2")


def _two_days(folder: Path, lakehouse: Lakehouse | None = None) -> Runtime:
    """Both patients in every table, whether accepted or refused, on two days. The tables are made on Polars, which
    takes a second."""
    for day, bmi in ((FIRST, "27"), (SECOND, "31")):
        write_members(
            folder,
            day,
            {"patient_id": "Gone-1", "first_name": "Wilhelmina", "bmi": bmi},
            {"patient_id": " gone-1 ", "bmi": "?", "first_name": "Wilhelmina"},
            {"patient_id": "Stays-2", "bmi": bmi},
            {"patient_id": "Stays-2", "bmi": "?"},
            {"patient_id": ""},
        )
        write_costs(folder, day, f"Gone-1,500,{FIRST}", f"Stays-2,600,{FIRST}", f"Gone-1,-5,{FIRST}", "Stays-2,-5,")
    runtime = members_runtime(folder, None if lakehouse is None else on_polars(lakehouse))
    run_days(runtime, FIRST, SECOND)
    run_days(runtime, FIRST, SECOND, steps=("outcomes",))
    predicted(runtime.lakehouse, FIRST, prediction(GONE, 99.0), prediction(STAYS, 98.0))
    predicted(runtime.lakehouse, SECOND, prediction(GONE, 20.0), prediction(STAYS, 98.0))
    run_days(runtime, FIRST, SECOND, steps=("care",))
    trained_on = [
        {"mlflow_run_id": run, "patient_key": key, "model_version": "1"}
        for key in (GONE, STAYS)
        for run in ("r1", "r2")
    ]
    runtime.lakehouse.append(TRAINING_PATIENTS, frame_of(runtime.lakehouse, TRAINING_PATIENTS, trained_on))
    return runtime if lakehouse is None else members_runtime(folder, lakehouse)


def _asked(runtime: Runtime, *lines: str) -> None:
    folder = runtime.settings.home / "erasure_requests"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "request.txt").write_text("\n".join(lines))


def _erase(runtime: Runtime) -> Any:
    return run_operation("erase_patients", runtime, who="Ada Lovelace", why="request 4711")[0]


def _others(runtime: Runtime) -> dict[str, list[str]]:
    """Every row that is not the patient's, of every table but the audit trail."""

    def is_other(row: dict[str, Any]) -> bool:
        return row.get("patient_key") != GONE and str(row.get("patient_id")).strip().lower() != "gone-1"

    tables = (table for name, table in TABLES.items() if name != "audit_trail")
    return {t.name: sorted(repr(row) for row in rows_of(runtime.lakehouse, t) if is_other(row)) for t in tables}


def test_the_patient_leaves_every_table_and_nobody_else_does(tmp_path: Path, lakehouse: Lakehouse) -> None:
    runtime = _two_days(tmp_path, lakehouse)
    others = _others(runtime)
    _asked(runtime, "GONE-1")
    report = _erase(runtime)
    assert report.metadata["patients"] == 1
    left = {name: sorted(map(repr, rows_of(lakehouse, table))) for name, table in TABLES.items() if name in others}
    assert left == others
    assert all(left[name] for name in left if name not in _UNTOUCHED)
    found, unrecorded = examine(runtime)
    assert (found.faults, unrecorded) == ((), [])
    assert _files_with(lakehouse, GONE, "wilhelmina", "gone-1") == []
    assert _files_with(lakehouse, STAYS)
    assert [path.name for path in (tmp_path / "exports").iterdir()] == [f"care_management-{SECOND}.csv"]
    assert report.metadata["exports_deleted"] == 1


_UNTOUCHED = {
    *("governance_verdict", "champion_history", "drift_report", "model_performance"),
    *("pricing_factors", "population_health"),
}


def test_no_file_of_any_version_names_the_patient_any_more(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    assert _files_with(runtime.lakehouse, GONE, "wilhelmina", "gone-1")
    _asked(runtime, "gone-1")
    _erase(runtime)
    assert _files_with(runtime.lakehouse, GONE, "wilhelmina", "gone-1") == []
    assert _files_with(runtime.lakehouse, STAYS)


def test_a_list_that_is_still_wanted_is_made_anew_without_the_patient(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    said: list[str] = []
    _asked(runtime, "gone-1")
    # What a writer that died has left names the patient too.
    exports = tmp_path / "exports"
    (exports / f"care_management-{SECOND}.csv.123").write_text(f"rank,patient_key\r\n1,{GONE}")
    _erase(replace(runtime, log=said.append))
    assert f"the care team's files of {FIRST}, {SECOND}. Materialise care_management for a day" in "".join(said)
    assert [path.name for path in exports.iterdir()] == [f"care_management-{SECOND}.csv"]
    run_days(runtime, FIRST, steps=("care",))
    made = (exports / f"care_management-{FIRST}.csv").read_text()
    assert GONE not in made
    assert f"\n1,{STAYS},98.000," in made


def _files_with(lakehouse: Lakehouse, *marks: str) -> list[str]:
    """Files of the tables, read as what they are, in which a mark stands."""

    def text(path: Path) -> str:
        if path.suffix == ".parquet":
            return repr(pq.ParquetFile(path).read().to_pylist())
        return path.read_bytes().decode("utf-8", "replace")

    folders = (Path(lakehouse.location(TABLES[name])) for name in TABLES)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(mark in text(path).lower() for mark in marks)]


def test_the_entry_says_who_asked_and_how_much_went_and_not_whose(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    _asked(runtime, "Gone-1", "", "  Nobody-9 ")
    _erase(runtime)
    entry = max(entries(runtime.lakehouse), key=lambda row: row["sequence"])
    assert (entry["action"], entry["who"], entry["why"]) == ("erased", "Ada Lovelace", "request 4711")
    assert '"patients":2' in entry["detail"]
    assert '"bronze_patients":4' in entry["detail"]
    assert '"training_patients":2' in entry["detail"]
    assert GONE not in repr(entries(runtime.lakehouse))
    assert list((tmp_path / "erasure_requests").iterdir()) == []


def test_a_pseudonym_names_a_patient_too(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    _asked(runtime, GONE)
    _erase(runtime)
    assert _files_with(runtime.lakehouse, GONE, "wilhelmina") == []


def test_without_a_request_it_says_where_one_goes(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    with pytest.raises(SettingsError, match=r"No request is in .*erasure_requests: put a text file there"):
        _erase(runtime)


@pytest.mark.parametrize("who", ["", " "])
def test_nobody_erases_without_a_name(tmp_path: Path, who: str) -> None:
    with pytest.raises(SettingsError, match="An erasure goes on record with who asked for it and why"):
        run_operation("erase_patients", members_runtime(tmp_path), who=who, why="a reason")


def test_one_that_died_on_the_way_is_finished_by_its_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _two_days(tmp_path)
    others = _others(runtime)
    _asked(runtime, "Gone-1")
    for number in range(1, 50):
        with monkeypatch.context() as patched:
            dies(patched, runtime.lakehouse, "before", number)
            try:
                _erase(runtime)
            except DiedError:
                continue
        break
    assert number > 8  # it died at each of its writes
    assert _files_with(runtime.lakehouse, GONE, "wilhelmina") == []
    assert GONE not in "".join(path.read_text() for path in (tmp_path / "exports").iterdir())
    assert _others(runtime) == others
