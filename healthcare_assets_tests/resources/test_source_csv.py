"""CSV files as they really come: no row is lost, and what cannot be read is named."""

import codecs
import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from healthcare_assets.errors import SourceError
from healthcare_assets.resources import csv_exact
from healthcare_assets.resources.csv_exact import exact_rows
from healthcare_assets.resources.csv_inspection import QuoteProof, inspect_csv
from healthcare_assets.resources.csv_reader import csv_rows, open_csv
from healthcare_assets.resources.source_batches import Rows
from healthcare_assets_tests.resources.source_tables import FIRST_DAY, bronze_records, opened

HEADER = "patient_id,age,sex,region,bmi,smoker,children\n"
ROW = "p1,19,female,southwest,27.9,yes,0\n"


def read(path: Path) -> list[dict[str, Any]]:
    return bronze_records(open_csv(path))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write_file(content: str | bytes, name: str = "patients.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def test_every_value_is_kept_as_the_text_that_was_delivered(write: Callable[..., Path]) -> None:
    path = write(HEADER + "p1, 19,FEMALE ,southwest,027.90,yes,0\n")
    (record,) = read(path)
    assert (record["age"], record["sex"], record["bmi"]) == (" 19", "FEMALE ", "027.90")
    assert record["charges"] is None
    assert record["other_columns"] is None
    assert record["malformed"] is None
    assert record["id_expected"] is True
    assert (record["source_file"], record["source_row"], record["cutoff"]) == (str(path), 1, FIRST_DAY)


def test_empty_and_blank_values_are_null(write: Callable[..., Path]) -> None:
    (record,) = read(write(HEADER + 'p1,, \t,"",27.9,"  ",0\n'))
    assert [record[name] for name in ("age", "sex", "region", "smoker")] == [None] * 4


def test_header_names_are_matched_without_regard_to_case_blanks_and_hyphens(write: Callable[..., Path]) -> None:
    (record,) = read(
        write(" Patient ID ,AGE,Sex,Region,BMI,Smoker,Children,Insurance-Plan\n" + ROW.strip() + ",gold\n")
    )
    assert (record["patient_id"], record["insurance_plan"], record["other_columns"]) == ("p1", "gold", None)


@pytest.mark.parametrize("name", ["PatientID", "patientId", "PATIENTID", "patient__id", "Patient - ID"])
def test_an_id_column_is_recognised_however_its_words_are_joined(write: Callable[..., Path], name: str) -> None:
    """Two patients alike in all else would be one, if the ids were derived from their records."""
    records = read(write(f"{name},BirthDate,sex,region,bmi,smoker,children\n" + 2 * "p1,1990-01-31,f,ne,22,no,0\n"))
    assert [(r["birth_date"], r["id_expected"], r["other_columns"]) for r in records] == [
        ("1990-01-31", True, None)
    ] * 2


def test_undeclared_columns_are_kept_as_json(write: Callable[..., Path]) -> None:
    header = HEADER.strip() + ',Phone No,,"Näme"\n'
    (record,) = read(write(header + ROW.strip() + ',555-1,x,"say ""hü"""\n'))
    assert json.loads(record["other_columns"]) == {"Phone No": "555-1", "column_9": "x", "Näme": 'say "hü"'}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (codecs.BOM_UTF8 + (HEADER + "p1,19,Zoë,southwest,27.9,yes,0\n").encode(), "Zoë"),
        ((HEADER + "p1,19,Zoë,southwest,27.9,yes,0\n").encode(), "Zoë"),
        ((HEADER + "p1,19,Zoë,southwest,27.9,yes,0\n").encode("utf-16"), "Zoë"),
        (codecs.BOM_UTF16_BE + (HEADER + "p1,19,Zoë,southwest,27.9,yes,0\n").encode("utf-16-be"), "Zoë"),
        ((HEADER + "p1,19,Zoë – 5€,southwest,27.9,yes,0\n").encode("cp1252"), "Zoë – 5€"),
        ((HEADER + "p1,19,Zo\x81ë,southwest,27.9,yes,0\n").encode("latin-1"), "Zo\x81ë"),
    ],
    ids=["utf-8 with BOM", "utf-8", "utf-16", "utf-16 big endian", "cp1252", "latin-1"],
)
def test_encodings_are_recognised(write: Callable[..., Path], content: bytes, name: str) -> None:
    (record,) = read(write(content))
    assert (record["patient_id"], record["sex"], record["children"]) == ("p1", name, "0")


