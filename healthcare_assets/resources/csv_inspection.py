"""What has to be known of a CSV file before its rows are read: encoding, delimiter, and whether its quoting is regular.

One pass over the bytes, so that nothing is discovered halfway: a file is one encoding from end to end.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from healthcare_assets.errors import SourceError
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, Declared

Encoding = Literal["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]

_CHUNK_BYTES = 1 << 22
_HEAD_BYTES = 1 << 20
_UNDEFINED_IN_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_DELIMITERS = (",", ";", "\t", "|")
_QUOTE, _NEW_LINE, _CARRIAGE_RETURN = 0x22, 0x0A, 0x0D
_FIRST_PRINTABLE, _DELETE, _LAST_CONTROL = 0x20, 0x7F, 0x9F
_FOREIGN_BEGINNINGS = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip archive"),
)


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """How a CSV file is to be read. `names` is its header as found; `regular` says that every quote in it opens or
    closes a field as RFC 4180 has it, so that any correct reader splits it alike."""

    path: Path
    encoding: Encoding
    delimiter: str
    names: tuple[str, ...]
    regular: bool

    @property
    def compressed(self) -> bool:
        return is_gzip(self.path)


def is_gzip(path: Path) -> bool:
    """Whether the file's name says that it is compressed."""
    return path.suffix.lower() == ".gz"


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed. Raises SourceError when they cannot be read, or the compression is broken."""
    try:
        with path.open("rb") as file:
            if is_gzip(path):
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked  # type: ignore[misc]  # reads as a BinaryIO does
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is not a complete gzip file: deliver it again.") from error
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror or error}): check the file and its permissions."
        ) from error


def inspect_csv(path: Path, declared: Declared = PATIENT_COLUMNS) -> CsvLayout:
    """Read the file once and say how its rows are to be read.

    Raises SourceError when it is empty, is no text, or has no header line.
    """
    with open_bytes(path) as file:
        head = file.read(_HEAD_BYTES)
    _refuse_other_formats(path, head, declared)
    encoding = _encoding(path, head)
    text = _decoded_head(path, head, encoding)
    delimiter = _delimiter(text, declared)
    names = _header(path, text, delimiter, declared)
    return CsvLayout(
        path=path,
        encoding=encoding,
        delimiter=delimiter,
        names=names,
        regular=_is_regular(path, encoding, delimiter),
    )


def _refuse_other_formats(path: Path, head: bytes, declared: Declared) -> None:
    if not head.strip():
        raise SourceError(f"{path} is empty: {declared.expected}, named in its first line.")
    for beginning, what in _FOREIGN_BEGINNINGS:
        if head.startswith(beginning):
            raise SourceError(f"{path} is {what} and not CSV: deliver CSV or Parquet, under a name that ends so.")


def _encoding(path: Path, head: bytes) -> Encoding:
    """What the byte order mark says; without one UTF-8 when the whole file is, else Windows-1252, and Latin-1 where
    that has no character for a byte."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8 = True
    cp1252 = True
    with open_bytes(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            utf8 = utf8 and _decodes(decoder.decode, chunk)
            cp1252 = cp1252 and (chunk.isascii() or not any(byte in chunk for byte in _UNDEFINED_IN_CP1252))
    utf8 = utf8 and _decodes(lambda rest: decoder.decode(rest, True), b"")  # noqa: FBT003
    if head.startswith(codecs.BOM_UTF8):
        if not utf8:
            raise SourceError(f"{path} is marked as UTF-8 and is not: save it as UTF-8.")
        return "utf-8-sig"
    if utf8:
        return "utf-8"
    return "cp1252" if cp1252 else "latin-1"


def _decodes(decode: Callable[[bytes], str], data: bytes) -> bool:
    try:
        decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _decoded_head(path: Path, head: bytes, encoding: Encoding) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is marked as {encoding.upper()} and is not: save it as UTF-8.") from error


def _delimiter(text: str, declared: Declared) -> str:
    """The delimiter under which the first line names the most declared columns; the comma when none does."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=lambda delimiter: declared.matches(_unquoted(line.split(delimiter))))


def is_blank(fields: Sequence[str]) -> bool:
    """Whether the fields of a record are those of a blank line, which is no record."""
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _unquoted(fields: Sequence[str]) -> list[str]:
    return [field.strip().strip('"') for field in fields]


def _header(path: Path, text: str, delimiter: str, declared: Declared) -> tuple[str, ...]:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = next((record for record in records if not is_blank(record)), None)
    except csv.Error as error:
        raise SourceError(f"{path} has a header line that cannot be split into columns: correct its quotes.") from error
    if names is None:
        raise SourceError(f"{path} is empty: {declared.expected}, named in its first line.")
    if any(_is_control(character) for name in names for character in name.strip()):
        raise SourceError(f"{path} is no text file, so it cannot be read as CSV: export it as CSV in UTF-8.")
    return tuple(names)


def _is_control(character: str) -> bool:
    code = ord(character)
    return (code < _FIRST_PRINTABLE and not character.isspace()) or _DELETE <= code <= _LAST_CONTROL


def _is_regular(path: Path, encoding: Encoding, delimiter: str) -> bool:
    proof = QuoteProof(delimiter)
    with open_bytes(path) as file:
        if encoding == "utf-16":
            decoder = codecs.getincrementaldecoder(encoding)()
            try:
                while chunk := file.read(_CHUNK_BYTES):
                    proof.feed(decoder.decode(chunk).encode())
                decoder.decode(b"", True)  # noqa: FBT003
            except UnicodeError as error:
                raise SourceError(f"{path} is marked as UTF-16 and is not: save it as UTF-8.") from error
        else:
            if encoding == "utf-8-sig":
                file.read(len(codecs.BOM_UTF8))
            while proof.holds and (chunk := file.read(_CHUNK_BYTES)):
                proof.feed(chunk)
    return proof.finish()


class QuoteProof:
    """Proves that the quotes of a text, fed in pieces, are all where RFC 4180 allows them.

    Quotes open and close in turn. An opening one stands behind a delimiter or a line's end, a closing one before;
    a doubled quote inside a field is a closing one next to an opening one. A carriage return inside quotes is refused
    too: where one of its blocks ends between it and a line feed, Arrow's parser drops the line feed.
    """

    def __init__(self, delimiter: str) -> None:
        self.holds = True
        self._borders = np.frombuffer(bytes([ord(delimiter), _NEW_LINE, _CARRIAGE_RETURN, _QUOTE]), dtype=np.uint8)
        self._quotes = 0
        self._before = bytes([_NEW_LINE])
        self._held = b""

    def feed(self, piece: bytes) -> None:
        """The last byte is held back until it is known what follows it."""
        text = self._before + self._held + piece
        if _QUOTE in text or self._quotes % 2:
            self._check(np.frombuffer(text, dtype=np.uint8))
        self._before, self._held = text[-2:-1], text[-1:]

    def finish(self) -> bool:
        """Whether the proof holds for the whole text."""
        self.feed(bytes([_NEW_LINE]))
        return self.holds and self._quotes % 2 == 0

    def _check(self, codes: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> None:
        inner = codes[1:-1]
        positions = np.flatnonzero(inner == _QUOTE) + 1
        opens = (np.arange(len(positions)) + self._quotes) % 2 == 0
        neighbour = np.where(opens, codes[positions - 1], codes[positions + 1])
        self.holds = self.holds and bool(np.isin(neighbour, self._borders).all())
        returns = np.flatnonzero(inner == _CARRIAGE_RETURN) + 1
        quoted_returns = (np.searchsorted(positions, returns) + self._quotes) % 2
        self.holds = self.holds and not quoted_returns.any()
        self._quotes += len(positions)
