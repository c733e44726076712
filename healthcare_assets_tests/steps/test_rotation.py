"""A new key on top: every table gets other pseudonyms, history stays joined, and a rotation that dies goes on."""

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
from healthcare_assets.steps.patient_tables import PATIENT_TABLES
from healthcare_assets.steps.running import run_operation, run_step
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.steps.care_days import care_list, predicted, prediction
from healthcare_assets_tests.steps.dying import DiedError, dies
from healthcare_assets_tests.steps.members import (
    all_rows,
    members_runtime,
    on_polars,
    rows_of,
    run_days,
    write_costs,
    write_members,
)

FIRST, SECOND, THIRD = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)
OLD, NEW = "the old secret of the tests, long enough", "the new secret of the tests, long enough"


def _runtime(folder: Path, lakehouse: Lakehouse | None = None, *, key: str = OLD, following: str = NEW) -> Runtime:
    return members_runtime(folder, lakehouse, key=key, next_key=following)


def _deliver(folder: Path, day: date) -> None:
    write_members(
        folder,
        day,
        *({"patient_id": f"P{n}", "bmi": str(20 + n + day.day)} for n in range(6)),
        {"patient_id": "P9", "bmi": "?"},
        {"patient_id": ""},
    )
    write_costs(folder, day, *(f"P{n},{n}00,{FIRST}" for n in range(6)), "P1,-5,")


def _two_days(folder: Path, lakehouse: Lakehouse | None = None) -> Runtime:
    for day in (FIRST, SECOND):
        _deliver(folder, day)
    runtime = _runtime(folder, None if lakehouse is None else on_polars(lakehouse))
    run_days(runtime, FIRST, SECOND)
    run_days(runtime, FIRST, SECOND, steps=("outcomes",))
    keys = [pseudonyms(OLD.encode())(f"P{n}") for n in range(3)]
    for day in (FIRST, SECOND):
        predicted(runtime.lakehouse, day, *(prediction(key, 90.0 + day.day) for key in keys))
    run_days(runtime, FIRST, SECOND, steps=("care",))
    trained_on = [{"mlflow_run_id": "r", "patient_key": key, "model_version": "1"} for key in keys]
    runtime.lakehouse.append(TRAINING_PATIENTS, frame_of(runtime.lakehouse, TRAINING_PATIENTS, trained_on))
    return runtime if lakehouse is None else _runtime(folder, lakehouse)


def _rotate(runtime: Runtime) -> Any:
    return run_operation("rotate_pseudonym_key", runtime, who="Ada Lovelace", why="a laptop was lost")[0]