def test_a_late_byte_that_is_no_utf8_changes_the_encoding_of_the_whole_file(write: Callable[..., Path]) -> None:
    path = write(
        (HEADER + "p1,1,Ã©,southwest,27.9,yes,0\n" + ROW * 200_000 + "p2,2,é,southwest,27.9,yes,0\n").encode("cp1252")
    )
    records = read(path)
    assert (records[0]["sex"], records[-1]["sex"], len(records)) == ("Ã©", "é", 200_002)
    assert open_csv(path).notes == (f"{path} is not UTF-8: it was read as Windows-1252.",)


def test_a_file_without_surprises_has_no_notes(write: Callable[..., Path]) -> None:
    assert open_csv(write(HEADER + ROW)).notes == ()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_quoted_newlines_and_doubled_quotes(write: Callable[..., Path], line_end: str) -> None:
    content = HEADER.strip() + line_end + f'"p{line_end}1",19,"a ""b"" c",southwest,27.9,yes,0{line_end}' + ROW.strip()
    first, second = read(write(content))
    assert (first["patient_id"], first["sex"], second["patient_id"]) == (f"p{line_end}1", 'a "b" c', "p1")


def test_blank_lines_are_no_records(write: Callable[..., Path]) -> None:
    content = "\n\r\n" + HEADER + "\n" + ROW + "  \n" + ROW + "\n\n\r\n   "
    assert [record["source_row"] for record in read(write(content))] == [1, 2]


def test_rows_of_the_wrong_length_are_kept_raw(write: Callable[..., Path]) -> None:
    records = read(
        write(HEADER + ROW + "p2,19,female,southwest,27.9\n" + ROW + "p4,19,female,southwest,27.9,yes,0,x,\n" + ROW)
    )
    assert [record["malformed"] for record in records] == [
        None,
        "has 5 fields where the header names 7",
        None,
        "has 9 fields where the header names 7",
        None,
    ]
    assert [record["source_row"] for record in records] == [1, 2, 3, 4, 5]
    short = records[1]
    assert json.loads(short["other_columns"]) == {"raw": ["p2", "19", "female", "southwest", "27.9"]}
    assert {short[name] for name in ("patient_id", "age", "sex", "region", "bmi", "smoker", "children")} == {None}


def test_undeclared_columns_and_malformed_rows_can_meet(write: Callable[..., Path]) -> None:
    good, bad = read(write(HEADER.strip() + ",note\n" + ROW.strip() + ",n\n" + ROW))
    assert json.loads(good["other_columns"]) == {"note": "n"}
    assert json.loads(bad["other_columns"]) == {"raw": ROW.strip().split(",")}


def test_an_unclosed_quote_costs_one_row_and_not_the_rest_of_the_file(write: Callable[..., Path]) -> None:
    records = read(write(HEADER + ROW + 'p2,19,"female,southwest,27.9,yes,0\n' + ROW * 3))
    assert [record["malformed"] for record in records] == [None, csv_exact.BROKEN_QUOTES, None, None, None]
    assert json.loads(records[1]["other_columns"]) == {"raw": ['p2,19,"female,southwest,27.9,yes,0']}
    assert [record["patient_id"] for record in records] == ["p1", None, "p1", "p1", "p1"]


def test_an_unclosed_quote_does_not_turn_later_quotes_inside_out(write: Callable[..., Path]) -> None:
    quoted = '"p3",19,"female","southwest",27.9,yes,0\n'
    records = read(write(HEADER + '"p2,19,female,southwest,27.9,yes,0\n' + quoted * 2))
    assert [record["patient_id"] for record in records] == [None, "p3", "p3"]


def test_an_unclosed_quote_is_given_up_after_a_bounded_number_of_characters(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_exact, "RECORD_CHARACTERS", 1000)
    records = read(write(HEADER + 'p2,"' + ROW * 100 + '"\n' + ROW))
    assert len(records) == 102
    assert [record["source_row"] for record in records if record["malformed"]] == [1, 101]


