"""The dimension is the same whatever order days arrive in, and however often one is replayed."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.tables import DIM_PATIENTS, SILVER_PATIENTS
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.steps import dimension
from healthcare_assets_tests.domain.frames import POLARS_TYPES, lazy
from healthcare_assets_tests.runtimes import runtime_at

FIRST = date(2026, 1, 1)
Day = Mapping[str, int]
"""The patients of a day, each with the region it has (as a number)."""

REGIONS = ("northeast", "northwest", "southeast")
_SILVER_TYPES = {c.name: POLARS_TYPES[c.type] for c in SILVER_PATIENTS.columns if c.name != "partition_date"}


def oracle(days: Mapping[date, Day]) -> list[tuple[Any, ...]]:
    """The dimension by its definition, in plain Python: (patient, region, from, to, current, version)."""
    versions: dict[str, list[list[Any]]] = {}
    for day in sorted(days):
        for patient, region in days[day].items():
            mine = versions.setdefault(patient, [])
            if not mine or mine[-1][0] != region:
                if mine:
                    mine[-1][2] = day
                mine.append([region, day, None])
    return sorted(
        (patient, REGIONS[region], start, end, end is None, number)
        for patient, mine in versions.items()
        for number, (region, start, end) in enumerate(mine, start=1)
    )


def _silver(day: Day) -> Any:
    common = {"age": 40, "sex": "male", "bmi": 25.0, "smoker": False, "children": 0, "charges": None}
    quality = {"data_quality_score": 100.0, "hipaa_deidentified": True, "source_records": 1}
    return lazy(
        [{"patient_key": key, "region": REGIONS[region], **common, **quality} for key, region in day.items()],
        _SILVER_TYPES,
    )


def _materialise(lakehouse: PolarsLakehouse, day: date, patients: Day) -> None:
    lakehouse.replace_day(SILVER_PATIENTS, day, _silver(patients))
    report = dimension.run(runtime_at(lakehouse.root, lakehouse=lakehouse), day)
    assert all(check.passed for check in report[0].checks), [check.description for check in report[0].checks]


def _table(lakehouse: PolarsLakehouse) -> list[tuple[Any, ...]]:
    columns = ["patient_key", "region", "effective_date", "expiry_date", "is_current_record", "record_version"]
    frame = pl.from_arrow(lakehouse.collect(lakehouse.scan(DIM_PATIENTS)))
    assert isinstance(frame, pl.DataFrame)
    return sorted(frame.select(columns).rows())


_DAY_OF_PATIENTS = st.dictionaries(st.sampled_from(["0ann", "8bob", "fcyd"]), st.integers(0, 1), max_size=3)
_DELIVERIES = st.lists(st.tuples(st.integers(0, 3), _DAY_OF_PATIENTS), min_size=1, max_size=7)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_DELIVERIES, st.sampled_from([1, 2_000_000]))
def test_the_dimension_follows_from_the_days_alone(
    tmp_path_factory: Any, deliveries: list[tuple[int, dict[str, int]]], keys_at_a_time: int
) -> None:
    """Days come in any order, some twice, the second time with other patients or none; all at once or in ranges."""
    lakehouse = PolarsLakehouse(Path(tmp_path_factory.mktemp("lake")))
    lakehouse.keys_at_a_time = keys_at_a_time
    known: dict[date, Day] = {}
    for offset, patients in deliveries:
        day = FIRST + timedelta(days=offset)
        known[day] = patients
        _materialise(lakehouse, day, patients)
        assert _table(lakehouse) == oracle(known)


def test_replaying_the_same_day_writes_nothing(tmp_path: Path) -> None:
    lakehouse = PolarsLakehouse(tmp_path)
    for _ in range(2):
        _materialise(lakehouse, FIRST, {"ann": 0, "bob": 1})
    assert lakehouse.version(DIM_PATIENTS) == 1


def test_a_change_and_back_again_are_three_versions(tmp_path: Path) -> None:
    lakehouse = PolarsLakehouse(tmp_path)
    for offset, region in enumerate((0, 1, 0)):
        _materialise(lakehouse, FIRST + timedelta(days=offset), {"ann": region})
    in_order = sorted(_table(lakehouse), key=lambda row: row[-1])
    assert [(row[-1], row[1], row[4]) for row in in_order] == [
        (1, "northeast", False),
        (2, "northwest", False),
        (3, "northeast", True),
    ]
