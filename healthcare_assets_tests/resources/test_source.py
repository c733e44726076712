"""Which records a source gives for which day."""

import shutil
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.tables import BRONZE_PATIENTS
from healthcare_assets.errors import SourceError
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.resources.source import Source, SyntheticSource, open_source
from healthcare_assets.resources.source_batches import bronze_schema
from healthcare_assets_tests.resources.source_tables import (
    FIRST_DAY,
    dated_patients,
    delete_by_vector,
    ids_of,
    opened,
    patients,
    records_of,
)

SECOND_DAY = date(2026, 1, 2)
CSV = "patient_id,age,sex,region,bmi,smoker,children\n{},19,female,southwest,27.9,yes,0\n"
DAY_AFTER_INGESTION = date(2026, 1, 11)


# Files.


def test_an_undated_file_is_one_delivery_and_belongs_to_the_first_day(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text(CSV.format("p1"))
    source = opened(path)
    assert source.days() == [FIRST_DAY]
    (record,) = records_of(source)
    assert (record["patient_id"], record["source_file"]) == ("p1", str(path))
    assert record["cutoff"] == DAY_AFTER_INGESTION
    later = source.read(SECOND_DAY)
    assert list(later.batches) == []
    assert later.notes == (f"{path} is one delivery and belongs to 2026-01-01: 2026-01-02 has no records.",)


def test_a_glob_is_one_delivery_in_the_order_of_the_names(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(CSV.format("p2"))
    (tmp_path / "a.csv").write_text(CSV.format("p1"))
    pq.write_table(patients(3).slice(2), tmp_path / "c.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "folder").mkdir()
    assert ids_of(opened(tmp_path / "*")) == ["p1", "p2", "p3"]


def test_brackets_in_the_name_of_an_existing_file_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "export [1].csv").write_text(CSV.format("p1"))
    assert ids_of(opened(tmp_path / "export [1].csv")) == ["p1"]


def test_a_relative_path_is_the_files_name_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("patients.csv").write_text(CSV.format("p1"))
    assert records_of(opened("patients.csv"))[0]["source_file"] == "patients.csv"


@pytest.mark.parametrize("pattern", ["{date}.csv", "{date}/patients.csv", "{date}/*_{date}.csv", "*/p*_{date}.csv"])
def test_a_dated_path_has_a_delivery_for_each_of_its_days(tmp_path: Path, pattern: str) -> None:
    for day in ("2026-01-03", "2026-01-02", "2026-02-30"):
        folder = tmp_path / day
        folder.mkdir()
        for name in (tmp_path / f"{day}.csv", folder / "patients.csv", folder / f"patients_{day}.csv"):
            name.write_text(CSV.format(day))
    source = opened(tmp_path / pattern)
    assert source.days() == [SECOND_DAY, date(2026, 1, 3)]
    (record,) = records_of(source, SECOND_DAY)
    assert (record["patient_id"], record["cutoff"]) == ("2026-01-02", date(2026, 1, 3))


def test_brackets_in_a_dated_path_are_taken_as_they_are_where_such_a_file_exists(tmp_path: Path) -> None:
    folder = tmp_path / "export [1]"
    folder.mkdir()
    (folder / "2026-01-02.csv").write_text(CSV.format("p1"))
    source = opened(folder / "{date}.csv")
    assert source.days() == [SECOND_DAY]
    assert ids_of(source, SECOND_DAY) == ["p1"]


def test_a_day_without_a_file_has_no_records_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "2026-01-02.csv").write_text(CSV.format("p1"))
    delivery = opened(tmp_path / "{date}.csv").read(FIRST_DAY)
    assert list(delivery.batches) == []
    assert delivery.notes == (f"There is no file {tmp_path / '2026-01-01.csv'}: the day has no records.",)


@pytest.mark.parametrize("name", ["patients.csv", "*.csv", "{date}.csv", "{date}/*.parquet"])
def test_a_path_that_names_no_file_at_all_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="no such file exists") as caught:
        opened(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_folder_that_is_no_table_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder and no Delta table: name its files with a glob"):
        opened(tmp_path)


def test_a_file_that_came_later_is_seen(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01.csv").write_text(CSV.format("p1"))
    source = opened(tmp_path / "{date}.csv")
    (tmp_path / "2026-01-02.csv").write_text(CSV.format("p2"))
    assert source.days() == [FIRST_DAY, SECOND_DAY]


def test_a_source_without_ids_says_how_they_are_made(tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    pq.write_table(patients(2).drop_columns(["patient_id"]), path)
    source = opened(path)
    assert source.read(FIRST_DAY).notes == ("The source has no patient_id column: ids are derived from the records.",)
    assert [record["id_expected"] for record in records_of(source)] == [False, False]


def test_a_broken_file_is_refused_before_any_record_of_the_day_is_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV.format("p1"))
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(SourceError, match=r"b\.csv is empty"):
        opened(tmp_path / "*.csv").read(FIRST_DAY)


# Delta tables.


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_table_without_timestamps_belongs_to_the_first_day(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "patients", patients(2))
    source = opened(tmp_path / "patients")
    assert source.days() == [FIRST_DAY]
    assert ids_of(source) == ["p1", "p2"]
    assert records_of(source)[0]["cutoff"] == DAY_AFTER_INGESTION
    assert ids_of(source, SECOND_DAY) == []


def test_a_bare_name_is_a_table_of_the_lakehouse(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "member_export", patients(1))
    source = opened("member_export", lakehouse_root=tmp_path)
    assert ids_of(source) == ["p1"]
    assert records_of(source)[0]["source_file"] == str(tmp_path / "member_export")


def test_a_name_that_no_table_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"there is no Delta table {tmp_path / 'member_export'}"):
        opened("member_export", lakehouse_root=tmp_path)


TIMESTAMPS = [
    "2026-01-01T10:00:00+00:00",  # p1: the first day
    "2026-01-02T23:30:00-05:00",  # p2: 3 January in UTC
    "2026-01-03T00:00:00+00:00",  # p3
    "2025-06-01T00:00:00+00:00",  # p4: before the first day
    None,  # p5
    "2026-01-11T23:59:59+00:00",  # p6: a day after the ingestion
    "2026-01-12T00:00:00+00:00",  # p7: the future
]
EXPECTED_DAYS = {FIRST_DAY: ["p1", "p4", "p5", "p7"], date(2026, 1, 3): ["p2", "p3"], DAY_AFTER_INGESTION: ["p6"]}


def as_zoned(text: str | None) -> datetime | None:
    return None if text is None else instant(text)


def as_naive(text: str | None) -> datetime | None:
    return None if text is None else instant(text).astimezone(UTC).replace(tzinfo=None)


def as_day(text: str | None) -> date | None:
    return None if text is None else instant(text).astimezone(UTC).date()


@pytest.mark.parametrize(
    "table",
    [
        dated_patients([as_zoned(text) for text in TIMESTAMPS], pa.timestamp("us", tz="UTC")),
        dated_patients([as_naive(text) for text in TIMESTAMPS], pa.timestamp("us")),
        dated_patients([as_day(text) for text in TIMESTAMPS], pa.date32()),
        dated_patients(TIMESTAMPS, pa.string()),
    ],
    ids=["instants", "wall clock", "dates", "text"],
)
def test_the_records_of_a_dated_table_belong_to_their_day(tmp_path: Path, table: pa.Table) -> None:
    write_deltalake(tmp_path / "history", table)
    source = opened(tmp_path / "history")
    assert source.days() == sorted(EXPECTED_DAYS)
    assert {day: ids_of(source, day) for day in source.days()} == EXPECTED_DAYS
    assert ids_of(source, SECOND_DAY) == []
    assert ids_of(source, date(2026, 1, 12)) == []
    assert ids_of(source, date(2025, 6, 1)) == []
    late = records_of(source, date(2026, 1, 3))
    assert [record["source_row"] for record in late] == [1, 2]
    assert late[0]["cutoff"] == date(2026, 1, 4)


def test_an_unreadable_timestamp_belongs_to_the_first_day(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "history", dated_patients(["soon", "", " 2026-01-02 10:00 ", "n/a"]))
    source = opened(tmp_path / "history")
    assert {day: ids_of(source, day) for day in source.days()} == {FIRST_DAY: ["p1", "p2", "p4"], SECOND_DAY: ["p3"]}


def test_numbers_are_no_timestamps(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "history", dated_patients([1767261600, 2]))
    assert ids_of(opened(tmp_path / "history")) == ["p1", "p2"]


def test_the_timestamp_column_is_found_under_any_spelling(tmp_path: Path) -> None:
    table = dated_patients([instant("2026-01-02T10:00:00+00:00")]).rename_columns({"timestamp": "Timestamp"})
    write_deltalake(tmp_path / "history", table)
    (record,) = records_of(opened(tmp_path / "history"), SECOND_DAY)
    assert record["timestamp"] == "2026-01-02T10:00:00.000000Z"


def test_every_record_of_a_dated_table_belongs_to_exactly_one_day(tmp_path: Path) -> None:
    start = datetime(2025, 12, 28, tzinfo=timezone(timedelta(hours=9)))
    table = dated_patients([start + timedelta(hours=5 * step) for step in range(100)])
    write_deltalake(tmp_path / "history", table, partition_by=["region"])
    source = opened(tmp_path / "history")
    found = [name for day in source.days() for name in ids_of(source, day)]
    assert sorted(found) == sorted(f"p{number}" for number in range(1, 101))


def test_an_empty_table_has_no_days(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "history", dated_patients([], pa.timestamp("us", tz="UTC")))
    source = opened(tmp_path / "history")
    assert source.days() == []
    assert ids_of(source) == []


def test_rows_deleted_by_a_deletion_vector_stay_deleted(tmp_path: Path) -> None:
    path = tmp_path / "patients"
    write_deltalake(path, patients(4))
    delete_by_vector(path, rows=[1])
    assert ids_of(opened(path)) == ["p1", "p3", "p4"]


def test_rows_keep_their_numbers_however_often_a_table_is_read(tmp_path: Path) -> None:
    for start in range(0, 2000, 200):
        write_deltalake(tmp_path / "patients", patients(2000).slice(start, 200), mode="append")
    source = opened(tmp_path / "patients")
    numbered = [{row["source_row"]: row["patient_id"] for row in records_of(source)} for _ in range(3)]
    assert numbered[0] == numbered[1] == numbered[2]
    assert sorted(numbered[0]) == list(range(1, 2001))


def test_a_table_that_lost_a_file_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "patients", patients(3))
    next((tmp_path / "patients").glob("*.parquet")).unlink()
    with pytest.raises(SourceError, match=f"Delta table {tmp_path / 'patients'} cannot be read"):
        records_of(opened(tmp_path / "patients"))