def test_a_quote_inside_an_unquoted_value_is_a_character(write: Callable[..., Path]) -> None:
    records = read(write(HEADER + 'p1,5\'10",f"e"m,southwest,27.9,yes,0\n' + '"p2",19,"f",southwest,27.9,yes,0\n'))
    assert [(record["patient_id"], record["age"], record["sex"]) for record in records] == [
        ("p1", "5'10\"", 'f"e"m'),
        ("p2", "19", "f"),
    ]


def test_nul_characters_are_kept(write: Callable[..., Path]) -> None:
    (record,) = read(write(HEADER + "p\x001,19,female,southwest,27.9,yes,0\n"))
    assert record["patient_id"] == "p\x001"


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("length", [1_000_000, 9_000_000])
def test_a_field_of_millions_of_characters_is_read(write: Callable[..., Path], length: int, quote: str) -> None:
    records = read(write(HEADER + ROW + f"p2,19,{quote}{'x' * length}{quote},southwest,27.9,yes,0\n" + ROW))
    assert [len(record["sex"]) for record in records] == [6, length, 6]
    assert [record["malformed"] for record in records] == [None, None, None]


def test_other_delimiters_are_recognised_and_told(write: Callable[..., Path]) -> None:
    path = write((HEADER + ROW).replace(",", ";"))
    (record,) = read(path)
    assert record["bmi"] == "27.9"
    assert open_csv(path).notes == (f"{path} separates its columns by semicolons.",)


def test_a_compressed_file_is_read(write: Callable[..., Path]) -> None:
    path = write(gzip.compress((HEADER + ROW + "short\n" + ROW).encode()), "patients.csv.gz")
    assert [record["malformed"] is None for record in read(path)] == [True, False, True]


def test_a_truncated_compressed_file_is_refused(write: Callable[..., Path]) -> None:
    path = write(gzip.compress((HEADER + ROW * 1000).encode())[:-20], "patients.csv.gz")
    with pytest.raises(SourceError, match="not a complete gzip file"):
        open_csv(path)


