"""A file says which columns of a source are which, and is refused where it cannot be meant."""

from pathlib import Path

import pytest

from healthcare_assets.errors import SettingsError, SourceError
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, match_header
from healthcare_assets.resources.source_mapping import declared_columns, source_spellings

GOOD = """
absent = ["bmi", "smoker", "children"]

[columns]
patient_id = "Id"
birth_date = "BIRTHDATE"
sex = "GENDER"
region = "STATE"

[spellings.region]
northeast = ["Massachusetts", "New-York"]
southwest = ["Québec"]
"""


def _file(folder: Path, text: str) -> str:
    path = folder / "columns.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_without_a_file_columns_have_our_names() -> None:
    assert declared_columns(None) is PATIENT_COLUMNS


def test_columns_are_found_under_the_names_of_the_source_and_no_others_are(tmp_path: Path) -> None:
    declared = declared_columns(_file(tmp_path, GOOD))
    header = match_header(["id", "Birth-Date", "gender", "STATE", "age", "SSN"], place="x.csv", declared=declared)
    assert header.declared == {"patient_id": 0, "birth_date": 1, "sex": 2, "region": 3}
    assert header.undeclared == {"age": 4, "SSN": 5}


def test_a_source_without_a_column_that_the_file_names_is_refused_and_an_absent_one_is_not_missed(
    tmp_path: Path,
) -> None:
    declared = declared_columns(_file(tmp_path, GOOD))
    with pytest.raises(SourceError, match=r"has no column region"):
        match_header(["Id", "BIRTHDATE", "GENDER"], place="x.csv", declared=declared)
    with pytest.raises(SourceError, match=r"has no column bmi"):
        match_header(
            ["Id", "BIRTHDATE", "GENDER", "STATE"],
            place="x.csv",
            declared=declared_columns(_file(tmp_path, GOOD.replace('"bmi", ', ""))),
        )


def test_spellings_of_the_source_are_added_to_the_usual_ones(tmp_path: Path) -> None:
    spellings = source_spellings(_file(tmp_path, GOOD))
    assert {"northeast", "ne", "massachusetts", "new-york", "newyork"} == set(spellings["region"]["northeast"])
    assert "québec" in spellings["region"]["southwest"]
    assert spellings["sex"] == source_spellings(None)["sex"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns = 1", "columns is no table of names"),
        ("[columns]", "needs a table"),
        ("[columns]\nsex = 3", "columns is no table of names"),
        ("[columns]\nssn = 'SSN'", "ssn is none of our columns"),
        ("absent = ['bmi']\n[columns]\nbmi = 'BMI'", "bmi is both named and absent"),
        ("[columns]\nage = 'A'\nbmi = 'a '", "one column of the source is named for two of ours"),
        ("absent = 'bmi'\n[columns]\nage = 'A'", "absent as a list"),
        ("renamed = 1\n[columns]\nage = 'A'", "renamed is none of columns, absent, spellings"),
        ("[columns", "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"HEALTHCARE_SOURCE_COLUMNS is .*{said}.*: correct the file"):
        declared_columns(_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[spellings.bmi]\nhigh = ['H']", "spellings.bmi is none of"),
        ("[spellings.sex]\ndiverse = ['X']", "spellings.sex.diverse is none of female, male"),
        ("[spellings.sex]\nmale = 'X'", "needs lists of texts"),
        ("[spellings.sex]\nmale = ['F']", "gives 'f' two meanings"),
        ("[spellings.sex]\nmale = ['x.']\nfemale = ['X']", "gives 'x' two meanings"),
    ],
)
def test_spellings_that_cannot_be_meant_are_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"HEALTHCARE_SOURCE_COLUMNS is .*{said}.*: correct the file"):
        source_spellings(_file(tmp_path, text))
    with pytest.raises(SettingsError, match=said):
        declared_columns(_file(tmp_path, f"[columns]\nage = 'A'\n{text}"))


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere.toml, which cannot be read \(No such file"):
        declared_columns(str(tmp_path / "nowhere.toml"))
