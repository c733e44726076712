"""The search finds a mark in whatever form it is written: otherwise to have found none says nothing."""

import base64
import gzip
import html
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import polars as pl
import pytest

from healthcare_assets_tests.canary.marks import STEMS, Person
from healthcare_assets_tests.canary.search import Search

SOMEBODY = Person(4711)
SENTENCE = f"about {SOMEBODY.email}, {SOMEBODY.ssn}"


def _kinds(file: Path) -> set[str]:
    search = Search()
    search.file(file)
    return {hit.kind for hit in search.hits}


def _parquet(text: str, **columns: object) -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"a": [text] * 50, **columns}).write_parquet(file, compression="zstd", statistics=False)
    return file.getvalue()


def _zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.json.gz", gzip.compress(text.encode()))
    return file.getvalue()


FORMS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "upper case": lambda text: text.upper().encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Parquet, compressed": _parquet,
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip in a zip": _zip,
    "zlib within other bytes": lambda text: b"\x00\x01PNG" + zlib.compress(text.encode()) + b"tail",
    "base64": lambda text: b"data:text/plain;base64," + base64.b64encode(text.encode()),
    "base64, two bytes later": lambda text: b"x=" + base64.urlsafe_b64encode(b"ab" + text.encode()),
    "base64 in JSON in zlib": lambda text: zlib.compress(
        json.dumps({"blob": base64.b64encode(text.encode()).decode()}).encode()
    ),
    "percent": lambda text: b"GET /?q=" + quote_plus(text).encode(),
    "percent, every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "JSON escapes": lambda text: "".join(f"\\u{ord(character):04x}" for character in text).encode(),
    "HTML entities": lambda text: "".join(f"&#{ord(character)};" for character in text).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_mark_is_found_in_every_form(tmp_path: Path, form: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(FORMS[form](SENTENCE))
    assert {"first name", "e-mail", "social security number"} <= _kinds(file)


@pytest.mark.parametrize("value", [SENTENCE, SENTENCE.encode(), zlib.compress(SENTENCE.encode())])
def test_a_mark_is_found_in_a_database_its_log_included(tmp_path: Path, value: str | bytes) -> None:
    database = sqlite3.connect(tmp_path / "file.db")
    database.execute("PRAGMA journal_mode = wal")
    database.execute('CREATE TABLE "some table" (id INTEGER, body)')
    database.execute('INSERT INTO "some table" VALUES (1, ?)', (value,))
    database.commit()
    assert "social security number" in _kinds(tmp_path / "file.db")
    database.close()


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("ssn 987654711", "social security number"),
        ("token=dapi-zqsecret", "secret"),
        ("987 65 4711", "social security number"),
        ("987.65.4711", "social security number"),
        ("charges 78054711.0", "social security number"),
        ("1950-11-23", "birth date"),
        ("11/23/1950", "birth date"),
        ("19501123", "birth date"),
        ("2019-10-19T00:00:00Z", "start of the coverage"),
        ("9875554711", "telephone"),
        ("021347711", "zip code"),
        (html.escape(f"<b>{Person(10).last_name}</b>"), "name with an accent"),
        (json.dumps(Person(10).last_name), "name with an accent"),
        (Person(10).last_name.upper(), "name with an accent"),
    ],
)
def test_other_spellings_are_found(tmp_path: Path, written: str, kind: str) -> None:
    (tmp_path / "file").write_text(written, encoding="utf-8")
    assert kind in _kinds(tmp_path / "file")


def test_numbers_and_lists_of_a_parquet_file_are_read(tmp_path: Path) -> None:
    numbers = {"b": [987_654_711] * 50, "c": [9_875_554_711.0] * 50, "d": [[{"text": SOMEBODY.address}]] * 50}
    (tmp_path / "file.parquet").write_bytes(_parquet("nothing", **numbers))
    assert _kinds(tmp_path / "file.parquet") == {"social security number", "telephone", "address"}


def test_names_of_files_and_columns_are_searched(tmp_path: Path) -> None:
    (tmp_path / f"{SOMEBODY.last_name}.txt").touch()
    pl.DataFrame({SOMEBODY.first_name: [1]}).write_parquet(tmp_path / "file.parquet")
    search = Search()
    search.folder(tmp_path)
    assert {hit.kind for hit in search.hits} == {"first name", "last name"}


def test_every_mark_of_a_record_has_a_stem() -> None:
    for number in (10, 4711):
        person = Person(number)
        dates = (person.birth_date(1950), person.coverage_start(2019))
        marks = (person.first_name, person.last_name, person.patient_id, person.zip_code, *dates)
        for mark in (*marks, *person.undeclared.values(), person.early_ssn):
            search = Search()
            search.content(mark.encode(), "here")
            assert search.hits, mark


def test_what_is_nobody_s_is_not_found(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    (tmp_path / "bytes").write_bytes(random.bytes(300_000))
    (tmp_path / "numbers.json").write_text(json.dumps(random.random(20_000).tolist()), encoding="utf-8")
    pl.DataFrame({"x": random.random(20_000), "day": ["2026-11-23"] * 20_000}).write_parquet(tmp_path / "x.parquet")
    search = Search(stems=STEMS)
    search.folder(tmp_path)
    assert (search.hits, search.files) == ([], 3)
    assert search.bytes_decoded > search.bytes_read > 300_000
