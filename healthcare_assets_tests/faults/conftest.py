"""A disk of its own for a test of what a disk may have against being written to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from healthcare_assets_tests.faults.disks import small_disk_at


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of 600 kB."""
    with small_disk_at(tmp_path / "disk") as disk:
        yield disk
