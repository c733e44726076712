"""Label leakage: whatever is made from the label is found and named, and honest features are left alone."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.leakage import label_leaks, undeclared_features
from healthcare_assets.domain.model_features import LABEL, MODEL_FEATURES
from healthcare_assets.domain.synthetic import SyntheticPopulation, charges_on, members_on
from healthcare_assets.domain.synthetic_calendar import Day
from healthcare_assets.domain.tables import REGIONS, SEXES
from healthcare_assets_tests.training_populations import insurance_population, made_up_population, training_frame

LIMIT = 0.98
FIRST_DAY = date(2026, 1, 1)


def _synthetic_population(count: int, *, realistic: bool = False) -> pd.DataFrame:
    population = SyntheticPopulation(members=count, realistic=realistic)
    members = members_on(population, np.arange(count), first_day=FIRST_DAY, day=FIRST_DAY)
    attributes = {
        "age": np.floor(members.age_on(Day.between(FIRST_DAY, FIRST_DAY).ordinal)),
        "sex": np.take(SEXES, members.sex),
        "region": np.take(REGIONS, members.region),
        "bmi": members.bmi,
        "smoker": members.smoker.astype(bool),
        "children": members.children,
        "charges": charges_on(population, members, first_day=FIRST_DAY, day=FIRST_DAY),
    }
    return training_frame(pd.DataFrame(attributes))


def _costs(count: int = 2_000) -> Floats:
    """15 % cost nothing, the others' costs have a heavy tail."""
    random = np.random.default_rng(1)
    return np.round((random.random(count) >= 0.15) * random.lognormal(8.0, 1.2, count), 2)


def _leaks(values: object, charges: Floats) -> list[str]:
    return [leak.detail for leak in label_leaks(pd.DataFrame({"suspect": values}), charges, limit=LIMIT)]


def _bins(charges: Floats, count: int) -> "np.typing.NDArray[np.int64]":
    """The number of each patient's equally large class of charges, in no order."""
    ranks = np.argsort(np.argsort(charges, kind="stable"), kind="stable")
    return np.random.default_rng(2).permutation(count)[ranks * count // len(charges)].astype(np.int64)


# Honest populations.


@pytest.mark.parametrize(
    "population",
    [
        insurance_population,
        lambda: made_up_population(600),
        lambda: made_up_population(5_000, seed=1),
        lambda: _synthetic_population(10_000),
        lambda: _synthetic_population(600),
        lambda: _synthetic_population(10_000, realistic=True),
    ],
    ids=["insurance", "made up", "many made up", "demonstration", "small demonstration", "realistic"],
)
def test_the_features_of_honest_populations_do_not_leak(population: Callable[[], pd.DataFrame]) -> None:
    patients = population()
    features = patients[list(MODEL_FEATURES)]
    assert label_leaks(features, patients[LABEL].to_numpy(dtype=np.float64), limit=LIMIT) == []


def test_a_leak_is_found_among_the_honest_features_of_public_data_and_named() -> None:
    patients = insurance_population()
    charges = patients[LABEL].to_numpy(dtype=np.float64)
    leaking = patients[list(MODEL_FEATURES)].assign(
        last_bill=np.log1p(charges), deviation=np.square(charges - charges.mean())
    )
    assert [leak.feature for leak in label_leaks(leaking, charges, limit=LIMIT)] == ["last_bill", "deviation"]


# What is made from the label.


@pytest.mark.parametrize(
    "made",
    [
        lambda charges: charges,
        lambda charges: -charges,
        np.log1p,
        lambda charges: np.round(charges, -2),
        lambda charges: charges * np.random.default_rng(3).lognormal(0.0, 0.02, len(charges)),
        lambda charges: np.argsort(np.argsort(charges)) / len(charges),
        lambda charges: np.round(charges).astype(str),
        lambda charges: [Decimal(str(cost)) for cost in charges],
        lambda charges: pd.array(charges, dtype="Float64"),
    ],
    ids=["label", "negated", "logarithm", "rounded", "noisy", "ranks", "text", "decimals", "nullable"],
)
def test_the_label_and_monotone_functions_of_it_are_found(made: Callable[[Floats], object]) -> None:
    charges = _costs()
    (detail,) = _leaks(made(charges), charges)
    assert re.fullmatch(
        r"suspect has a rank correlation of [01]\.\d{4} with charges; at most 0\.98 is allowed\.", detail
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda charges: np.square(charges - charges.mean()),
        lambda charges: np.abs(charges - np.median(charges)),
        np.sin,
        np.cos,
        lambda charges: np.sin(charges / 5_000.0),
        lambda charges: 1.0 / (1.0 + np.square(charges - 4_000.0)),
    ],
    ids=["square", "distance", "sine", "cosine", "slow sine", "peak"],
)
@pytest.mark.parametrize("zeros", [True, False])
def test_functions_of_the_label_that_turn_are_found(made: Callable[[Floats], Floats], *, zeros: bool) -> None:
    charges = _costs() if zeros else np.random.default_rng(4).lognormal(8.0, 1.2, 1_500)
    (detail,) = _leaks(made(charges), charges)
    assert re.fullmatch(
        r"suspect (reproduces|is a function of) charges.* R² of [01]\.\d{4}.*0\.9604 is allowed\.", detail
    )


