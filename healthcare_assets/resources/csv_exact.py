"""The exact way through a CSV file: Python's `csv` module in strict mode, and recovery where that gives up.

A record whose quoting is broken costs one line and not the rest of the file: its first line is kept raw as a malformed
row, and reading goes on with the next line.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa

from healthcare_assets.errors import SourceError
from healthcare_assets.resources.csv_inspection import CsvLayout, is_blank, open_bytes
from healthcare_assets.resources.source_batches import Rows

BATCH_ROWS = 50_000
BATCH_CHARACTERS = 1 << 25
RECORD_CHARACTERS = 1 << 24
"""A quoted field that has not ended after so many characters is taken for one whose closing quote is missing."""

FIELD_CHARACTERS = 1 << 30
"""Python's `csv` allows 131,072 characters a field unless told otherwise."""

BROKEN_QUOTES = "has a quotation mark that does not open or close a field"


def exact_rows(layout: CsvLayout, *, skip: int = 0) -> Iterator[Rows]:
    """The rows behind the header, all but the first `skip`, in batches of bounded size.

    Raises SourceError when the file cannot be read to its end.
    """
    csv.field_size_limit(FIELD_CHARACTERS)
    with open_bytes(layout.path) as file:
        lines = _Lines(io.TextIOWrapper(file, encoding=layout.encoding, newline=""))
        records = islice(_records(lines, layout.delimiter), 1 + skip, None)
        try:
            yield from _batches(records, lines, width=len(layout.names))
        except UnicodeDecodeError as error:
            raise SourceError(f"{layout.path} changed while it was read: deliver it again.") from error


class _Lines:
    """The physical lines of a text; those of the present record can be given back. A record ends by force, as if the
    text did, when it takes too many characters."""

    def __init__(self, text: Iterator[str]) -> None:
        self.characters = 0
        self._text = text
        self._returned: list[str] = []
        self._record: list[str] = []
        self._record_characters = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._record_characters > RECORD_CHARACTERS:
            raise StopIteration
        line = self._returned.pop() if self._returned else next(self._text)
        self._record.append(line)
        self._record_characters += len(line)
        return line

    def begin_record(self) -> None:
        self.characters += self._record_characters
        self._record_characters = 0
        self._record.clear()

    def keep_first_of_record(self) -> str:
        """The record's first line; the others will be handed out again."""
        first, *others = self._record
        self._returned.extend(reversed(others))
        self._record_characters = len(first)
        return first


def _records(lines: _Lines, delimiter: str) -> Iterator[list[str] | str]:
    """The records as lists of fields, or as the bare line where the quoting is broken; blank lines are left out."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_record()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield lines.keep_first_of_record().rstrip("\r\n")
            continue
        if not is_blank(fields):
            yield fields


def _batches(records: Iterator[list[str] | str], lines: _Lines, *, width: int) -> Iterator[Rows]:
    nulls = (None,) * width
    rows: list[Sequence[str | None]] = []
    faults: dict[int, tuple[str, list[str]]] = {}
    characters_before = lines.characters
    for record in records:
        if isinstance(record, str):
            faults[len(rows)] = (BROKEN_QUOTES, [record])
            rows.append(nulls)
        elif len(record) != width:
            faults[len(rows)] = (f"has {len(record)} fields where the header names {width}", record)
            rows.append(nulls)
        else:
            rows.append(record)
        if len(rows) >= BATCH_ROWS or lines.characters - characters_before >= BATCH_CHARACTERS:
            yield _as_rows(rows, faults)
            rows, faults, characters_before = [], {}, lines.characters
    if rows:
        yield _as_rows(rows, faults)


def _as_rows(rows: list[Sequence[str | None]], faults: dict[int, tuple[str, list[str]]]) -> Rows:
    columns = tuple(pa.array(column, pa.string()) for column in zip(*rows, strict=True))
    if not faults:
        return Rows(columns=columns)
    malformed: list[str | None] = [None] * len(rows)
    raw: list[str | None] = [None] * len(rows)
    for position, (sentence, fields) in faults.items():
        malformed[position] = sentence
        raw[position] = json.dumps({"raw": fields}, ensure_ascii=False)
    return Rows(columns=columns, malformed=pa.array(malformed, pa.string()), raw=pa.array(raw, pa.string()))
