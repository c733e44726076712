"""Reason codes: the contributions are Shapley's, whatever the model, and a care manager can read them."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from itertools import permutations
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from healthcare_assets.domain import reason_codes as module
from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.candidates import CANDIDATES, GLM, Candidate
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.model_features import design_frame, predicted_charges
from healthcare_assets.domain.people import ATTRIBUTES
from healthcare_assets.domain.reason_codes import (
    Predict,
    contributions,
    reason_codes,
    typical_patient,
)
from healthcare_assets.domain.tables import REGIONS, SEXES
from healthcare_assets.domain.training import _fitted
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import made_up_population

Patient = Mapping[str, Any]

REFERENCE: Patient = {"age": 40, "sex": "female", "region": "southeast", "bmi": 28.0, "smoker": False, "children": 1}
SMOKER: Patient = {"age": 58, "sex": "male", "region": "northeast", "bmi": 36.2, "smoker": True, "children": 3}

of_each_candidate = pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)


class ReasonCode(NamedTuple):
    attribute: str
    dollars: float
    text: str


def _reasons(patients: pd.DataFrame, **about: Any) -> list[list[ReasonCode]]:
    """The reason codes as a reader of the table has them."""
    return [[ReasonCode(**reason) for reason in reasons] for reasons in reason_codes(patients, **about).to_pylist()]


@cache
def _population() -> pd.DataFrame:
    return made_up_population(600)


@cache
def _model(name: str) -> Predict:
    """A candidate of the project, fitted on made-up patients."""
    [candidate] = [candidate for candidate in CANDIDATES if candidate.name == name]
    pipeline = _fitted(candidate, design_frame(_population()), _population()["charges"].to_numpy(), POLICY)

    def predict(design: pd.DataFrame) -> Floats:
        with threadpool_limits(limits=1, user_api="openmp"):  # as scoring does: threads for one row only wait
            return predicted_charges(pipeline, design)

    return predict


def _a_rule_with_interactions(design: pd.DataFrame) -> Floats:
    """Dollars by a rule in which everything but the sex acts together with something else."""
    number = {name: design[name].to_numpy(dtype=np.float64) for name in ("age", "bmi", "smoker", "children")}
    obese_smoker = number["smoker"] * (design["bmi_category"] == "obese").to_numpy()
    east = design["region"].str.endswith("east").to_numpy()
    family = number["children"] ** 2 * number["age"] * (1 + east)
    men = (design["sex"] == "male").to_numpy()
    dollars: Floats = 900.0 + 30 * number["age"] + 20_000 * obese_smoker + family + 250 * men
    return dollars


def _linear(design: pd.DataFrame) -> Floats:
    return np.asarray(100.0 * design["age"] + 7_000.0 * design["smoker"], dtype=np.float64)


def _like(patient: Patient, **changes: Any) -> Patient:
    return {**patient, **changes}


def _people(*patients: Patient) -> pd.DataFrame:
    return pd.DataFrame(list(patients))


def _some_patients(count: int, *, seed: int = 5) -> pd.DataFrame:
    return made_up_population(count, seed=seed).drop(columns="charges")


def _cost(patient: Patient, predict: Predict) -> float:
    """The prediction for one person, by the project's feature formulas."""
    person = _people(_like(patient, patient_key=""))
    features = risk_features(nw.from_native(person).lazy()).collect().to_pandas()
    return float(predict(design_frame(features))[0])


def _by_all_orders(patient: Patient, predict: Predict) -> list[float]:
    """Shapley's own definition: turn the reference into the patient in each of 720 orders, and average each change."""
    known: dict[tuple[Any, ...], float] = {}

    def cost(hybrid: Patient) -> float:
        values = tuple(hybrid.values())
        if values not in known:
            known[values] = _cost(hybrid, predict)
        return known[values]

    changes: dict[str, list[float]] = {name: [] for name in ATTRIBUTES}
    for order in permutations(ATTRIBUTES):
        hybrid = {**REFERENCE}
        for name in order:
            before = cost(hybrid)
            hybrid[name] = patient[name]
            changes[name].append(cost(hybrid) - before)
    return [sum(changes[name]) / len(changes[name]) for name in ATTRIBUTES]


@of_each_candidate
def test_the_contributions_are_the_mean_over_all_orders(candidate: Candidate) -> None:
    predict = _model(candidate.name)
    [computed] = contributions(_people(SMOKER), reference=REFERENCE, predict=predict)
    assert computed == pytest.approx(_by_all_orders(SMOKER, predict), abs=1e-6)