@pytest.mark.parametrize("classes", [30, 200, 1_000, 1_700])
@pytest.mark.parametrize("kind", ["number", "text", "category"])
def test_classes_of_the_label_in_no_order_are_found(classes: int, kind: str) -> None:
    charges = np.random.default_rng(4).lognormal(8.0, 1.2, 2_000)
    numbers = pd.Series(_bins(charges, classes))
    values = {"number": numbers, "text": "class " + numbers.astype(str)}
    values["category"] = values["text"].astype("category")
    (detail,) = _leaks(values[kind], charges)
    assert detail.startswith("suspect reproduces charges")


def test_a_leak_with_nulls_is_found_in_the_patients_that_have_it() -> None:
    charges = _costs()
    known = np.random.default_rng(5).random(2_000) < 0.3
    assert len(_leaks(np.where(known, charges, np.nan), charges)) == 1
    assert len(_leaks(pd.Series(_bins(charges, 50).astype(str)).where(known, None), charges)) == 1


# What is not.


@pytest.mark.parametrize(
    "honest",
    [
        lambda random, charges: random.random(len(charges)),
        lambda random, charges: [f"patient {number}" for number in random.permutation(len(charges))],
        lambda random, charges: random.permutation(len(charges)).astype(str),
        lambda random, charges: random.integers(0, len(charges) // 2, len(charges)),
        lambda random, charges: np.ones(len(charges)),
        lambda random, charges: ["same"] * len(charges),
        lambda random, charges: np.full(len(charges), np.nan),
        lambda random, charges: [None] * len(charges),
        lambda random, charges: random.random(len(charges)) < 0.2,
        lambda random, charges: pd.array(random.choice([True, False, None], len(charges)), dtype="boolean"),
        lambda random, charges: random.choice(np.array([True, False, None], dtype=object), len(charges)),
        lambda random, charges: charges > np.median(charges),
        lambda random, charges: np.where(np.arange(len(charges)) < 20, charges, np.nan),
        lambda random, charges: charges * random.lognormal(0.0, 0.5, len(charges)),
        lambda random, charges: np.where(random.random(len(charges)) < 0.5, charges, random.permutation(charges)),
    ],
    ids=[
        "noise",
        "identifier",
        "number as text",
        "pairs",
        "constant",
        "constant text",
        "no value",
        "no text",
        "boolean",
        "boolean with nulls",
        "boolean objects",
        "half of the charges",
        "too few to tell",
        "good predictor",
        "every other known",
    ],
)
def test_what_does_not_give_the_label_away_is_left_alone(
    honest: Callable[[np.random.Generator, Floats], object],
) -> None:
    charges = _costs()
    assert _leaks(honest(np.random.default_rng(6), charges), charges) == []


def test_a_rule_that_tells_smokers_by_their_charges_does_not_make_smoking_a_leak() -> None:
    """Charges give the smokers away without exception; smoking does not give the charges away."""
    patients = made_up_population(2_000)
    smoker = patients["smoker"].to_numpy(dtype=np.bool_)
    charges = patients["age"].to_numpy(dtype=np.float64) * 250.0 + 50_000.0 * smoker
    assert label_leaks(patients[["smoker", "bmi", "region"]], charges, limit=LIMIT) == []


def test_charges_that_are_all_equal_are_no_evidence() -> None:
    assert _leaks(np.arange(100.0), np.full(100, 5.0)) == []


# The answer.


def test_the_limit_decides() -> None:
    charges = _costs()
    noisy = pd.DataFrame({"noisy": charges * np.random.default_rng(7).lognormal(0.0, 0.5, len(charges))})
    assert label_leaks(noisy, charges, limit=0.98) == []
    (leak,) = label_leaks(noisy, charges, limit=0.80)
    assert leak.feature == "noisy"
    assert leak.detail.endswith("at most 0.8 is allowed.")


def test_sentences_quote_no_patients_value() -> None:
    charges = np.round(np.random.default_rng(8).uniform(20_000.0, 90_000.0, 1_000), 2)
    suspects = pd.DataFrame(
        {
            "bill": charges,
            "square": np.square(charges - charges.mean()),
            "text": [f"class {n}" for n in _bins(charges, 90)],
        }
    )
    details = [leak.detail for leak in label_leaks(suspects, charges, limit=LIMIT)]
    assert len(details) == 3
    for detail in details:
        assert {float(number) for number in re.findall(r"\d+\.\d+", detail)} <= {0.98, 0.9604} | {
            round(share, 4) for share in np.arange(0.96, 1.0001, 0.0001).tolist()
        }
        assert "class" not in detail


def test_columns_of_any_type_of_a_large_population_are_no_leak() -> None:
    random = np.random.default_rng(9)
    charges = random.lognormal(8.0, 1.2, 100_000)
    features = pd.DataFrame({f"number_{n}": random.random(100_000) for n in range(9)})
    features["text"] = random.choice(np.array(REGIONS, dtype=object), 100_000)
    features["category"] = features["text"].astype("category")
    features["boolean"] = random.random(100_000) < 0.5
    assert label_leaks(features, charges, limit=LIMIT) == []


# Names.


def test_the_declared_features_are_declared() -> None:
    assert undeclared_features(MODEL_FEATURES) == []


def test_the_label_and_undeclared_features_are_named() -> None:
    leaks = undeclared_features(["age", LABEL, "patient_key", "bmi", "charges_log"])
    assert [leak.feature for leak in leaks] == [LABEL, "patient_key", "charges_log"]
    assert leaks[0].detail == "charges is the label, which no model may be given."
    assert leaks[1].detail == f"patient_key is not one of the {len(MODEL_FEATURES)} declared model features."
