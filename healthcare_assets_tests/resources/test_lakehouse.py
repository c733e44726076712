"""What steps rely on in a lakehouse, whichever engine it is."""

import shutil
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets_tests.resources.lakehouse_tables import (
    MONDAY,
    TUESDAY,
    VERSIONS,
    VISIT,
    VISITS,
    columns,
    frame_of,
    numbers_by_day,
    rows_of,
    update,
    version,
    visits,
)


def test_an_absent_table_reads_as_an_empty_one(lakehouse: Lakehouse) -> None:
    frame = lakehouse.scan(VISITS, day=MONDAY)
    assert frame.collect_schema().names() == list(VISITS.column_names)
    assert lakehouse.collect(frame).equals(arrow_schema(VISITS.columns).empty_table())
    assert lakehouse.days(VISITS) == []
    assert not Path(lakehouse.location(VISITS)).exists()


def test_what_is_computed_once_is_not_computed_again(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """Its rows stay what they were, whatever becomes of the table that they were computed from."""
    seen = tmp_path / "computed"

    def noting(batch: pa.RecordBatch) -> pa.RecordBatch:
        with seen.open("a") as file:
            file.write("x" * batch.num_rows)
        return batch

    lakehouse.replace_day(VISITS, MONDAY, frame_of(lakehouse, VISITS, [VISIT, VISIT]))
    computed = lakehouse.map_batches(lakehouse.scan(VISITS, day=MONDAY), noting, columns=VISITS.columns)
    frame = lakehouse.once(computed)
    lakehouse.replace_day(VISITS, MONDAY, frame_of(lakehouse, VISITS, []))
    for _ in range(2):
        assert len(rows_of(lakehouse, frame)) == 2
    assert seen.read_text() == "xx"
    assert frame.collect_schema() == lakehouse.scan(VISITS).collect_schema()


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """A home in `My Projects` is a usual one; deltalake gives file names percent-encoded."""
    lakehouse = PolarsLakehouse(tmp_path / "My Größe")
    assert lakehouse.replace_day(VISITS, MONDAY, frame_of(lakehouse, VISITS, [VISIT])) == 1
    assert len(rows_of(lakehouse, lakehouse.scan(VISITS))) == 1


def test_rows_come_back_as_they_were_written_in_the_declared_types(lakehouse: Lakehouse) -> None:
    """Every type, nulls, whatever the order of the columns and whatever the frame says of its day."""
    empty = dict.fromkeys(VISIT)
    misdated = [{**VISIT, "partition_date": TUESDAY}, {**empty, "partition_date": None}]
    frame = frame_of(lakehouse, VISITS, misdated).select(*reversed(VISITS.column_names))
    assert lakehouse.replace_day(VISITS, MONDAY, frame) == 2
    stored = lakehouse.scan(VISITS)
    assert stored.collect_schema() == nw.Schema(
        {
            "patient": nw.String(),
            "number": nw.Int64(),
            "cost": nw.Float64(),
            "urgent": nw.Boolean(),
            "seen": nw.Date(),
            "written": nw.Datetime("us", "UTC"),
            "reasons": nw.List(nw.String()),
            "criteria": stored.collect_schema()["criteria"],
            "partition_date": nw.Date(),
        }
    )
    assert lakehouse.collect(stored).schema == arrow_schema(VISITS.columns)
    assert rows_of(lakehouse, stored) == [{**row, "partition_date": MONDAY} for row in (VISIT, empty)]


def test_a_day_is_replaced_and_nothing_else(lakehouse: Lakehouse) -> None:
    """Also by what is computed from it, and by nothing at all."""
    lakehouse.replace_day(VISITS, TUESDAY, visits(lakehouse, 7))
    lakehouse.replace_day(VISITS, MONDAY, visits(lakehouse, 1, 2, 3))
    two_of_them = lakehouse.scan(VISITS, day=MONDAY).filter(nw.col("number") > 1).with_columns(nw.col("number") * 2)
    assert lakehouse.replace_day(VISITS, MONDAY, two_of_them) == 2
    assert numbers_by_day(lakehouse) == {MONDAY: [4, 6], TUESDAY: [7]}
    assert lakehouse.days(VISITS) == [MONDAY, TUESDAY]

    assert lakehouse.replace_day(VISITS, MONDAY, visits(lakehouse)) == 0
    assert numbers_by_day(lakehouse) == {TUESDAY: [7]}
    assert lakehouse.days(VISITS) == [TUESDAY]


def test_a_day_is_read_without_opening_the_files_of_others(lakehouse: Lakehouse) -> None:
    lakehouse.replace_day(VISITS, MONDAY, visits(lakehouse, 1))
    lakehouse.replace_day(VISITS, TUESDAY, visits(lakehouse, 2))
    for file in Path(lakehouse.location(VISITS)).glob("partition_date=2026-01-06/*.parquet"):
        file.unlink()
    assert [row["number"] for row in rows_of(lakehouse, lakehouse.scan(VISITS, day=MONDAY))] == [1]
    with pytest.raises(LakehouseError, match=r"Table visits at .*visits cannot be read: .*materialise day 2026-01-06"):
        lakehouse.collect(lakehouse.scan(VISITS))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda frame: frame.drop("cost", "seen"), "lacks cost, seen"),
        (lambda frame: frame.with_columns(extra=nw.lit(1)), "has extra"),
        (lambda frame: frame.with_columns(number=nw.lit("1")), "number is String and not integer"),
        (lambda frame: frame.with_columns(number=nw.lit(1.5)), "number is Float64 and not integer"),
        (lambda frame: frame.with_columns(reasons=nw.lit("a")), "reasons is String and not strings"),
    ],
)
def test_a_frame_of_other_columns_is_refused(lakehouse: Lakehouse, change: Any, complaint: str) -> None:
    with pytest.raises(LakehouseError, match=f"The frame for visits .*{complaint}"):
        lakehouse.replace_day(VISITS, MONDAY, change(visits(lakehouse, 1)))
    assert not Path(lakehouse.location(VISITS)).exists()


