"""Looks for marks in whatever was written: in its bytes, and in what they are when they are unpacked or decoded."""

import binascii
import gzip
import html
import io
import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_assets_tests.canary.marks import STEMS, Stem

_DEPTH = 4
"""How often something is unpacked of what was unpacked."""
_PARQUET, _ARRAY, _GZIP, _ZIP = b"PAR1", b"\x93NUMPY", b"\x1f\x8b", b"PK\x03\x04"
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_ESCAPED = re.compile(rb"\\u([0-9a-fA-F]{4})")
_LEAST_UNPACKED = 16
_AROUND = 30


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A mark where none may be."""

    place: str
    kind: str
    how: tuple[str, ...]
    """What was done to the bytes before it could be read."""
    excerpt: str


@dataclass
class Search:
    """What was searched, and what was found."""

    stems: tuple[Stem, ...] = STEMS
    files: int = 0
    bytes_read: int = 0
    bytes_decoded: int = 0
    hits: list[Hit] = field(default_factory=list)

    def folder(self, root: Path, *, leaving_out: Iterable[Path] = ()) -> None:
        """Every file below the root, their names included."""
        left_out = tuple(leaving_out)
        for path in sorted(root.rglob("*")):
            if any(path.is_relative_to(other) for other in left_out):
                continue
            self._look(str(path.relative_to(root)).encode(), f"name of {path}", ())
            if path.is_file():
                self.file(path)

    def file(self, path: Path) -> None:
        content = path.read_bytes()
        self.files += 1
        self.content(content, str(path))
        if content.startswith(b"SQLite format 3"):
            texts, blobs = _sqlite_values(path)
            for value in (b"\n".join(texts), *blobs):
                self._unfolded(value, str(path), ("SQLite",))

    def content(self, content: bytes, place: str) -> None:
        """Something that was said or sent."""
        self.bytes_read += len(content)
        self._unfolded(content, place, ())

    def _unfolded(self, content: bytes, place: str, how: tuple[str, ...]) -> None:
        self._look(content, place, how)
        self._decoded(content, place, how)
        for step, unpacked in _packed(content):
            self._unpacked(unpacked, place, (*how, step))
        spelled = content
        for step, spelled in _spelled_out(content):
            how = (*how, step)
            self._look(spelled, place, how)
        if spelled is not content:
            self._decoded(spelled, place, how)

    def _decoded(self, content: bytes, place: str, how: tuple[str, ...]) -> None:
        for step, pieces in _encoded(content):
            self._look(b"\n".join(pieces), place, (*how, step))
            self._unpacked(b"\n".join(piece for piece in pieces if _is_text(piece)), place, (*how, step))
            for piece in pieces:
                if _is_packed(piece):
                    self._unpacked(piece, place, (*how, step))

    def _unpacked(self, content: bytes, place: str, how: tuple[str, ...]) -> None:
        if content and len(how) < _DEPTH:
            self._unfolded(content, place, how)

    def _look(self, content: bytes, place: str, how: tuple[str, ...]) -> None:
        self.bytes_decoded += len(content)
        lower = content.lower()
        for stem in self.stems:
            if stem.text not in lower:
                continue
            found = (stem.pattern or re.compile(re.escape(stem.text))).search(lower)
            if found:
                excerpt = content[max(0, found.start() - _AROUND) : found.end() + _AROUND]
                self.hits.append(Hit(place=place, kind=stem.kind, how=how, excerpt=excerpt.decode(errors="replace")))


def _packed(content: bytes) -> Iterator[tuple[str, bytes]]:
    """What is in it, where it is an archive or a file of values, or where something compressed is a part of it."""
    if content.startswith(_PARQUET):
        yield "Parquet", _parquet_values(content)
    if content.startswith(_ARRAY):
        yield "array", "\n".join(map(str, np.load(io.BytesIO(content)).ravel().tolist())).encode()
    if content.startswith((_GZIP, _ZIP)):
        # What has been decoded before may begin so and be none.
        with suppress(OSError, EOFError, zlib.error, zipfile.BadZipFile):
            yield from _archived(content)
    for unpacked in _zlib_streams(content):
        yield "zlib", unpacked


def _spelled_out(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The content with characters in the place of what stands for them, one manner of writing them after the other."""
    if _is_packed(content):
        return
    if b"\0" in content:  # UTF-16 of what has no accents
        content = content.replace(b"\0", b"")
        yield "without zeros", content
    if b"%" in content:
        content = unquote_to_bytes(content.replace(b"+", b" "))
        yield "percent", content
    if b"\\u" in content:
        content = _ESCAPED.sub(lambda found: chr(int(found[1], 16)).encode(errors="ignore"), content)
        yield "JSON escapes", content
    if b"&" in content and b";" in content:
        yield "HTML entities", html.unescape(content.decode(errors="replace")).encode(errors="replace")


def _encoded(content: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """What pieces of it are when they are read as base64, begun at any of their characters, or as hexadecimal."""
    if encoded := _BASE64.findall(content):
        yield "base64", [_from_base64(text[offset:]) for text in encoded for offset in range(4)]
    if written := _HEX.findall(content):
        yield "hex", list(map(binascii.unhexlify, written))


def _is_text(piece: bytes) -> bool:
    """Whether it can be read, but for a character that is cut off at its end: of random bytes hardly any can."""
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        return error.start > len(piece) - 4
    return True


def _is_packed(content: bytes) -> bool:
    return content.startswith((_PARQUET, _ARRAY, _GZIP, _ZIP)) or _ZLIB.match(content) is not None


def _archived(content: bytes) -> Iterator[tuple[str, bytes]]:
    if content.startswith(_GZIP):
        yield "gzip", gzip.decompress(content)
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield "zip", archive.read(name)


def _from_base64(text: bytes) -> bytes:
    whole = text[: len(text) - len(text) % 4].replace(b"-", b"+").replace(b"_", b"/")
    return binascii.a2b_base64(whole)


def _zlib_streams(content: bytes) -> Iterator[bytes]:
    """Streams that begin anywhere; of most that look like one, nothing can be unpacked."""
    position = 0
    while found := _ZLIB.search(content, position):
        position = found.start() + 1
        stream = zlib.decompressobj()
        try:
            unpacked = stream.decompress(content[found.start() :])
        except zlib.error:
            continue
        if len(unpacked) >= _LEAST_UNPACKED:
            position = len(content) - len(stream.unused_data) if stream.eof else position
            yield unpacked


def _parquet_values(content: bytes) -> bytes:
    """Every value of every column as text, column by column; lists and structs as JSON."""
    try:
        table = pq.read_table(pa.BufferReader(content))
    except pa.ArrowInvalid:  # half a file
        return b""
    texts = []
    for column in table.columns:
        if pa.types.is_nested(column.type):
            texts += [json.dumps(value, default=str, ensure_ascii=False) for value in column.to_pylist()]
        else:
            texts += [str(value) for value in column.unique().to_pylist()]
    return "\n".join(texts).encode()


def _sqlite_values(path: Path) -> tuple[list[bytes], list[bytes]]:
    """Every text and number, and every blob, of every table: what still waits in the write-ahead log too."""
    texts, blobs = [], []
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - the database's own names
                blobs += [value for value in row if isinstance(value, bytes)]
                texts += [str(value).encode() for value in row if not isinstance(value, bytes)]
    finally:
        database.close()
    return texts, blobs
