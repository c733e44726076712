"""Clocks that were set back, and hosts in other zones and on the days on which theirs change."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from healthcare_assets.domain.tables import CHAMPION_HISTORY
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.steps import champion, recording
from healthcare_assets.steps.audit import examine
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.members import all_rows, members_runtime, rows_of, run_days, write_members

DAYS = (date(2026, 3, 8), date(2026, 10, 25), date(2026, 11, 1))
"""Clocks change in America on the first and the last, in Europe on the second."""


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def _tables(folder: Path) -> dict[str, list[str]]:
    folder.mkdir()
    for day in DAYS:
        write_members(
            folder,
            day,
            {"patient_id": "A1", "timestamp": f"{day}T02:30:00Z", "bmi": "21"},
            {"patient_id": "A1", "timestamp": f"{day}T23:59:59Z", "bmi": "31"},
            {"patient_id": "B2", "timestamp": f"{day}T00:00:00Z", "birth_date": "1980-02-29", "age": ""},
        )
    runtime = members_runtime(folder)
    run_days(runtime, *DAYS)
    rows = all_rows(runtime.lakehouse)
    return {name: rows[name] for name in ("silver_patients", "quarantined_patients", "dim_patients", "risk_features")}


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/New_York", "Europe/London"], indirect=True)
def test_the_tables_are_the_same_in_whatever_zone_the_host_is(tmp_path: Path, zone: str) -> None:
    assert time.tzname != ("UTC", "UTC")
    here = _tables(tmp_path / "here")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        assert _tables(tmp_path / "utc") == here, zone


def _clock_at(moment: datetime) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Clock":
            return cls.fromtimestamp(moment.timestamp(), tz=UTC)

    return Clock


def test_moves_and_entries_keep_their_order_when_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = runtime_at(tmp_path)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for number, moment in enumerate((noon, noon - timedelta(days=400), noon - timedelta(days=1)), start=1):
        for module in (champion, recording):
            monkeypatch.setattr(module, "datetime", _clock_at(moment))
        to = ModelVersion(name="model", version=str(number), run_id="run")
        champion.append_move(runtime, action="promotion", to=to, instead_of=None, who="somebody", why="a test")
    moves = sorted(rows_of(runtime.lakehouse, CHAMPION_HISTORY), key=lambda row: row["moved_at"])
    assert [row["model_version"] for row in moves] == ["1", "2", "3"]
    found = examine(runtime)[0]
    assert (found.entries, found.faults) == (3, ())
