"""Source files as nobody would write them, by number: the same number gives the same file."""

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_assets.domain.tables import REQUIRED_SOURCE_COLUMNS, SOURCE_COLUMNS
from healthcare_assets_tests.domain.frames import GOOD_RECORD

NEEDED = tuple(group[0] for group in REQUIRED_SOURCE_COLUMNS)
"""A column of each group that a source has to have one of."""
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1")
_ODD_TEXTS = (
    "",
    " ",
    "NaN",
    "null",
    "-1",
    "1e308",
    "1e999",
    "9" * 40,
    "0x1F",
    "١٢",
    "½",
    "$1,234.50",
    "1.234,50",
    "2026-02-30",
    "29/02/2024",
    "0000-00-00",
    "9999-12-31T23:59:60Z",
    "2026-01-05T08:00:00+99:99",
    "=1+1",
    "'; DROP TABLE bronze_patients; --",
    "<script>alert(1)</script>",
    "a,b",
    'a"b',
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\ufeff",
    "\u2028",
    "😀",
    "é",
    "İ",
    "x" * 5_000,
    "True",
    "999-76-6866",
    "02143-0017",
    "\\N",
    "{}",
    "[1]",
)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file, and how many records it holds; None where bytes of it were changed, so that nobody can say."""

    path: Path
    records: int | None


def source_file(number: int, folder: Path) -> SourceFile:
    """Write the file with the number."""
    random = Random(number)  # noqa: S311 - it has to come again
    names = _names(random)
    rows = [_row(random, names) for _ in range(random.choice((0, 1, 1, 2, 3, 8)))]
    if random.random() < 0.1:
        return _parquet(random, names, rows, folder / f"{number}.parquet")
    return _csv(random, names, rows, folder / f"{number}.csv")


def _names(random: Random) -> list[str]:
    """The columns: all that are needed, and some of the others; now and then one is missing or one too many."""
    names = [*NEEDED, *random.sample([n for n in SOURCE_COLUMNS if n not in NEEDED], random.randint(0, 8))]
    if random.random() < 0.03:
        names.remove(random.choice(names))
    names += random.sample(["SSN", "notes", "e-mail", "", "charges"], random.choice((0, 0, 0, 1, 2)))
    random.shuffle(names)
    return [random.choice((n, n, n.upper(), n.replace("_", " "), f" {n} ", n.title())) for n in names]


def _row(random: Random, names: list[str]) -> list[str]:
    return [_cell(random, name) for name in names]


def _cell(random: Random, name: str) -> str:
    if random.random() < 0.06:
        return random.choice(_ODD_TEXTS)
    if random.random() < 0.02:
        return "".join(chr(random.choice((random.randint(32, 126), random.randint(160, 0x2FFF)))) for _ in range(9))
    known = GOOD_RECORD.get(name.strip().lower().replace(" ", "_"))
    return "something" if known is None else known


def _csv(random: Random, names: list[str], rows: list[list[str]], path: Path) -> SourceFile:
    delimiter, encoding = random.choice(",,,;\t|"), random.choice(_ENCODINGS)
    text = io.StringIO(newline="")
    line_end = random.choice(("\n", "\r\n"))
    if random.random() < 0.3:
        writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    else:
        writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(names)
    for row in rows:
        cut = random.random()
        writer.writerow(row[: random.randint(1, len(row))] if cut < 0.03 else [*row, "more"] if cut < 0.05 else row)
    data = text.getvalue().encode(encoding, errors="replace")
    records: int | None = len(rows)
    if random.random() < 0.15:
        data, records = _damaged(random, data), None
    if random.random() < 0.05:
        data = gzip.compress(data, mtime=0)
        if random.random() < 0.3:
            data, records = _damaged(random, data), None
    path.write_bytes(data)
    return SourceFile(path=path, records=records)


def _parquet(random: Random, names: list[str], rows: list[list[str]], path: Path) -> SourceFile:
    unique = [f"{name}{position if names.index(name) != position else ''}" for position, name in enumerate(names)]
    columns = [_typed(random, [row[position] for row in rows]) for position in range(len(names))]
    pq.write_table(pa.table(columns, names=unique), path)
    if random.random() < 0.2:
        path.write_bytes(_damaged(random, path.read_bytes()))
        return SourceFile(path=path, records=None)
    return SourceFile(path=path, records=len(rows))


def _typed(random: Random, texts: list[str]) -> pa.Array:
    """The texts, or something else of the same length, in one of Arrow's types."""
    count = len(texts)
    made: list[Any] = [
        lambda: pa.array(texts, pa.string()),
        lambda: pa.array(texts, pa.string()),
        lambda: pa.array(texts, pa.large_string()),
        lambda: pa.array([random.choice((None, random.randint(-(2**63), 2**63 - 1), 44)) for _ in texts], pa.int64()),
        lambda: pa.array([random.choice((None, float("nan"), float("inf"), 27.9)) for _ in texts], pa.float64()),
        lambda: pa.array([random.choice((None, True, False)) for _ in texts], pa.bool_()),
        lambda: pa.array([random.choice((None, random.randint(-(10**6), 10**6))) for _ in texts], pa.date32()),
        lambda: pa.array([random.choice((None, random.randint(0, 2**50))) for _ in texts], pa.timestamp("ns", "UTC")),
        lambda: pa.array([text.encode() for text in texts], pa.binary()),
        lambda: pa.array([[text] for text in texts], pa.list_(pa.string())),
        lambda: pa.nulls(count),
        lambda: pa.array(texts, pa.string()).dictionary_encode(),
    ]
    array: pa.Array = random.choice(made)()
    return array


def _damaged(random: Random, data: bytes) -> bytes:
    """Some bytes changed, cut off or put in."""
    damaged = bytearray(data)
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(damaged) + 1)
        what = random.choice(("change", "cut", "insert"))
        if what == "change" and at < len(damaged):
            damaged[at] = random.randrange(256)
        elif what == "cut":
            del damaged[at : at + random.randint(1, 40)]
        else:
            damaged[at:at] = random.randbytes(random.randint(1, 20))
    return bytes(damaged)
