"""Small files become few, the retained past stays readable, and nobody else notices."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pytest

from healthcare_assets.errors import LakehouseError
from healthcare_assets.policy import POLICY
from healthcare_assets.resources import delta_maintenance, table_faults
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets_tests.resources.lakehouse_tables import (
    MONDAY,
    TUESDAY,
    VERSIONS,
    VISIT,
    VISITS,
    frame_of,
    rows_of,
    update,
    version,
    visits,
)

RULES = POLICY.maintenance
PATIENTS = ("a", "b", "c", "d", "e")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lakehouse whose undated table got a file a row, in an append each."""
    root = tmp_path / "lakehouse"
    writer = PolarsLakehouse(root)
    for patient in PATIENTS:
        writer.append(VERSIONS, frame_of(writer, VERSIONS, [version(patient, note=f"of {patient}")]))
    return root


@pytest.fixture(params=["polars", pytest.param("spark", marks=pytest.mark.spark)])
def caretaker(request: pytest.FixtureRequest, root: Path) -> Lakehouse:
    """The engine that compacts the tables at `root`."""
    if request.param == "polars":
        return PolarsLakehouse(root)
    from healthcare_assets.resources.spark_lakehouse import SparkLakehouse

    return SparkLakehouse(request.getfixturevalue("spark_session"), str(root))


def _files(root: Path, table: str = "versions") -> set[str]:
    return set(deltalake.DeltaTable(root / table).file_uris())


def _aged(root: Path, *, days: int) -> None:
    """Everything in the lakehouse was written, and replaced, so many days earlier."""
    earlier = timedelta(days=days).total_seconds()
    for path in root.rglob("*.parquet"):
        os.utime(path, (time.time() - earlier, time.time() - earlier))
    for log in root.glob("*/_delta_log/*.json"):
        actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] -= int(earlier * 1000)
        log.write_text("\n".join(json.dumps(action) for action in actions) + "\n", encoding="utf-8")
        (log.parent / f".{log.name}.crc").unlink(missing_ok=True)


def test_many_files_become_one_with_the_same_rows(caretaker: Lakehouse, root: Path) -> None:
    before = rows_of(caretaker, caretaker.scan(VERSIONS))
    compaction = caretaker.compact(VERSIONS, rules=RULES)
    assert compaction is not None
    assert (compaction.before.files, compaction.after.files, compaction.deleted) == (len(PATIENTS), 1, 0)
    assert compaction.after.size < compaction.before.size
    assert len(_files(root)) == 1
    assert rows_of(caretaker, caretaker.scan(VERSIONS)) == before


def test_a_second_compaction_changes_nothing(caretaker: Lakehouse, root: Path) -> None:
    caretaker.compact(VERSIONS, rules=RULES)
    files, at = _files(root), caretaker.version(VERSIONS)
    again = caretaker.compact(VERSIONS, rules=RULES)
    assert again is not None
    assert again.before == again.after
    assert (_files(root), caretaker.version(VERSIONS)) == (files, at)


