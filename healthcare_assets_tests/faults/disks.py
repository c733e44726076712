"""Disks of their own for tests, small ones, which can be filled, closed and enlarged; and databases, locked."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk_at(folder: Path, *, size: str = "600k") -> Iterator[Path]:
    """A disk mounted at the folder, which is made. Leaves the test out where this login may not mount one."""
    folder.mkdir()
    if not mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)):
        pytest.skip("this login may not mount a disk (root may, as in a container with CAP_SYS_ADMIN)")
    try:
        yield folder
    finally:
        # Lazily: a library may keep a file open for as long as its process lives.
        assert _done("umount", "--lazy", str(folder))


def closed(folder: Path) -> None:
    """The disk takes no more writing."""
    assert mounted("-o", "remount,ro", str(folder))


def opened(folder: Path) -> None:
    assert mounted("-o", "remount,rw", str(folder))


def enlarged(folder: Path, size: str = "64m") -> None:
    assert mounted("-o", f"remount,size={size}", str(folder))


def mounted(*arguments: str) -> bool:
    return _done("mount", *arguments)


def _done(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """By another connection, which keeps everybody out."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