def test_narrow_numbers_and_untyped_nulls_fit_the_declared_types(lakehouse: Lakehouse) -> None:
    frame = visits(lakehouse, 1).with_columns(
        nw.lit(7, dtype=nw.Int16).alias("number"), nw.lit(2, dtype=nw.Int32).alias("cost"), nw.lit(None).alias("seen")
    )
    lakehouse.replace_day(VISITS, MONDAY, frame)
    (row,) = rows_of(lakehouse, lakehouse.scan(VISITS))
    assert (row["number"], row["cost"], row["seen"]) == (7, 2.0, None)


def test_an_update_upserts_and_deletes_by_key(lakehouse: Lakehouse) -> None:
    assert update(lakehouse, [version("a"), version("b"), version("c")]) == 3
    changed = update(
        lakehouse,
        upserts=[version("a", note="new"), version("a", TUESDAY, rows=1)],
        deletes=[{"patient": "b", "since": MONDAY}, {"patient": "never there", "since": MONDAY}],
    )
    assert changed == 3
    expected = [version("a", note="new"), version("a", TUESDAY, rows=1), version("c")]
    assert rows_of(lakehouse, lakehouse.scan(VERSIONS)) == sorted(expected, key=str)
    assert update(lakehouse, []) == 0


def test_an_update_that_stages_a_key_twice_is_refused(lakehouse: Lakehouse) -> None:
    update(lakehouse, [version("a")])
    with pytest.raises(LakehouseError, match=r"The update of versions stages a key \(patient, since\) more than once"):
        update(lakehouse, [version("b"), version("b", note="other")])
    assert rows_of(lakehouse, lakehouse.scan(VERSIONS)) == [version("a")]


def test_an_update_sees_what_was_committed_while_it_was_staged(lakehouse: Lakehouse) -> None:
    """As if one had come after the other: the number of rows that the update writes is that of the table."""
    lakehouse.append(VERSIONS, frame_of(lakehouse, VERSIONS, [version("a")]))
    stagings: list[Frame] = []

    def stage(_: KeyRange) -> tuple[Frame, Frame]:
        counted = lakehouse.scan(VERSIONS).select(nw.col("patient").len().cast(nw.Int64).alias("rows"))
        total = counted.select(
            nw.lit("total").alias("patient"), nw.lit(MONDAY).alias("since"), nw.lit("").alias("note"), "rows"
        )
        if not stagings:
            assert lakehouse.append(VERSIONS, frame_of(lakehouse, VERSIONS, [version("b")])) == 1
        stagings.append(total)
        return total, total.select("patient", "since").filter(nw.col("patient") == nw.lit(""))

    lakehouse.update(VERSIONS, stage)
    found = {row["patient"]: row["rows"] for row in rows_of(lakehouse, lakehouse.scan(VERSIONS))}
    assert found == {"a": None, "b": None, "total": 2}


def test_the_latest_record_of_a_key_is_the_greatest_and_null_is_least(lakehouse: Lakehouse) -> None:
    rows = [
        version("a", MONDAY, None, 9),
        version("a", TUESDAY, None, 1),
        version("a", TUESDAY, "z", None),
        version("a", TUESDAY, "z", -1),
        version("b", MONDAY, None, None),
        version(None, TUESDAY, "é", 2),
        version(None, TUESDAY, "z", 3),
    ]
    frame = frame_of(lakehouse, VERSIONS, rows)
    latest = lakehouse.latest(frame, key=["patient"], order_by=["since", "note", "rows"], count_as="records")
    expected = [{**rows[3], "records": 4}, {**rows[4], "records": 1}, {**rows[5], "records": 2}]
    assert rows_of(lakehouse, latest) == sorted(expected, key=str)
    assert latest.collect_schema()["records"] == nw.Int64()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.none() | st.sampled_from([MONDAY, TUESDAY]),
            st.none() | st.text(max_size=2),
        ),
        unique=True,
    )
)
def test_the_latest_record_is_the_one_that_sorting_in_python_ends_on(records: list[tuple[Any, Any, Any]]) -> None:
    """UTF-8 sorts by code point, as Python does."""
    rows = [version(patient, since, note, number) for number, (patient, since, note) in enumerate(records)]
    lakehouse = PolarsLakehouse(Path("nowhere"))
    frame = nw.from_native(pl.LazyFrame(pa.Table.from_pylist(rows, arrow_schema(VERSIONS.columns))))
    expected: dict[str | None, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: [(row[name] is not None, row[name]) for name in ("since", "note")]):
        expected[row["patient"]] = row
    latest = lakehouse.latest(frame, key=["patient"], order_by=["since", "note"])
    assert rows_of(lakehouse, latest) == sorted(expected.values(), key=str)