def test_the_contributions_to_a_rule_with_interactions_are_the_mean_over_all_orders() -> None:
    patients = [SMOKER, _like(SMOKER, smoker=False, region="northwest"), _like(REFERENCE, age=90, children=0)]
    computed = contributions(_people(*patients), reference=REFERENCE, predict=_a_rule_with_interactions)
    expected = [_by_all_orders(patient, _a_rule_with_interactions) for patient in patients]
    np.testing.assert_allclose(computed, expected, atol=1e-8)


@of_each_candidate
def test_the_contributions_sum_to_the_difference_from_the_typical_member(candidate: Candidate) -> None:
    predict, patients = _model(candidate.name), _some_patients(200)
    computed = contributions(patients, reference=REFERENCE, predict=predict)
    difference = predict(design_frame(patients)) - _cost(REFERENCE, predict)
    np.testing.assert_allclose(computed.sum(axis=1), difference, atol=1e-6)


@of_each_candidate
def test_what_equals_the_typical_member_contributes_exactly_nothing(candidate: Candidate) -> None:
    patients = _some_patients(200)
    same = np.column_stack([patients[name] == REFERENCE[name] for name in ATTRIBUTES])
    computed = contributions(patients, reference=REFERENCE, predict=_model(candidate.name))
    assert same.sum() > 200
    assert set(computed[same].tolist()) == {0.0}


def test_what_a_model_does_not_use_contributes_exactly_nothing() -> None:
    computed = contributions(_some_patients(50), reference=REFERENCE, predict=_linear)
    unused = [ATTRIBUTES.index(name) for name in ("sex", "region", "bmi", "children")]
    assert set(computed[:, unused].ravel().tolist()) == {0.0}


@of_each_candidate
def test_where_a_batch_ends_changes_nothing(candidate: Candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    predict, patients = _model(candidate.name), _some_patients(300)
    whole = contributions(patients, reference=REFERENCE, predict=predict)
    bounds = [(0, 1), (1, 120), (120, 300)]
    parts = [contributions(patients.iloc[a:b], reference=REFERENCE, predict=predict) for a, b in bounds]
    monkeypatch.setattr(module, "_PATIENTS_AT_A_TIME", 130)
    monkeypatch.setattr(module, "_HYBRIDS_AT_A_TIME", 999)
    limited = contributions(patients.iloc[::-1], reference=REFERENCE, predict=predict)[::-1]
    if candidate.name == GLM:  # the order in which a matrix product adds up depends on the number of rows
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0.0, atol=1e-6)
        np.testing.assert_allclose(limited, whole, rtol=0.0, atol=1e-6)
    else:
        assert whole.tobytes() == np.concatenate(parts).tobytes() == np.ascontiguousarray(limited).tobytes()


def test_a_model_is_asked_for_each_person_once_and_for_a_bounded_number_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[pd.DataFrame] = []

    def predict(design: pd.DataFrame) -> Floats:
        asked.append(design)
        return _linear(design)

    monkeypatch.setattr(module, "_HYBRIDS_AT_A_TIME", 100)
    contributions(pd.concat([_some_patients(20)] * 2), reference=REFERENCE, predict=predict)
    assert max(len(design) for design in asked) == 100
    assert not pd.concat(asked).duplicated().any()


_patients = st.fixed_dictionaries(
    {
        "age": st.integers(0, 90),
        "sex": st.sampled_from(SEXES),
        "region": st.sampled_from(REGIONS),
        "bmi": st.integers(100, 1_000).map(lambda tenths: tenths / 10),
        "smoker": st.booleans(),
        "children": st.integers(0, 20),
    }
)
_dollars = st.floats(-1e4, 1e4)


