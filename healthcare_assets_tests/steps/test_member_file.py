"""A member file with every identifier that it can carry, under names of its own: none comes out of bronze."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    DIM_PATIENTS,
    QUARANTINED_PATIENTS,
    RISK_FEATURES,
    SILVER_PATIENTS,
)
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps import bronze, dimension, features, silver
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.runtimes import runtime_at

DAY = date(2026, 1, 1)
MEASURED = ("BMI", "SMOKER", "CHILDREN")
COLUMNS = """
[columns]
patient_id = "Id"
first_name = "FIRST"
last_name = "LAST"
birth_date = "BIRTHDATE"
sex = "GENDER"
region = "STATE"
zip_code = "ZIP"
"""
STATES = """
[spellings.region]
northeast = ["Massachusetts"]
"""


def _member(number: int, **changed: str) -> dict[str, str]:
    """As Synthea exports patients, with a mark in whatever identifies somebody."""
    return {
        "Id": f"1d604da9-9a81-4ba9-80c2-{number:012d}",
        "BIRTHDATE": f"{1950 + number % 50}-05-25",
        "DEATHDATE": f"{2020 + number % 5}-11-28",
        "SSN": f"999-76-{6000 + number}",
        "DRIVERS": f"S9998{4000 + number}",
        "PASSPORT": f"X1927{7000 + number}X",
        "PREFIX": "Mr.",
        "FIRST": f"Zebulon{number}",
        "LAST": f"Quartermain{number}",
        "MAIDEN": f"Ollenshaw{number}",
        "RACE": "white",
        "GENDER": "F" if number % 2 else "M",
        "BIRTHPLACE": f"Wolverhampton{number}  Massachusetts  US",
        "ADDRESS": f"{number} Balistreri Way",
        "CITY": f"Chicopee{number}",
        "STATE": "Massachusetts",
        "COUNTY": f"Hampden{number} County",
        "ZIP": f"0{2100 + number}",
        "LAT": f"42.2283538231{number:04d}",
        "EMAIL": f"zebulon{number}@example.org",
        "PHONE": f"(413) 555-{1000 + number}",
        "URL": f"https://example.org/~zebulon{number}",
        "IP": f"198.51.100.{number}",
        "NOTES": f"Called on Tuesday, asked for Quartermain{number}",
    } | changed


def _materialised(folder: Path, members: Sequence[Mapping[str, str]], *, absent: Sequence[str] = ()) -> Runtime:
    with (folder / "members.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(members[0]))
        writer.writeheader()
        writer.writerows(members)
    measured = "".join(f'{name.lower()} = "{name}"\n' for name in MEASURED if name not in absent)
    listed = ", ".join(f'"{name.lower()}"' for name in absent)
    (folder / "columns.toml").write_text(f"absent = [{listed}]\n{COLUMNS}{measured}{STATES}", encoding="utf-8")
    runtime = runtime_at(folder / "home", source=str(folder / "members.csv"), source_columns=folder / "columns.toml")
    for step in (bronze, silver, dimension, features):
        step.run(runtime, DAY)
    return runtime


def _rows(lakehouse: Lakehouse, table: Table) -> list[dict[str, Any]]:
    return sorted(lakehouse.collect(lakehouse.scan(table)).to_pylist(), key=repr)


def _identifiers(members: Sequence[Mapping[str, str]]) -> set[str]:
    open_values = {"PREFIX", "RACE", "GENDER", "STATE", *MEASURED}
    return {value for member in members for name, value in member.items() if name not in open_values}


def _found(lakehouse: Lakehouse, identifiers: set[str]) -> set[str]:
    tables = (SILVER_PATIENTS, QUARANTINED_PATIENTS, DIM_PATIENTS, RISK_FEATURES)
    said = repr([_rows(lakehouse, table) for table in tables]).casefold()
    return {value for value in identifiers if value.casefold() in said}


def test_a_file_without_measurements_is_refused_and_gives_nothing_away(tmp_path: Path) -> None:
    members = [_member(number) for number in range(40)]
    lakehouse = _materialised(tmp_path, members, absent=MEASURED).lakehouse
    assert len(_rows(lakehouse, BRONZE_PATIENTS)) == len(_rows(lakehouse, QUARANTINED_PATIENTS)) == len(members)
    assert _rows(lakehouse, SILVER_PATIENTS) == []
    assert {tuple(row["reasons"]) for row in _rows(lakehouse, QUARANTINED_PATIENTS)} == {
        ("bmi is missing", "smoker is missing", "children is missing")
    }
    assert _found(lakehouse, _identifiers(members)) == set()


def test_a_file_with_measurements_becomes_patients_and_gives_nothing_away(tmp_path: Path) -> None:
    measured = {"BMI": "27.5", "SMOKER": "no", "CHILDREN": "1"}
    members = [_member(number, **measured) for number in range(40)]
    members += [
        _member(101, **measured, BIRTHDATE="1931-02-03", ZIP="03601-1234"),
        _member(102, **measured, ZIP="999-76-6102"),
        _member(103, **measured, STATE="Zebulon's house"),
    ]
    lakehouse = _materialised(tmp_path, members).lakehouse
    silver_rows, refused = _rows(lakehouse, SILVER_PATIENTS), _rows(lakehouse, QUARANTINED_PATIENTS)
    assert len(silver_rows) == 41
    assert {(row["region"], row["zip3"]) for row in silver_rows} == {("northeast", "021"), ("northeast", "000")}
    assert [row["age"] for row in silver_rows if row["zip3"] == "000"] == [90]
    assert sorted(reason for row in refused for reason in row["reasons"]) == [
        "region is not northeast, northwest, southeast or southwest",
        "zip_code is not a ZIP code of five or nine digits",
    ]
    assert _found(lakehouse, _identifiers(members)) == set()
    assert {row["zip3"] for row in _rows(lakehouse, DIM_PATIENTS)} == {"021", "000"}


def test_the_marks_are_in_bronze_so_that_not_to_find_them_says_something(tmp_path: Path) -> None:
    members = [_member(number) for number in range(3)]
    lakehouse = _materialised(tmp_path, members, absent=MEASURED).lakehouse
    said = repr(_rows(lakehouse, BRONZE_PATIENTS))
    assert all(value in said for value in _identifiers(members))


@pytest.mark.parametrize("text", ["", "absent = []\n", "[columns]\nname = 'FIRST'\n"])
def test_nothing_is_read_by_a_file_that_cannot_be_meant(tmp_path: Path, text: str) -> None:
    (tmp_path / "members.csv").write_text("Id\n1\n", encoding="utf-8")
    (tmp_path / "columns.toml").write_text(text, encoding="utf-8")
    runtime = runtime_at(
        tmp_path / "home", source=str(tmp_path / "members.csv"), source_columns=tmp_path / "columns.toml"
    )
    with pytest.raises(Exception, match=r"columns\.toml, and .*: correct the file"):
        bronze.run(runtime, DAY)
