"""The folder of the table with identifiers is closed to everybody else, whatever the umask and the folders above."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.private_folder import keep_private
from healthcare_assets_tests.resources.lakehouse_tables import MONDAY, VISITS, visits

IDENTIFYING = replace(VISITS, name="identifying", identifying=True)


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def _mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_table_with_identifiers_is_made_for_this_user_alone(lakehouse: Lakehouse) -> None:
    folder = Path(lakehouse.location(IDENTIFYING))
    folder.parent.mkdir(mode=0o755)
    for table in (IDENTIFYING, VISITS):
        lakehouse.replace_day(table, MONDAY, visits(lakehouse, 1))
    assert _mode(folder) == 0o700
    assert _mode(Path(lakehouse.location(VISITS))) & 0o055
    assert sum(path.suffix == ".parquet" for path in folder.rglob("*")) == 1


def test_one_that_was_open_is_closed_when_it_is_next_written(lakehouse: Lakehouse) -> None:
    folder = Path(lakehouse.location(IDENTIFYING))
    lakehouse.replace_day(IDENTIFYING, MONDAY, visits(lakehouse, 1))
    folder.chmod(0o755)
    lakehouse.replace_day(IDENTIFYING, MONDAY, visits(lakehouse, 1))
    assert _mode(folder) == 0o700


def test_one_of_somebody_else_that_is_open_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    tmp_path.chmod(0o750)
    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(LakehouseError, match=r"Table identifying holds identifiers, .* \(chmod 700\)\.$"):
        keep_private(IDENTIFYING, tmp_path)