@settings(max_examples=60)
@given(
    patients=st.lists(_patients, min_size=1, max_size=4),
    reference=_patients,
    of_number=st.tuples(_dollars, _dollars, _dollars, _dollars, _dollars),
    of_category=st.fixed_dictionaries(dict.fromkeys((*SEXES, *REGIONS, "obese"), _dollars)),
)
def test_of_costs_that_add_up_each_attribute_contributes_its_own(
    patients: list[dict[str, Any]],
    reference: dict[str, Any],
    of_number: tuple[float, ...],
    of_category: dict[str, float],
) -> None:
    """Also where they come through a derived feature: age bands, family size, BMI category."""
    numbers = ("age", "age_risk_score", "bmi", "smoker", "family_size_factor")

    def predict(design: pd.DataFrame) -> Floats:
        costs = sum(design[name].to_numpy() * of_number[i] for i, name in enumerate(numbers))
        for name in ("sex", "region", "bmi_category"):
            costs = costs + design[name].map(lambda category: of_category.get(category, 0.0)).to_numpy(dtype=np.float64)
        return np.asarray(costs)

    own: dict[str, Callable[[Any], float]] = {
        "age": lambda age: age * of_number[0] + sum(age >= a for a in (25, 35, 50, 65)) * of_number[1],
        "sex": of_category.__getitem__,
        "region": of_category.__getitem__,
        "bmi": lambda bmi: bmi * of_number[2] + of_category["obese"] * (bmi >= 30),
        "smoker": lambda smoker: smoker * of_number[3],
        "children": lambda children: children * 0.15 * of_number[4],
    }
    expected = [[own[name](patient[name]) - own[name](reference[name]) for name in ATTRIBUTES] for patient in patients]
    np.testing.assert_allclose(
        contributions(_people(*patients), reference=reference, predict=predict), expected, atol=1e-6
    )


@of_each_candidate
def test_an_obese_smokers_first_reason_is_smoking(candidate: Candidate) -> None:
    """By the made-up rule smoking costs them 22,000 dollars, and no age more than 16,250."""
    patients = _some_patients(400).query("smoker and bmi > 31")
    reference = typical_patient(_population())
    codes = _reasons(patients, reference=reference, predict=_model(candidate.name))
    assert len(codes) > 20
    assert {reasons[0].attribute for reasons in codes} == {"smoker"}


def test_reasons_are_the_largest_first_and_none_lowers_the_cost() -> None:
    codes = _reasons(_some_patients(200), reference=REFERENCE, predict=_model("gradient_boosting"))
    assert {len(reasons) for reasons in codes} == {0, 1, 2, 3}
    for reasons in codes:
        dollars = [reason.dollars for reason in reasons]
        assert dollars == sorted(dollars, reverse=True)
        assert all(amount >= 1.0 and amount == round(amount, 2) for amount in dollars)


def _by_attribute(**dollars: float) -> Predict:
    """A model in which each attribute that differs from the reference costs so much."""
    return lambda design: np.asarray(
        sum((design[name] != REFERENCE[name]).to_numpy() * amount for name, amount in dollars.items()), dtype=np.float64
    )


def test_equal_reasons_come_in_the_declared_order() -> None:
    predict = _by_attribute(children=500.0, smoker=500.001, bmi=700.0, region=500.0, sex=499.999, age=-9.0)
    [reasons] = _reasons(_people(SMOKER), reference=REFERENCE, predict=predict, top=4)
    assert [(reason.attribute, reason.dollars) for reason in reasons] == [
        ("bmi", 700.0),
        ("sex", 500.0),
        ("region", 500.0),
        ("smoker", 500.0),
    ]


@pytest.mark.parametrize(("dollars", "listed"), [(0.994, False), (0.996, True), (1.0, True), (0.0, False), (-5, False)])
def test_a_reason_is_worth_a_dollar(dollars: float, listed: bool) -> None:
    [reasons] = _reasons(_people(SMOKER), reference=REFERENCE, predict=_by_attribute(age=dollars))
    assert [reason.attribute for reason in reasons] == ["age"] * listed


