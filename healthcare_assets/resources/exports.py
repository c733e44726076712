"""Files that are handed to other systems: a CSV a day, whole or not at all, for this user's eyes only."""

import csv
import os
import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.environments import made_folder
from healthcare_assets.errors import LakehouseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PSEUDONYM = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """What was written."""

    path: Path
    rows: int
    sha256: str


class Exports:
    """The exports of one table, `<root>/<name>-<day>.csv`, and what a writer that died has left beside them."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self._name = name
        self._ours = re.compile(rf"{re.escape(name)}-(\d{{4}}-\d\d-\d\d)\.csv(\.\d+)?")

    def path(self, day: date) -> Path:
        return self.root / f"{self._name}-{day.isoformat()}.csv"

    def write(self, day: date, header: Sequence[str], rows: Iterable[Sequence[str]]) -> ExportedFile:
        """Write the day's file in place of the one before. LakehouseError when it cannot be written."""
        path = self.path(day)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        made_folder(self.root)
        with _told(path):
            self.delete(old for old in self._files() if old != path and self._day(old) == day)
            # The mode is the new file's from its first byte on.
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            count = 0
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(header)
                for row in rows:
                    writer.writerow(row)
                    count += 1
            digest = sha256()
            with draft.open("rb") as written:
                while block := written.read(1 << 20):
                    digest.update(block)
            draft.replace(path)
        return ExportedFile(path=path, rows=count, sha256=digest.hexdigest())

    def days(self, files: Iterable[Path]) -> list[date]:
        """The days that the files are of, ascending."""
        return sorted({self._day(file) for file in files})

    def before(self, day: date) -> list[Path]:
        """The files of earlier days."""
        return [file for file in self._files() if self._day(file) < day]

    def all(self) -> list[Path]:
        return self._files()

    def naming(self, keys: Collection[str]) -> list[Path]:
        """The files in which one of the pseudonyms stands."""
        with _told(self.root):
            return [file for file in self._files() if _names_any(file, frozenset(keys))]

    def delete(self, files: Iterable[Path]) -> None:
        for file in files:
            with _told(file):
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return sorted(path for path in self.root.iterdir() if self._ours.fullmatch(path.name))

    def _day(self, file: Path) -> date:
        found = self._ours.fullmatch(file.name)
        if found is None:
            raise ValueError(f"{file} is no export of {self._name}.")
        return date.fromisoformat(found[1])


def _names_any(file: Path, keys: frozenset[str]) -> bool:
    with file.open(encoding="utf-8", errors="replace") as lines:
        return any(not keys.isdisjoint(_PSEUDONYM.findall(line)) for line in lines)


@contextmanager
def _told(path: Path) -> "Iterator[None]":
    try:
        yield
    except OSError as error:
        raise LakehouseError(
            f"The export {path} cannot be written, read or deleted ({error.strerror}): make its folder writable for "
            "this user, and run it again."
        ) from error
