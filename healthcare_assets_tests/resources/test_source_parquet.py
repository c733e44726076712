"""Parquet and Delta: typed values become the text that cleaning reads back without loss."""

import base64
import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.errors import SourceError
from healthcare_assets.resources import source_parquet
from healthcare_assets.resources.source_batches import bronze_batches, bronze_schema
from healthcare_assets.resources.source_parquet import open_parquet
from healthcare_assets.resources.source_text import as_text
from healthcare_assets_tests.resources.source_tables import FIRST_DAY, bronze_records, patients


def read(path: Path) -> list[dict[str, Any]]:
    return bronze_records(open_parquet(path))


NEW_YORK_WINTER = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([19, -1, None], pa.int8()), ["19", "-1", None]),
        (pa.array([2**63], pa.uint64()), ["9223372036854775808"]),
        (
            pa.array([27.9, 19.0, 123456789012.0, 1e-7, float("nan"), None]),
            ["27.9", "19", "123456789012", "1e-7", "NaN", None],
        ),
        (pa.array([27.9, 0.1], pa.float32()), ["27.9", "0.1"]),
        (pa.array([27.5, float("nan"), None], pa.float16()), ["27.5", "NaN", None]),
        (pa.array([Decimal("27.90")]), ["27.90"]),
        (pa.array([date(2026, 1, 31)]), ["2026-01-31"]),
        (pa.array([1769853600123456], pa.timestamp("us")), ["2026-01-31T10:00:00.123456"]),
        (pa.array([1769853600], pa.timestamp("s")), ["2026-01-31T10:00:00"]),
        (pa.array([datetime(2026, 1, 31, 22, tzinfo=NEW_YORK_WINTER)]), ["2026-02-01T03:00:00.000000Z"]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array(["a"], pa.string_view()), ["a"]),
        (pa.array([b"p1", b"\xff", None]), ["p1", base64.b64encode(b"\xff").decode(), None]),
        (pa.array([[1, None], None]), ["[1, null]", None]),
        (pa.array([{"when": date(2026, 1, 31), "raw": b"\xff"}]), ['{"when": "2026-01-31", "raw": "/w=="}']),
        (pa.nulls(2), [None, None]),
        (pa.array([time(1, 2)]), ["01:02:00.000000"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_typed_values_as_text(values: pa.Array, text: list[str | None]) -> None:
    written = as_text(values)
    assert written.type == pa.string()
    assert written.to_pylist() == text


@given(st.lists(st.floats(allow_infinity=False) | st.floats(0, 1e6).map(lambda value: round(value, 2))))
def test_every_double_is_read_back_exactly(values: list[float]) -> None:
    text = as_text(pa.array(values, pa.float64())).to_pylist()
    assert np.array_equal(np.array([float(value) for value in text]), np.array(values), equal_nan=True)


def test_a_parquet_file_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_parquet, "BATCH_ROWS", 2)
    path = tmp_path / "patients.parquet"
    pq.write_table(patients(5), path)
    batches = list(bronze_batches([open_parquet(path)], cutoff=FIRST_DAY))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert {str(batch.schema) for batch in batches} == {str(bronze_schema())}
    assert [number for batch in batches for number in batch["source_row"].to_pylist()] == [1, 2, 3, 4, 5]


def test_declared_columns_are_text_and_the_others_json(tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    table = patients(1).append_column("Tags", pa.array([["a", "b"]])).append_column("Photo", pa.array([b"\xff\xd8"]))
    pq.write_table(table.rename_columns({"children": "Children"}), path)
    (record,) = read(path)
    assert (record["bmi"], record["smoker"], record["children"], record["birth_date"]) == (
        "27.9",
        "true",
        "0",
        "1990-01-31",
    )
    assert json.loads(record["other_columns"]) == {"Tags": '["a", "b"]', "Photo": "/9g="}


def test_an_empty_parquet_file_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    pq.write_table(patients(0), path)
    assert read(path) == []


@pytest.mark.parametrize("content", [b"", b"age,sex\n1,2\n", b"PAR1 no more"])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "patients.parquet"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"{path} cannot be read as Parquet"):
        open_parquet(path)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    pq.write_table(patients(1000), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="damaged or incomplete"):
        open_parquet(path)


def test_a_parquet_file_that_is_damaged_inside_is_refused_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    pq.write_table(patients(1000), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(SourceError, match="damaged or incomplete"):
        read(path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    pq.write_table(patients(1).drop_columns(["bmi", "smoker"]), path)
    with pytest.raises(SourceError, match=r"has no column bmi, smoker: .* found were patient_id, birth_date"):
        open_parquet(path)