@pytest.mark.parametrize(
    ("attribute", "patient", "dollars", "text"),
    [
        ("smoker", {"smoker": True}, 14_238.41, "Smokes: +$14,200 a year"),
        ("smoker", {"smoker": False}, 14_238.41, "Does not smoke: +$14,200 a year"),
        ("age", {"age": 58}, 3_350.01, "Age 58: +$3,400 a year"),
        ("age", {"age": 0}, 999.6, "Age 0: +$1,000 a year"),
        ("age", {"age": 89}, 1_000.0, "Age 89: +$1,000 a year"),
        ("age", {"age": 90}, 101_000.0, "Age 90 or over: +$101,000 a year"),
        ("bmi", {"bmi": 36.17}, 5_100.0, "BMI 36.2 (obese): +$5,100 a year"),
        ("bmi", {"bmi": 30.0}, 249.0, "BMI 30.0 (obese): +$250 a year"),
        ("bmi", {"bmi": 29.97}, 249.0, "BMI 29.9 (overweight): +$250 a year"),
        ("bmi", {"bmi": 25.0}, 99.0, "BMI 25.0 (overweight): +$100 a year"),
        ("bmi", {"bmi": 24.951}, 94.0, "BMI 24.9 (normal): +$90 a year"),
        ("bmi", {"bmi": 18.46}, 10.0, "BMI 18.4 (underweight): +$10 a year"),
        ("bmi", {"bmi": 17.0, "age": 20}, 10.0, "BMI 17.0 (underweight): +$10 a year"),
        ("bmi", {"bmi": 17.0, "age": 19}, 10.0, "BMI 17.0: +$10 a year"),
        ("region", {"region": "northeast"}, 250.0, "Lives in the northeast: +$250 a year"),
        ("sex", {"sex": "female"}, 9.4, "Sex (female): +$9 a year"),
        ("sex", {"sex": "male"}, 1.0, "Sex (male): +$1 a year"),
        ("children", {"children": 3}, 1_049.0, "3 dependants covered: +$1,000 a year"),
        ("children", {"children": 1}, 46.0, "1 dependant covered: +$50 a year"),
        ("children", {"children": 0}, 46.0, "No dependants covered: +$50 a year"),
    ],
)
def test_wording(attribute: str, patient: Patient, dollars: float, text: str) -> None:
    other = {"smoker": not patient.get("smoker"), "sex": SEXES[patient.get("sex") == SEXES[0]], "region": "southwest"}
    reference = _like(REFERENCE, **{attribute: other.get(attribute, 50)})

    def predict(design: pd.DataFrame) -> Floats:
        return np.where(design[attribute] != reference[attribute], dollars, 0.0)

    [reasons] = _reasons(_people(_like(REFERENCE, **patient)), reference=reference, predict=predict)
    assert reasons == [ReasonCode(attribute=attribute, dollars=dollars, text=text)]


def test_no_reason_names_the_patient() -> None:
    patients = _people(SMOKER).assign(patient_key="0123456789abcdef")
    assert "0123456789abcdef" not in repr(_reasons(patients, reference=REFERENCE, predict=_linear))


def test_no_patients_have_no_reasons() -> None:
    nobody = _people(SMOKER).iloc[:0]
    assert contributions(nobody, reference=REFERENCE, predict=_linear).shape == (0, len(ATTRIBUTES))
    assert _reasons(nobody, reference=REFERENCE, predict=_linear) == []


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_unknown_attribute_has_no_contribution(name: str) -> None:
    with pytest.raises(ValueError, match=f"1 of {name}"):
        contributions(_people(SMOKER, _like(SMOKER, **{name: None})), reference=REFERENCE, predict=_linear)
    with pytest.raises(ValueError, match=f"1 of {name}"):
        contributions(_people(SMOKER), reference=_like(REFERENCE, **{name: None}), predict=_linear)


def test_the_types_of_another_engine_give_the_same() -> None:
    patients = _people(SMOKER, _like(SMOKER, age=30, region="northwest"))
    expected = contributions(patients, reference=REFERENCE, predict=_a_rule_with_interactions)
    arrow = patients.convert_dtypes(dtype_backend="pyarrow")
    for other in (arrow, patients.convert_dtypes(), patients.astype({"sex": "category", "region": "category"})):
        computed = contributions(other, reference=REFERENCE, predict=_a_rule_with_interactions)
        assert computed.tobytes() == expected.tobytes()


def test_the_typical_patient_has_medians_and_the_most_frequent_categories() -> None:
    population = _people(
        _like(REFERENCE, age=20, bmi=22.04, children=0),
        _like(SMOKER, age=31, bmi=27.96, children=1, region="northwest"),
        _like(SMOKER, age=32, bmi=40.0, children=2, smoker=False),
        _like(SMOKER, age=80, bmi=50.0, children=5, region="northwest"),
    )
    typical = typical_patient(population)
    # Half of them smoke: of equals the first declared, which is not to smoke.
    assert typical == {"age": 31, "sex": "male", "region": "northwest", "bmi": 28.0, "smoker": False, "children": 1}
    assert json.loads(json.dumps(typical)) == typical
    assert [type(typical[name]) for name in ATTRIBUTES] == [int, str, str, float, bool, int]


def test_of_equally_frequent_categories_the_first_declared_is_typical() -> None:
    population = _people(*(_like(SMOKER, sex=sex, region=region) for sex in SEXES[::-1] for region in REGIONS[::-1]))
    assert (typical_patient(population)["sex"], typical_patient(population)["region"]) == (SEXES[0], REGIONS[0])