def test_a_dated_path_may_name_delta_tables(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "2026-01-02", dated_patients([None]).cast(dated_patients(["x"]).schema))
    source = opened(tmp_path / "{date}")
    assert source.days() == [SECOND_DAY]
    assert ids_of(source, SECOND_DAY) == ["p1"]


def test_a_table_that_vanished_is_named(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "patients", patients(3))
    source = opened(tmp_path / "patients")
    shutil.rmtree(tmp_path / "patients")
    with pytest.raises(SourceError, match=f"Delta table {tmp_path / 'patients'} cannot be read"):
        source.read(FIRST_DAY)


# The synthetic source.


def small() -> Source:
    return SyntheticSource(SyntheticPopulation(members=400), first_day=FIRST_DAY)


def test_without_a_specification_the_source_is_synthetic(tmp_path: Path) -> None:
    source = opened(None)
    assert source.description == "synthetic population of 5,000 members"
    assert source.days() == [date(2026, 1, number) for number in range(1, 8)]


def test_synthetic_records_are_bronze_records_of_their_day() -> None:
    first, later = records_of(small()), records_of(small(), date(2026, 3, 1))
    assert len(first) >= 400
    assert [record["source_row"] for record in first] == list(range(1, len(first) + 1))
    assert {record["cutoff"] for record in later} == {date(2026, 3, 2)}
    assert {record["timestamp"][:10] for record in later} == {"2026-03-01"}
    assert {record["age"] for record in first} == {None}
    assert {record["id_expected"] for record in first} == {True}
    assert all(record["patient_id"].strip().upper().startswith("MBR00") for record in first)
    assert any(record["charges"] is None for record in later)
    assert all(record["charges"] is not None for record in first)


