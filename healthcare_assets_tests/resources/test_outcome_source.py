"""Which costs a source gives for which day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from healthcare_assets.domain.monitoring.outcomes import DELIVERED_COLUMNS
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.errors import SourceError
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.outcome_source import (
    NoOutcomes,
    OutcomeSource,
    SyntheticOutcomes,
    open_outcomes,
    outcomes_beside,
)
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets_tests.resources.source_tables import FIRST_DAY, INGESTED_AT, opened

SECOND_DAY, THIRD_DAY = date(2026, 1, 2), date(2026, 1, 3)
KNOWN = [(FIRST_DAY, "p1"), (THIRD_DAY, "p2"), (SECOND_DAY, "p3"), (THIRD_DAY, "p4")]


def _opened(spec: str | Path, lakehouse_root: Path = Path("nowhere")) -> OutcomeSource:
    return open_outcomes(str(spec), first_day=FIRST_DAY, lakehouse_root=lakehouse_root, ingested_at=INGESTED_AT)


def _records(source: OutcomeSource, day: date = FIRST_DAY) -> list[dict[str, Any]]:
    batches = list(source.read(day).batches)
    assert all(batch.schema == arrow_schema(DELIVERED_COLUMNS) for batch in batches)
    return [record for batch in batches for record in batch.to_pylist()]


def _ids(source: OutcomeSource, day: date = FIRST_DAY) -> list[str | None]:
    return [record["patient_id"] for record in _records(source, day)]


def _table(known: Sequence[Any], kind: pa.DataType | None) -> pa.Table:
    return pa.table(
        {
            "patient_id": [patient for _, patient in KNOWN],
            "charges": [10.5, 11.0, 12.0, 13.25],
            "service_date": pa.array([FIRST_DAY] * len(KNOWN), pa.date32()),
            "known_date": pa.array(known, kind),
        }
    )


def test_dated_files_belong_to_their_days_whatever_they_say_themselves(tmp_path: Path) -> None:
    (tmp_path / "costs-2026-01-02.csv").write_text(
        "patient_id,charges,service_date,known_date\np1,10,2026-01-01,1999-01-01\np2,11,2026-01-01,soon\n"
    )
    source = _opened(tmp_path / "costs-{date}.csv")
    assert source.read(SECOND_DAY).notes == ()
    assert [(r["patient_id"], r["source_row"], r["known_expected"]) for r in _records(source, SECOND_DAY)] == [
        ("p1", 1, False),
        ("p2", 2, False),
    ]
    delivery = source.read(THIRD_DAY)
    assert list(delivery.batches) == []
    assert delivery.notes == (f"There is no file {tmp_path / 'costs-2026-01-03.csv'}: no cost became known that day.",)


def test_a_dated_path_may_have_no_file_yet(tmp_path: Path) -> None:
    """The first costs become known weeks after the first records."""
    assert _ids(_opened(tmp_path / "{date}.csv")) == []


@pytest.mark.parametrize("name", ["known_date", "Known Date", "KNOWN-DATE", "KnownDate"])
def test_an_undated_file_is_told_apart_by_its_known_dates(tmp_path: Path, name: str) -> None:
    lines = "\n".join(f"{patient},10,2026-01-01,{day}" for day, patient in KNOWN)
    (tmp_path / "costs.csv").write_text(f"Patient ID,Charges,Service Date,{name}\n{lines}\n")
    source = _opened(tmp_path / "costs.csv")
    assert [_ids(source, day) for day in (FIRST_DAY, SECOND_DAY, THIRD_DAY)] == [["p1"], ["p3"], ["p2", "p4"]]
    assert [record["source_row"] for record in _records(source, THIRD_DAY)] == [1, 2]
    assert {record["known_expected"] for record in _records(source, THIRD_DAY)} == {True}
    assert source.read(FIRST_DAY).notes == ()


@pytest.mark.parametrize("form", ["parquet", "delta", "table"])
@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us", tz="UTC"), pa.timestamp("us"), pa.string()])
def test_typed_known_dates_are_read(tmp_path: Path, form: str, kind: pa.DataType) -> None:
    days = [day for day, _ in KNOWN]
    late = [datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC) for day in days]
    values: Sequence[Any] = late if pa.types.is_timestamp(kind) else days
    if kind == pa.string():
        values = [day.isoformat() for day in days]
    elif kind == pa.timestamp("us"):
        values = [instant.replace(tzinfo=None) for instant in late]
    path = tmp_path / "costs"
    if form == "parquet":
        path = path.with_suffix(".parquet")
        pq.write_table(_table(values, kind), path)
    else:
        write_deltalake(path, _table(values, kind))
    source = _opened("costs", tmp_path) if form == "table" else _opened(path)
    assert [_ids(source, day) for day in (FIRST_DAY, SECOND_DAY, THIRD_DAY)] == [["p1"], ["p3"], ["p2", "p4"]]
    assert [record["charges"] for record in _records(source, THIRD_DAY)] == ["11", "13.25"]


def test_what_cannot_be_dated_belongs_to_the_first_day_so_that_nothing_is_lost(tmp_path: Path) -> None:
    days = ["", "soon", "2025-06-01", "2199-01-01", "2026-01-11", "1/2/2026", "1/2/2026 0:00", "2026-01-02T01:00+05:30"]
    lines = "\n".join(f"{number},10,2026-01-01,{day}" for number, day in enumerate(days))
    (tmp_path / "costs.csv").write_text(f"patient_id,charges,service_date,known_date\n{lines}\nshort\n")
    source = _opened(tmp_path / "costs.csv")
    assert _ids(source) == ["0", "1", "2", "3", "7", None]
    assert _records(source)[-1]["malformed"]
    assert _ids(source, SECOND_DAY) == ["5", "6"]
    assert _ids(source, date(2026, 1, 11)) == ["4"]
    everything = [_ids(source, FIRST_DAY + timedelta(days=offset)) for offset in range(15)]
    assert sum(map(len, everything)) == len(days) + 1


def test_without_known_dates_a_cost_counts_as_known_on_its_service_date_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("patient_id,charges,service_date\np1,1,2026-01-02\np2,1,2026-01-01\n")
    source = _opened(path)
    assert (_ids(source), _ids(source, SECOND_DAY)) == (["p2"], ["p1"])
    (note,) = source.read(SECOND_DAY).notes
    assert note.startswith(f"{path} has no known_date column: each cost counts as known on its service date")
    assert "add a known_date column" in note
    assert "{date}" in note
    assert {record["known_expected"] for record in _records(source)} == {False}


def test_a_glob_counts_its_rows_through(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(
            f"patient_id,charges,service_date,known_date\n{name}1,1,2026-01-01,2026-01-02\n"
        )
    assert [(r["patient_id"], r["source_row"]) for r in _records(_opened(tmp_path / "*.csv"), SECOND_DAY)] == [
        ("a1", 1),
        ("b1", 2),
    ]


def test_semicolons_and_other_columns_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("claim;patient_id;charges;service_date\n7;p1;10;2026-01-01\n")
    assert _ids(_opened(tmp_path / "costs.csv")) == ["p1"]


@pytest.mark.parametrize("form", ["csv", "parquet", "delta"])
def test_a_missing_column_is_named(tmp_path: Path, form: str) -> None:
    table = _table([FIRST_DAY] * 4, pa.date32()).drop_columns(["service_date"])
    path = tmp_path / f"costs.{form}"
    if form == "csv":
        path.write_text("patient_id,charges,known_date\np1,1,2026-01-01\n")
    elif form == "parquet":
        pq.write_table(table, path)
    else:
        write_deltalake(path, table)
    with pytest.raises(SourceError, match=r"has no column service_date: add or rename it; found were patient_id, ch"):
        _records(_opened(path))


def test_a_file_of_something_else_is_refused_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("name,sum\nAda,10\n")
    expected = "expected are at least the columns patient_id, charges, service_date"
    with pytest.raises(SourceError, match=expected) as caught:
        _records(_opened(tmp_path / "costs.csv"))
    assert "Ada" not in str(caught.value)
    (tmp_path / "empty.csv").touch()
    with pytest.raises(SourceError, match=expected):
        _records(_opened(tmp_path / "empty.csv"))


@pytest.mark.parametrize("spec", ["costs.csv", "*.parquet", "costs"])
def test_what_is_not_there_is_named_with_its_variable(tmp_path: Path, spec: str) -> None:
    with pytest.raises(SourceError, match=r"HEALTHCARE_OUTCOMES is .*correct the") as caught:
        _opened(spec if spec == "costs" else tmp_path / spec, tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_synthetic_population_brings_its_outcomes_and_files_of_patients_bring_none(tmp_path: Path) -> None:
    population = SyntheticPopulation(members=200, arrivals_per_day=30)
    beside = outcomes_beside(SyntheticSource(population, first_day=FIRST_DAY))
    assert isinstance(beside, SyntheticOutcomes)
    assert _records(beside, FIRST_DAY) == []
    later = _records(beside, date(2026, 2, 1))
    assert later
    assert all(record["patient_id"].strip().upper().startswith("MBR") for record in later)
    assert {record["service_date"] for record in later} <= {
        (date(2026, 2, 1) - timedelta(days=lag)).isoformat() for lag in range(14, 43)
    }
    (tmp_path / "patients.csv").write_text("age,sex,region,bmi,smoker,children\n1,f,ne,20,no,0\n")
    nothing = outcomes_beside(opened(tmp_path / "patients.csv"))
    assert isinstance(nothing, NoOutcomes)
    assert _records(nothing) == []
    assert "set HEALTHCARE_OUTCOMES" in nothing.read(FIRST_DAY).notes[0]
