"""A lakehouse takes what is large in parts, and what comes of it is the same."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import narwhals as nw
import pyarrow as pa
import pytest

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.key_ranges import EVERY_KEY, KEY, KeyRange, key_ranges
from healthcare_assets.errors import LakehouseError, SourceError
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets_tests.resources.lakehouse_tables import (
    MONDAY,
    VISIT,
    VISITS,
    columns,
    frame_of,
    numbers_by_day,
    rows_of,
    visits,
)

KEYED = Table(
    name="keyed",
    description="An undated table by patient.",
    columns=columns(patient_key="string", since="date", note="string"),
    daily=False,
    key=("patient_key", "since"),
)
FOUR = key_ranges(4, at_a_time=1)


def _row(key: str | None, note: str = "") -> dict[str, Any]:
    return {"patient_key": key, "since": MONDAY, "note": note}


def _batch(row: Mapping[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(row)], schema=arrow_schema(VISITS.content_columns))


def test_streamed_batches_are_written_as_they_come(lakehouse: Lakehouse) -> None:
    batches = (_batch({**VISIT, "number": number}) for number in (1, 2, 3))
    content = lakehouse.streamed(batches, columns=VISITS.content_columns)
    assert lakehouse.replace_day(VISITS, MONDAY, content) == 3
    assert numbers_by_day(lakehouse) == {MONDAY: [1, 2, 3]}


def test_what_the_source_of_streamed_batches_says_is_what_is_raised(lakehouse: Lakehouse) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield _batch(VISIT)
        raise SourceError("the second half of the delivery is missing")

    with pytest.raises(SourceError, match="the second half of the delivery is missing"):
        lakehouse.replace_day(VISITS, MONDAY, lakehouse.streamed(failing(), columns=VISITS.content_columns))
    assert lakehouse.days(VISITS) == []


def test_streamed_batches_are_not_silently_none_when_they_are_read_again(polars_lakehouse: Lakehouse) -> None:
    content = polars_lakehouse.streamed(iter([_batch(VISIT)]), columns=VISITS.content_columns)
    assert len(rows_of(polars_lakehouse, content.head(1))) == 1
    with pytest.raises(LakehouseError, match="can be read once"):
        rows_of(polars_lakehouse, content)


def test_a_day_of_several_frames_has_the_rows_of_all(lakehouse: Lakehouse) -> None:
    frames = [visits(lakehouse, 1, 2), visits(lakehouse), visits(lakehouse, 3)]
    assert lakehouse.replace_day(VISITS, MONDAY, *frames) == 3
    assert numbers_by_day(lakehouse) == {MONDAY: [1, 2, 3]}


@pytest.mark.parametrize("ranges", [(EVERY_KEY,), FOUR], ids=["one", "four"])
def test_a_divided_frame_has_each_row_once_in_its_range(lakehouse: Lakehouse, ranges: tuple[KeyRange, ...]) -> None:
    keys = ["001", "3ff", "400", "7ff", "fff", None]
    frame = frame_of(lakehouse, KEYED, [_row(key) for key in keys])
    parts = [[row[KEY] for row in rows_of(lakehouse, part)] for part in lakehouse.divided(frame, ranges)]
    assert [sorted(part, key=str) for part in parts] == (
        [["001", "3ff", "400", "7ff", None, "fff"]]
        if len(ranges) == 1
        else [["001", "3ff", None], ["400", "7ff"], [], ["fff"]]
    )


def _update(lakehouse: Lakehouse, rows: list[dict[str, Any]], gone: list[str], ranges: tuple[KeyRange, ...]) -> int:
    def stage(keys: KeyRange) -> tuple[Frame, Frame]:
        deletes = frame_of(lakehouse, KEYED, [_row(key) for key in gone]).select("patient_key", "since")
        return keys.of(frame_of(lakehouse, KEYED, rows)), keys.of(deletes)

    return lakehouse.update(KEYED, stage, ranges)


def test_an_update_in_ranges_is_the_update(lakehouse: Lakehouse) -> None:
    assert _update(lakehouse, [_row(key, "old") for key in ("00", "41", "42", "c0")], [], (EVERY_KEY,)) == 4
    assert _update(lakehouse, [_row("41", "new"), _row("90", "new")], ["c0", "dd"], FOUR) == 3
    assert [(row[KEY], row["note"]) for row in rows_of(lakehouse, lakehouse.scan(KEYED))] == [
        ("00", "old"),
        ("41", "new"),
        ("42", "old"),
        ("90", "new"),
    ]
    assert _update(lakehouse, [], [], FOUR) == 0


def test_a_key_that_is_staged_twice_within_a_range_is_refused(lakehouse: Lakehouse) -> None:
    with pytest.raises(LakehouseError, match="more than once"):
        _update(lakehouse, [_row("41"), _row("41")], [], FOUR)
    assert rows_of(lakehouse, lakehouse.scan(KEYED)) == []


def test_only_files_that_hold_a_staged_key_are_written_anew(polars_lakehouse: Lakehouse) -> None:
    """Those of the other ranges stay what they are, byte for byte."""
    _update(polars_lakehouse, [_row(key) for key in ("001", "41", "90", "fff")], [], FOUR)
    before = _files(polars_lakehouse)
    _update(polars_lakehouse, [_row("42", "new")], [], FOUR)
    assert (len(before), len(before & _files(polars_lakehouse))) == (4, 4)
    _update(polars_lakehouse, [_row("42", "newer")], [], FOUR)
    assert len(before & _files(polars_lakehouse)) == 4
    _update(polars_lakehouse, [_row("41", "newest")], [], FOUR)
    assert len(before & _files(polars_lakehouse)) == 3
    assert _notes(polars_lakehouse) == {"001": "", "41": "newest", "42": "newer", "90": "", "fff": ""}


def _files(lakehouse: Lakehouse) -> set[str]:
    from deltalake import DeltaTable

    return set(DeltaTable(lakehouse.location(KEYED)).file_uris())


def _notes(lakehouse: Lakehouse) -> dict[str, str]:
    frame = lakehouse.scan(KEYED).filter(nw.col("since") == date(2026, 1, 5))
    return {row[KEY]: row["note"] for row in rows_of(lakehouse, frame)}