def test_a_day_before_the_first_has_no_synthetic_records() -> None:
    delivery = small().read(FIRST_DAY - timedelta(days=1))
    assert list(delivery.batches) == []
    assert delivery.notes


# With the lakehouse.


@pytest.mark.parametrize("kind", ["csv", "delta", "text history", "synthetic"])
def test_a_delivery_can_be_written_as_bronze(tmp_path: Path, kind: str) -> None:
    if kind == "csv":
        path = tmp_path / "patients.csv"
        path.write_text(CSV.format("p1").replace("children", "children,note").replace(",0\n", ",0,x\n") + "short\n")
    elif kind != "synthetic":
        stamps = ["2026-01-01T10:00:00Z"] * 3 if kind == "text history" else [instant("2026-01-01T10:00:00+00:00")] * 3
        path = tmp_path / "patients"
        write_deltalake(path, dated_patients(stamps).append_column("note", pa.array(["x"] * 3)))
    source = small() if kind == "synthetic" else opened(path)
    lakehouse = PolarsLakehouse(tmp_path / "lakehouse")
    columns = [column for column in BRONZE_PATIENTS.columns if column.name != PARTITION_COLUMN]
    frame = lakehouse.from_batches(source.read(FIRST_DAY).batches, columns=columns)
    rows = lakehouse.replace_day(BRONZE_PATIENTS, FIRST_DAY, frame)
    assert rows == len(records_of(source))
    assert bronze_schema().names == [column.name for column in columns]


def test_a_blank_specification_is_none() -> None:
    source = open_source(
        " ", first_day=FIRST_DAY, lakehouse_root=Path("nowhere"), ingested_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert isinstance(source, SyntheticSource)
