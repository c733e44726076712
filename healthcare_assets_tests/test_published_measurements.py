"""The documents' tables of measurements are those of the newest file of measurements, and say what they stand on."""

from pathlib import Path

import pytest

from healthcare_assets_tests.bench.__main__ import DAYS
from healthcare_assets_tests.bench.published import DOCUMENTS, newest, with_tables


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_has_the_tables_of_the_newest_measurements(path: Path) -> None:
    document, found = path.read_text(encoding="utf-8"), newest()
    assert found is not None
    assert with_tables(document, found) == document, "make bench-tables writes them anew"


def test_measurements_say_on_which_machine_and_when_they_were_taken() -> None:
    found = newest()
    assert found is not None
    assert {"measured_at", "machine"} <= set(found)
    assert {"processor", "cores", "memory_gb", "python", "libraries"} <= set(found["machine"])
    assert all(
        {"name", "wall_s", "cpu_s", "peak_mb"} == set(stage) for day in found.get(DAYS, {}).values() for stage in day
    )