def test_a_function_on_batches_is_handed_the_same_types_by_both_engines(lakehouse: Lakehouse) -> None:
    declared = arrow_schema(VISITS.columns)

    def described(batch: pa.RecordBatch) -> pa.RecordBatch:
        assert batch.schema == declared, batch.schema
        numbers = pa.array([value.as_py() * 2 for value in batch["number"]])
        words = pa.array([str(value) for value in batch["patient"]], pa.large_string()).dictionary_encode()
        return pa.RecordBatch.from_arrays([words, numbers], names=["word", "number"])

    wanted = columns(number="integer", word="string")
    frame = frame_of(lakehouse, VISITS, [{**VISIT, "number": number} for number in range(3)])
    mapped = lakehouse.map_batches(frame, described, columns=wanted)
    assert lakehouse.collect(mapped).schema == arrow_schema(wanted)
    assert rows_of(lakehouse, mapped) == [{"number": number, "word": "Zoë"} for number in (0, 2, 4)]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [({"word": ["x"]}, "lacks number"), ({"number": ["MBR0001"]}, "Column number holds string values")],
)
def test_a_function_that_breaks_its_promise_is_named_without_its_values(
    lakehouse: Lakehouse, answer: dict[str, list[str]], complaint: str
) -> None:
    mapped = lakehouse.map_batches(
        frame_of(lakehouse, VERSIONS, [version("a")]),
        lambda _: pa.RecordBatch.from_pydict(answer),
        columns=columns(number="integer"),
    )
    with pytest.raises(Exception, match=complaint) as raised:
        lakehouse.collect(mapped)
    assert "MBR0001" not in str(raised.value)


def test_the_message_of_a_function_that_fails_reaches_the_caller(lakehouse: Lakehouse) -> None:
    def failing(_: pa.RecordBatch) -> pa.RecordBatch:
        raise ValueError("the champion knows no such region")

    mapped = lakehouse.map_batches(visits(lakehouse, 1), failing, columns=VISITS.columns)
    with pytest.raises(Exception, match="the champion knows no such region"):
        lakehouse.replace_day(VISITS, MONDAY, mapped)
    assert lakehouse.days(VISITS) == []


def test_batches_are_consumed_once_and_can_be_read_twice(lakehouse: Lakehouse) -> None:
    batches = iter([pa.record_batch({"n": pa.array([1, 2], pa.int32())}), pa.record_batch({"n": [3]})])
    frame = lakehouse.from_batches(batches, columns=columns(n="integer"))
    assert list(batches) == []
    for _ in range(2):
        assert rows_of(lakehouse, frame) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_operations_are_refused_for_tables_of_the_other_kind(lakehouse: Lakehouse) -> None:
    frame = visits(lakehouse, 1)
    with pytest.raises(LakehouseError, match="append is for undated tables, and visits is daily"):
        lakehouse.append(VISITS, frame)
    with pytest.raises(LakehouseError, match="replace_day is for daily tables, and versions is undated"):
        lakehouse.replace_day(VERSIONS, MONDAY, frame)


def test_a_table_of_other_columns_is_neither_read_nor_written(lakehouse: Lakehouse) -> None:
    lakehouse.append(VERSIONS, frame_of(lakehouse, VERSIONS, [version("a")]))
    newer = Table(name="versions", description="", columns=columns(patient="string", rows="string"), daily=False)
    with pytest.raises(
        LakehouseError, match=r"versions at .* other columns than .* \(note, rows, since\). Move it away"
    ):
        lakehouse.scan(newer)
    with pytest.raises(LakehouseError, match="other columns"):
        lakehouse.append(newer, frame_of(lakehouse, newer, []))


def test_a_table_with_a_damaged_log_says_so_and_what_to_do(lakehouse: Lakehouse) -> None:
    lakehouse.append(VERSIONS, frame_of(lakehouse, VERSIONS, [version("a")]))
    folder = Path(lakehouse.location(VERSIONS))
    for entry in (folder / "_delta_log").glob("*.*"):
        entry.write_text("no log") if entry.suffix == ".json" else entry.unlink()
    with pytest.raises(LakehouseError, match=r"Table versions at .*versions cannot be read: .* Restore the folder"):
        lakehouse.scan(VERSIONS)
    shutil.rmtree(folder / "_delta_log")
    with pytest.raises(LakehouseError, match="it has data files and no transaction log"):
        lakehouse.scan(VERSIONS)
