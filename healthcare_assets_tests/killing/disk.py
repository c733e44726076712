"""What happens in folders, as the kernel notes it: files made, written, closed, renamed, removed (Linux's inotify).

It sees what no hook in Python does: the Parquet files that Polars writes, the commits of delta-rs, SQLite's journal.
"""

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _CREATE, _DELETE = 0x002, 0x008, 0x080, 0x100, 0x200
_MASK = _MODIFY | _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE
_IS_FOLDER = 0x40000000
_HEADER = struct.Struct("iIII")
_NAMES = {_MODIFY: "written", _CLOSE_WRITE: "closed", _MOVED_TO: "moved", _CREATE: "made", _DELETE: "removed"}


class DiskWatch:
    """Counts the events in the folders and in all below them, those too that are made meanwhile."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self.seen: Counter[str] = Counter()
        self._watched: dict[int, tuple[str, Path]] = {}
        for root in roots:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._add(root.name, root)

    def read(self, *, until: tuple[str, int] | None = None) -> bool:
        """Take note of what has happened since; True when `until`, an event and its pass, has happened."""
        try:
            notes = os.read(self.fd, 65536)
        except BlockingIOError:
            return False
        reached, start = False, 0
        while start < len(notes):
            watch, mask, _, length = _HEADER.unpack_from(notes, start)
            name = notes[start + _HEADER.size : start + _HEADER.size + length].rstrip(b"\0").decode()
            start += _HEADER.size + length
            if watch not in self._watched:
                continue
            root, folder = self._watched[watch]
            if mask & _IS_FOLDER and mask & (_CREATE | _MOVED_TO):
                self._add(root, folder / name)
            for bit, event in _NAMES.items():
                if mask & bit:
                    what = f"{root} {_kind_of(folder, name)} {event}"
                    self.seen[what] += 1
                    reached = reached or (what, self.seen[what]) == until
        return reached

    def close(self) -> None:
        os.close(self.fd)

    def _add(self, root: str, folder: Path) -> None:
        number = self._libc.inotify_add_watch(self.fd, os.fsencode(folder), _MASK)
        if number < 0:  # it is gone again
            return
        self._watched[number] = (root, folder)
        with suppress(FileNotFoundError):  # it is gone by now
            for below in folder.iterdir():
                if below.is_dir():
                    self._add(root, below)


def _kind_of(folder: Path, name: str) -> str:
    """What kind of file it is: tables and days are not told apart."""
    place = "log" if folder.name == "_delta_log" else "scratch" if ".scratch" in folder.parts else "folder"
    return f"{place} {Path(name).suffix or 'entry'}"