def test_a_header_without_rows_has_no_records(write: Callable[..., Path]) -> None:
    assert read(write(HEADER)) == []
    assert read(write(HEADER.strip())) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: expected are at least the columns age or birth_date, sex"),
        (b" \n\r\n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        ("age,sex,region,bmi\n", "has no column smoker, children: .* found were age, sex, region, bmi"),
        ("sex,region,bmi,smoker,children\n", "has no column age or birth_date"),
        ("Age,sex,region,bmi,smoker,children,AGE\n", "has the column age twice"),
        ("age,sex,region,bmi,smoker,children,x-y,X y\n", "has the column x_y twice"),
        ("age,smoker,x,y\n", "has no column sex, region, bmi, children: add or rename it; found were age, smoker[.]$"),
        ("Maria,Garcia,44,Smoker,Maria\n", "has no column age or birth_date, .*; found were smoker[.]$"),
        ("MBR1,Maria,Garcia,1970-01-02\n", "names none of the known columns in its header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "is no text file"),
        (b"PK\x03\x04" + bytes(range(256)), "is an Excel workbook or a zip archive"),
        (b"PAR1" + bytes(range(256)), "is a Parquet file"),
        (HEADER.encode("utf-16") + b"\x00", "is marked as UTF-16 and is not"),
        (codecs.BOM_UTF8 + (HEADER + ROW * 9).encode() + b"\xe9\n", "is marked as UTF-8 and is not"),
        ('age,"sex,region\n1,2', "has a header line that cannot be split"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    write: Callable[..., Path], content: str | bytes, sentence: str
) -> None:
    path = write(content)
    with pytest.raises(SourceError, match=sentence) as caught:
        open_csv(path)
    assert str(path) in str(caught.value)


def test_the_first_patient_is_not_quoted_when_the_header_is_missing(write: Callable[..., Path]) -> None:
    with pytest.raises(SourceError) as caught:
        open_csv(write("MBR1,Maria,Garcia,1970-01-02\n"))
    assert "Maria" not in str(caught.value)


def test_several_files_count_their_rows_through(write: Callable[..., Path], tmp_path: Path) -> None:
    write("children,smoker,bmi,region,sex,age\n0,yes,27.9,southwest,female,19\n", "b.csv")
    write(HEADER + ROW * 2, "a.csv")
    delivery = opened(tmp_path / "*.csv").read(FIRST_DAY)
    records = [record for batch in delivery.batches for record in batch.to_pylist()]
    assert [(Path(record["source_file"]).name, record["source_row"]) for record in records] == [
        ("a.csv", 1),
        ("a.csv", 2),
        ("b.csv", 3),
    ]
    assert [record["id_expected"] for record in records] == [True, True, False]
    assert [record["sex"] for record in records] == ["female"] * 3
    assert delivery.notes == (f"{tmp_path / 'b.csv'} has no patient_id column: ids are derived from its records.",)


# The two ways through a file.

LETTERS = st.sampled_from(
    ["a", "é", "1", '"', '""', ",", "\n", "\r", "\r\n", " ", "\x00", "'", ",,,,,,", '"a"', "\n\n"]
)
TEXT = st.lists(LETTERS, max_size=40).map("".join)
FIELD = st.text(alphabet='aé1 ",\n\r\x00', max_size=6)
QUOTED_ROW = st.lists(FIELD, min_size=7, max_size=7).map(
    lambda fields: ",".join('"' + field.replace('"', '""') + '"' for field in fields)
)


def as_tuples(rows: Iterator[Rows]) -> list[tuple[str | None, ...]]:
    found: list[tuple[str | None, ...]] = []
    for some in rows:
        absent = pa.nulls(len(some.columns[0]), pa.string())
        columns = (*some.columns, some.malformed or absent, some.raw or absent)
        found.extend(zip(*(column.to_pylist() for column in columns), strict=True))
    return found


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.one_of(TEXT, st.lists(st.one_of(QUOTED_ROW, st.just(ROW.strip()), TEXT), max_size=8).map("\n".join)))
@example(body='"a","b","c","d","e","f","g')
@example(body=ROW * 3 + '""\n' + ROW)
@example(body='"p""1",,,,,,\r\n,,,,,,"\r\n"\r\n\r\n')
def test_the_fast_and_the_exact_way_give_the_same_rows(body: str, tmp_path: Path) -> None:
    path = tmp_path / "generated.csv"
    path.write_bytes((HEADER + body).encode())
    layout = inspect_csv(path)
    exact = as_tuples(exact_rows(layout))
    assert as_tuples(csv_rows(layout)) == exact
    assert as_tuples(csv_rows(layout, block_bytes=64)) == exact


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.lists(FIELD, min_size=7, max_size=7).filter(any), max_size=6))
def test_what_a_csv_writer_writes_is_read_back(rows: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "generated.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    layout = inspect_csv(path)
    assert layout.regular == ("\r" not in "".join(map("".join, rows)))
    assert [row[:7] for row in as_tuples(csv_rows(layout))] == [tuple(row) for row in rows]


@given(pieces=st.lists(TEXT.filter(bool), min_size=1, max_size=6))
def test_the_quotes_of_a_text_are_judged_alike_however_it_is_cut(pieces: list[str]) -> None:
    whole = QuoteProof(",")
    whole.feed("".join(pieces).encode())
    cut = QuoteProof(",")
    for piece in pieces:
        cut.feed(piece.encode())
    assert cut.finish() == whole.finish()


def test_most_regular_files_go_the_fast_way(write: Callable[..., Path]) -> None:
    quoted = '"p3",19,"fe""male",,"27\n.9",yes,0\r\n'
    assert inspect_csv(write(HEADER + ROW + quoted * 3)).regular
    assert not inspect_csv(write(HEADER + ROW + '"p3" ,19,f,,27,yes,0\n')).regular


def test_memory_is_bounded_by_batches(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_exact, "BATCH_ROWS", 10)
    monkeypatch.setattr(csv_exact, "BATCH_CHARACTERS", 2000)
    long_row = ROW.replace("female", "f" * 900)
    layout = inspect_csv(write(HEADER + ROW * 25 + long_row * 9))
    assert [len(rows.columns[0]) for rows in exact_rows(layout)] == [10, 10, 8, 3, 3]
