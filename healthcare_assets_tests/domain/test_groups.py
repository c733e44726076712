"""The groups by which a model is examined."""

import pandas as pd
import pytest

from healthcare_assets.domain.groups import AGE_BAND_NAMES, PROTECTED_ATTRIBUTES, groups_of
from healthcare_assets_tests.training_populations import made_up_population


def _patients(**columns: list[object]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    usual = {"age": 40, "sex": "female", "region": "southeast", "smoker": False}
    return pd.DataFrame({name: [value] * count for name, value in usual.items()} | columns)


def test_the_age_bands_are_those_of_the_risk_score() -> None:
    assert AGE_BAND_NAMES == ("0-24", "25-34", "35-49", "50-64", "65-over")
    patients = made_up_population(600)
    bands = pd.Series(groups_of(patients)["age_band"])
    scores = patients["age_risk_score"].to_numpy()
    assert bands.groupby(scores).nunique().tolist() == [1] * 4
    assert len(set(bands)) == 4


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "0-24"),
        (24, "0-24"),
        (25, "25-34"),
        (34, "25-34"),
        (35, "35-49"),
        (49, "35-49"),
        (50, "50-64"),
        (64, "50-64"),
        (65, "65-over"),
        (90, "65-over"),
    ],
)
def test_a_band_begins_at_its_first_age(age: int, band: str) -> None:
    assert groups_of(_patients(age=[age]))["age_band"].tolist() == [band]


def test_each_patient_has_one_group_of_each_attribute() -> None:
    patients = made_up_population(300)
    groups = groups_of(patients)
    assert set(groups) == {*PROTECTED_ATTRIBUTES, "smoker"}
    assert set(PROTECTED_ATTRIBUTES) == {"sex", "region", "age_band"}
    assert {len(labels) for labels in groups.values()} == {300}
    assert groups["sex"].tolist() == patients["sex"].tolist()
    assert groups["region"].tolist() == patients["region"].tolist()
    assert groups["smoker"].tolist() == ["yes" if smokes else "no" for smokes in patients["smoker"]]


def test_the_types_of_another_engine_give_the_same_groups() -> None:
    patients = made_up_population(50)[["age", "sex", "region", "smoker"]]
    expected = {name: labels.tolist() for name, labels in groups_of(patients).items()}
    arrow = patients.convert_dtypes(dtype_backend="pyarrow")
    for other in (arrow, patients.convert_dtypes(), patients.astype({"sex": "category", "smoker": "float64"})):
        assert {name: labels.tolist() for name, labels in groups_of(other).items()} == expected