def test_the_commit_says_that_no_row_changed(caretaker: Lakehouse, root: Path) -> None:
    caretaker.compact(VERSIONS, rules=RULES)
    newest = max((root / "versions" / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
    changes: list[dict[str, Any]] = [action[kind] for action in actions for kind in ("add", "remove") if kind in action]
    assert len(changes) == 1 + len(PATIENTS)
    assert not any(change["dataChange"] for change in changes)


def test_what_a_version_of_the_retained_past_needs_stays(caretaker: Lakehouse, root: Path) -> None:
    at = caretaker.version(VERSIONS)
    before = rows_of(caretaker, caretaker.scan(VERSIONS))
    caretaker.compact(VERSIONS, rules=RULES)
    _aged(root, days=RULES.retention_days - 1)
    PolarsLakehouse(root).compact(VERSIONS, rules=RULES)
    rows = pl.scan_delta(str(root / "versions"), version=at).collect().to_dicts()
    assert sorted(rows, key=str) == before


@pytest.mark.parametrize("engine", ["polars", pytest.param("spark", marks=pytest.mark.spark)])
def test_what_only_older_versions_need_is_deleted(engine: str, root: Path, request: pytest.FixtureRequest) -> None:
    PolarsLakehouse(root).compact(VERSIONS, rules=RULES)
    left_by_a_dead_writer = root / "versions" / "part-orphan.parquet"
    left_by_a_dead_writer.write_bytes(b"half a file")
    _aged(root, days=RULES.retention_days + 1)
    # Spark opens the table only now: it keeps what it once read of a log.
    caretaker = request.getfixturevalue("caretaker_after") if engine == "spark" else PolarsLakehouse(root)
    compaction = caretaker.compact(VERSIONS, rules=RULES)
    assert compaction is not None
    assert compaction.deleted == len(PATIENTS) + 1
    assert len(list((root / "versions").glob("*.parquet"))) == 1
    assert [row["patient"] for row in rows_of(caretaker, caretaker.scan(VERSIONS))] == list(PATIENTS)


def test_what_a_writer_left_in_the_making_is_deleted_when_it_is_as_old_as_what_is_not_retained(root: Path) -> None:
    """As delta-rs names what it writes before it renames it; its VACUUM does not see such files."""
    log = root / "versions" / "_delta_log"
    old, staged, young = log / "1.json#1", root / "versions" / "part-1.parquet#12", log / "2.json#1"
    for path in (old, staged, young):
        path.write_bytes(b"half a file")
    long_ago = time.time() - timedelta(days=RULES.retention_days + 1).total_seconds()
    for path in (old, staged):
        os.utime(path, (long_ago, long_ago))
    compaction = PolarsLakehouse(root).compact(VERSIONS, rules=RULES)
    assert compaction is not None
    assert compaction.deleted == 2
    assert list(root.rglob("*#*")) == [young]


@pytest.fixture
def caretaker_after(request: pytest.FixtureRequest, root: Path) -> Lakehouse:
    from healthcare_assets.resources.spark_lakehouse import SparkLakehouse

    return SparkLakehouse(request.getfixturevalue("spark_session"), str(root))


def test_a_day_in_one_file_is_left_as_it_is_and_a_crowded_one_keeps_its_rows(
    caretaker: Lakehouse, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from healthcare_assets.resources import delta_files

    writer = PolarsLakehouse(root)
    writer.replace_day(VISITS, MONDAY, frame_of(writer, VISITS, [VISIT], without=["partition_date"]))
    monkeypatch.setattr(delta_files, "ROWS_PER_FILE", 2)
    writer.replace_day(VISITS, TUESDAY, visits(writer, 1, 2, 3, 4, 5))
    alone = {file for file in _files(root, "visits") if MONDAY.isoformat() in file}
    before = rows_of(writer, writer.scan(VISITS))
    caretaker.compact(VISITS, rules=RULES)
    files = _files(root, "visits")
    assert files > alone
    assert len(files) == 2
    for lakehouse in (caretaker, writer):
        assert rows_of(lakehouse, lakehouse.scan(VISITS)) == before
        assert lakehouse.days(VISITS) == [MONDAY, TUESDAY]


def test_writers_go_on_after_it(caretaker: Lakehouse) -> None:
    caretaker.compact(VERSIONS, rules=RULES)
    update(caretaker, [version("a", note="new")], deletes=[{"patient": "b", "since": MONDAY}])
    caretaker.append(VERSIONS, frame_of(caretaker, VERSIONS, [version("f")]))
    notes = {row["patient"]: row["note"] for row in rows_of(caretaker, caretaker.scan(VERSIONS))}
    assert notes == {"a": "new", "c": "of c", "d": "of d", "e": "of e", "f": None}


def test_a_table_that_is_not_there_is_none(caretaker: Lakehouse) -> None:
    assert caretaker.compact(VISITS, rules=RULES) is None
    assert caretaker.version(VISITS) is None


def test_a_retention_below_what_delta_demands_is_refused(caretaker: Lakehouse, root: Path) -> None:
    with pytest.raises(LakehouseError, match="retains 6 days of replaced files, and Delta demands 7"):
        caretaker.compact(VERSIONS, rules=replace(RULES, retention_days=6))
    assert len(_files(root)) == len(PATIENTS)


def _interrupted_by(write: Callable[[], object], monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Another writer's commit comes between the opening of the table and its compaction, so often."""
    crowded, left = delta_maintenance._crowded, [times]

    def interrupted(*given: Any) -> Any:
        if left[0]:
            left[0] -= 1
            write()
        return crowded(*given)

    monkeypatch.setattr(delta_maintenance, "_crowded", interrupted)
    monkeypatch.setattr(table_faults, "_FIRST_WAIT_SECONDS", 0)


def test_a_writer_that_came_first_loses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PolarsLakehouse(root)
    writer.replace_day(VISITS, MONDAY, visits(writer, 1))
    monkeypatch.setattr("healthcare_assets.resources.delta_files.ROWS_PER_FILE", 1)
    writer.replace_day(VISITS, TUESDAY, visits(writer, 1, 2, 3))
    _interrupted_by(lambda: writer.replace_day(VISITS, TUESDAY, visits(writer, 7, 8)), monkeypatch, times=1)
    compaction = PolarsLakehouse(root).compact(VISITS, rules=RULES)
    assert compaction is not None
    assert compaction.after.files == 2
    found = rows_of(writer, writer.scan(VISITS, day=TUESDAY).select("number"))
    assert [row["number"] for row in found] == [7, 8]


def test_a_table_that_is_never_quiet_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PolarsLakehouse(root)
    monkeypatch.setattr("healthcare_assets.resources.delta_files.ROWS_PER_FILE", 1)
    writer.replace_day(VISITS, TUESDAY, visits(writer, 1, 2, 3))
    _interrupted_by(lambda: writer.replace_day(VISITS, TUESDAY, visits(writer, 7, 8)), monkeypatch, times=99)
    with pytest.raises(LakehouseError, match="was written by others 12 times before our commit; nothing was changed"):
        PolarsLakehouse(root).compact(VISITS, rules=RULES)