def _re_keyed(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    """The rows with each old pseudonym replaced by what the new key makes of it."""
    of, again = pseudonyms(OLD.encode()), pseudonyms(NEW.encode())
    keys = {of(f"P{n}"): again(of(f"P{n}")) for n in range(10)}

    def replaced(row: str) -> str:
        for old, new in keys.items():
            row = row.replace(old, new)
        return row

    return {name: sorted(map(replaced, found)) for name, found in rows.items() if name != "audit_trail"}


def _patients_rows(lakehouse: Lakehouse) -> dict[str, list[str]]:
    return {name: rows for name, rows in all_rows(lakehouse).items() if name != "audit_trail"}


def test_every_table_has_new_pseudonyms_and_nothing_else_has_changed(tmp_path: Path, lakehouse: Lakehouse) -> None:
    runtime = _two_days(tmp_path, lakehouse)
    expected = _re_keyed(all_rows(lakehouse))
    report = _rotate(runtime)
    assert _patients_rows(lakehouse) == expected
    assert report.metadata["rows_re_keyed"] == sum(len(rows_of(lakehouse, table)) for table in PATIENT_TABLES)
    assert (examine(runtime)[0].faults, examine(runtime)[1]) == ((), [])
    actions = [row["action"] for row in sorted(entries(lakehouse), key=lambda row: row["sequence"])]
    assert actions[-2:] == ["re-keying", "re-keyed"]
    assert not any(secret in repr(entries(lakehouse)) for secret in (OLD, NEW))
    # Files of the care team bear keys that mean nothing any more, or only to who has the old key.
    assert list((tmp_path / "exports").iterdir()) == []
    assert report.metadata["exports_deleted"] == 2


def test_no_file_bears_an_old_pseudonym_any_more(tmp_path: Path) -> None:
    runtime = _two_days(tmp_path)
    old = [pseudonyms(OLD.encode())(f"P{n}") for n in range(10)]
    _rotate(runtime)
    files = list(Path(runtime.settings.lakehouse_root).rglob("*.parquet"))
    assert len(files) > 10
    assert [file for file in files if any(key in repr(pq.ParquetFile(file).read().to_pylist()) for key in old)] == []


@pytest.mark.parametrize("tidied_up", [False, True])
def test_the_days_after_it_are_joined_with_those_before(tmp_path: Path, tidied_up: bool) -> None:
    _rotate(_two_days(tmp_path))
    _deliver(tmp_path, THIRD)
    runtime = _runtime(tmp_path, key=f"{OLD}\n{NEW}", following="") if tidied_up else _runtime(tmp_path)
    run_days(runtime, THIRD)
    versions = rows_of(runtime.lakehouse, TABLES["dim_patients"])
    assert len(versions) == 18  # six patients, changed on each of three days
    assert {row["record_version"] for row in versions} == {1, 2, 3}
    # A day of before, replayed, finds its patients again too.
    run_days(runtime, SECOND)
    assert len(rows_of(runtime.lakehouse, TABLES["dim_patients"])) == 18
    # A score of after it is compared with one of before.
    keys = {row["patient_key"] for row in care_list(runtime.lakehouse, SECOND)}
    predicted(runtime.lakehouse, THIRD, *(prediction(key, 99.0) for key in keys))
    run_days(runtime, THIRD, steps=("care",))
    assert [row["score_change"] for row in care_list(runtime.lakehouse, THIRD)] == [3.0] * 3


def test_the_key_file_gets_the_new_key_and_a_second_rotation_one_more(tmp_path: Path) -> None:
    _deliver(tmp_path, FIRST)
    for number in (1, 2, 3):
        runtime = members_runtime(tmp_path, key=None)
        run_days(runtime, FIRST)
        lines = (tmp_path / "pseudonym.key").read_text().split()
        assert len(lines) == len(set(lines)) == number
        if number < 3:
            _rotate(runtime)
    assert not (tmp_path / "pseudonym.key.next").exists()
    assert (tmp_path / "pseudonym.key").stat().st_mode & 0o777 == 0o600
    assert len(rows_of(runtime.lakehouse, TABLES["silver_patients"])) == 6
    assert len(rows_of(runtime.lakehouse, TABLES["dim_patients"])) == 6


def test_without_a_next_key_it_says_where_one_goes(tmp_path: Path) -> None:
    _two_days(tmp_path)
    with pytest.raises(SettingsError, match="set HEALTHCARE_PSEUDONYM_KEY_NEXT to a new random secret"):
        _rotate(_runtime(tmp_path, following=""))


def test_before_the_first_pseudonym_there_is_nothing_to_re_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No pseudonym has been made yet"):
        _rotate(_runtime(tmp_path))


def test_one_that_died_at_any_of_its_writes_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _re_keyed(all_rows(_two_days(tmp_path).lakehouse))
    unfinished = 0
    for number in range(1, 80):
        runtime = _runtime(tmp_path)
        with monkeypatch.context() as patched:
            dies(patched, runtime.lakehouse, "after", number)
            try:
                _rotate(runtime)
            except DiedError:
                if _is_unfinished(runtime):
                    with pytest.raises(SettingsError, match="A rotation of the pseudonym key is unfinished"):
                        run_step("bronze", _runtime(tmp_path), day=FIRST)
                    unfinished += 1
                    continue
        break
    assert unfinished > 5
    assert list((tmp_path / "exports").iterdir()) == []
    assert _patients_rows(runtime.lakehouse) == expected
    assert (examine(runtime)[0].faults, examine(runtime)[1]) == ((), [])
    with pytest.raises(SettingsError, match="The next pseudonym key is in use already"):
        _rotate(_runtime(tmp_path))
    run_days(runtime, SECOND)
    assert _patients_rows(runtime.lakehouse) == expected


def test_an_unfinished_rotation_does_not_go_on_with_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _two_days(tmp_path)
    with monkeypatch.context() as patched:
        dies(patched, runtime.lakehouse, "after", 4)
        with pytest.raises(DiedError):
            _rotate(runtime)
    with pytest.raises(SettingsError, match=r"was begun with another next key: put that one back \(fingerprint \w+\)"):
        _rotate(_runtime(tmp_path, following=NEW[::-1]))


def _is_unfinished(runtime: Runtime) -> bool:
    newest = max(entries(runtime.lakehouse), key=lambda row: int(row["sequence"]))
    return bool(newest["action"] == "re-keying")
