"""What members cost, how far that is believed, and what the law makes of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.pricing import age_curves
from healthcare_assets.domain.pricing.age_curves import AGE_LEVELS, FEDERAL_DEFAULT, STATE_CURVES, AgeCurve
from healthcare_assets.domain.pricing.checks import relativities_allowed, summary
from healthcare_assets.domain.pricing.credibility import Book, book, expected
from healthcare_assets.domain.pricing.experience import RATING_COLUMNS, Experience, experience, summed
from healthcare_assets.domain.pricing.factors import DIMENSIONS, Factor, pricing_factors
from healthcare_assets.domain.pricing.law import RatingLaw, rating_law
from healthcare_assets.domain.small_cells import MINIMUM_CELL
from healthcare_assets.domain.tables import REGIONS, SILVER_PATIENTS
from healthcare_assets.policy import PricingRules
from healthcare_assets_tests.domain.frames import POLARS_TYPES, lazy

RULES = PricingRules()
FEDERAL = rating_law(None, curve=None, rules=RULES)
_SCHEMA = {c.name: POLARS_TYPES[c.type] for c in SILVER_PATIENTS.content_columns} | {"cost": POLARS_TYPES["float"]}


def _experience(rows: Sequence[Mapping[str, Any]]) -> Experience:
    return experience(summed(lazy(rows, _SCHEMA)).collect().to_pandas())


def _book(members: int = 4_000, *, seed: int = 1, **same: object) -> list[dict[str, Any]]:
    """Members who cost what their age factor says, times 2 for tobacco, times 1.2 in the northeast."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(members):
        age, smoker = int(random.integers(18, 70)), bool(random.random() < 0.3)
        area = REGIONS[int(random.integers(4))]
        row = {"age": age, "smoker": smoker, "region": area, "children": int(random.integers(6)), **same}
        mean = 4_000.0 * FEDERAL_DEFAULT.factor(int(str(row["age"]))) * (2.0 if row["smoker"] else 1.0)
        mean *= 1.2 if row["region"] == "northeast" else 1.0
        rows.append({"patient_key": f"{number:032x}", **row, "cost": float(random.gamma(4.0, mean / 4.0))})
    return rows


def _by(factors: Sequence[Factor], dimension: str) -> dict[str, Factor]:
    return {factor.level: factor for factor in factors if factor.dimension == dimension}


def _factors(rows: Sequence[Mapping[str, Any]], law: RatingLaw = FEDERAL) -> list[Factor]:
    return pricing_factors(_experience(rows), law=law, areas=REGIONS)


@pytest.mark.parametrize("curve", [FEDERAL_DEFAULT, *STATE_CURVES.values()], ids=lambda curve: curve.name)
def test_the_published_curves_are_what_the_law_allows(curve: AgeCurve) -> None:
    assert age_curves.faults(dict(zip(AGE_LEVELS, curve.factors, strict=True)), rules=RULES) == []


def test_the_curves_have_the_figures_that_cms_published() -> None:
    ages = (0, 14, 15, 20, 21, 40, 59, 63, 64, 90)
    assert [FEDERAL_DEFAULT.factor(age) for age in ages] == [
        *(0.765, 0.765, 0.833, 0.970, 1.000, 1.278, 2.603, 2.952, 3.000, 3.000)
    ]
    landmarks = {state: tuple(curve.factor(age) for age in (20, 21, 40, 64)) for state, curve in STATE_CURVES.items()}
    assert landmarks == {
        "AL": (0.635, 1.0, 1.278, 3.0),
        "DC": (0.654, 0.727, 0.975, 2.181),
        "MA": (0.751, 1.183, 1.393, 2.365),
        "MN": (0.890, 1.0, 1.278, 3.0),
        "MS": (0.635, 1.0, 1.278, 3.0),
        "NY": (1.0, 1.0, 1.0, 1.0),
        "OR": (0.635, 1.0, 1.278, 3.0),
        "UT": (0.793, 1.0, 1.479, 3.0),
        "VT": (1.0, 1.0, 1.0, 1.0),
    }


def test_the_well_known_1082_claims_and_the_square_root() -> None:
    # Poisson claims, one a member, all equal: the variation of a member's cost is 1, and a member is a claim.
    whole = Book(members=10**6, mean=100.0, variation=1.0, rules=RULES)
    assert math.floor(whole.full_credibility) == 1082
    assert [round(whole.credibility(n), 3) for n in (0, 271, 1083, 10**6)] == [0.0, 0.5, 1.0, 1.0]
    # Severities of CV 2 at a frequency of 0.5: (1 + 4)/0.5 members a claim standard, which is 1,082 · 5 claims.
    severe = Book(members=10**6, mean=100.0, variation=math.sqrt(5.0 / 0.5), rules=RULES)
    assert severe.full_credibility * 0.5 == pytest.approx(1082.2 * 5, rel=1e-3)


def test_an_expected_cost_lies_between_experience_and_complement_in_its_interval() -> None:
    whole = Book(members=10_000, mean=100.0, variation=2.0, rules=RULES)
    found = expected(whole, members=400, cost=400 * 150.0, complement=100.0)
    assert found.credibility == pytest.approx(math.sqrt(400 / whole.full_credibility))
    assert found.cost == pytest.approx(100.0 + 50.0 * found.credibility)
    assert found.lower is not None
    assert found.cost is not None
    assert found.upper is not None
    assert found.lower < found.cost < found.upper
    assert found.lower * found.upper == pytest.approx(found.cost**2)
    nobody = expected(whole, members=0, cost=0.0, complement=80.0)
    assert (nobody.observed, nobody.credibility, nobody.cost) == (None, 0.0, 80.0)


def test_nine_of_ten_intervals_hold_the_truth() -> None:
    """A group whose members cost what the book says of it: the interval is for its mean."""
    random = np.random.default_rng(7)
    whole = Book(members=10**7, mean=1_000.0, variation=0.5, rules=RULES)
    inside = 0
    for _ in range(2_000):
        members = 500
        cost = float(random.gamma(4.0 * members, 1_000.0 / 4.0))
        found = expected(whole, members=members, cost=cost, complement=1_000.0)
        assert found.lower is not None
        assert found.upper is not None
        inside += found.lower <= 1_000.0 <= found.upper
    assert 0.88 <= inside / 2_000 <= 0.92


def test_relativities_are_the_law_s_and_what_experience_adds_without_the_mix() -> None:
    factors = _factors(_book())
    assert {factor.dimension for factor in factors} == set(DIMENSIONS)
    assert tuple(f.relativity for f in _by(factors, "age").values()) == FEDERAL_DEFAULT.factors
    assert _by(factors, "tobacco")["yes"].relativity == 1.5  # twice the cost, and the law's most
    family = [factor.relativity for factor in _by(factors, "family").values()]
    assert family == pytest.approx([1.0, 1.765, 2.530, 3.295])
    areas = {level: factor.relativity for level, factor in _by(factors, "area").items()}
    assert max(areas, key=lambda area: areas[area]) == "northeast"
    members = {level: factor.members or 0 for level, factor in _by(factors, "area").items()}
    mean = sum(areas[area] * members[area] for area in areas) / sum(members.values())
    assert mean == pytest.approx(1.0)


def test_an_area_is_not_dearer_for_its_age_and_tobacco_mix() -> None:
    """Everywhere a member costs 1,000 × age factor × 1.5 for users; only the mix differs."""
    rows = []
    for area, age, smoker in (("northeast", 64, True), ("northwest", 21, False), ("southeast", 40, False)):
        cost = 1_000.0 * FEDERAL_DEFAULT.factor(age) * (1.5 if smoker else 1.0)
        rows += [{"age": age, "smoker": smoker, "region": area, "children": 0, "cost": cost}] * 5_000
    factors = _factors(rows)
    areas = {level: factor.relativity for level, factor in _by(factors, "area").items()}
    assert areas == pytest.approx(dict.fromkeys(REGIONS, 1.0))
    assert _by(factors, "tobacco")["yes"].relativity == pytest.approx(1.5)


@pytest.mark.parametrize(("state", "limit"), [("CA", 1.0), ("CO", 1.15), ("KY", 1.4), ("TX", 1.5), ("CT", 1.5)])
def test_states_limit_what_tobacco_may_cost(state: str, limit: float) -> None:
    law = rating_law(state, curve=None, rules=RULES)
    assert _by(_factors(_book(), law), "tobacco")["yes"].relativity == limit


def test_users_who_cost_less_get_no_discount_and_the_young_are_not_rated() -> None:
    cheap = [row | {"cost": row["cost"] / 10.0 if row["smoker"] else row["cost"]} for row in _book()]
    assert _by(_factors(cheap), "tobacco")["yes"].relativity == 1.0
    young = [row | {"smoker": row["age"] < 21} for row in _book()]
    assert _by(_factors(young), "tobacco")["yes"].relativity == 1.0


@pytest.mark.parametrize(("state", "family"), [("NY", [1.0, 1.7, 1.7, 1.7]), ("VT", [1.0, 1.93, 1.93, 1.93])])
def test_states_without_age_rating_have_family_tiers(state: str, family: list[float]) -> None:
    factors = _factors(_book(), rating_law(state, curve=None, rules=RULES))
    assert {factor.relativity for factor in _by(factors, "age").values()} == {1.0}
    assert [factor.relativity for factor in _by(factors, "family").values()] == family


_OTHERS = [c for c in SILVER_PATIENTS.content_columns if c.name not in (*RATING_COLUMNS, "charges")]
_DRAWN: Mapping[str, Callable[[np.random.Generator], object]] = {
    "string": lambda random: str(random.choice(["female", "male", "", "platinum", "\x00é"])),
    "integer": lambda random: int(random.integers(-(2**40), 2**40)),
    "float": lambda random: float(random.choice([random.normal(), math.inf, math.nan, -1e300])),
    "boolean": lambda random: bool(random.random() < 0.5),
}


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_sex_bmi_health_and_whatever_else_change_no_factor(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = _book(60)
    changed = [row | {c.name: _DRAWN[c.type](random) for c in _OTHERS} for row in rows]
    assert {"sex", "bmi"} <= {c.name for c in _OTHERS}
    assert _factors(changed) == _factors(rows)


def test_no_cell_of_few_tells_what_it_costs() -> None:
    """Six members of one area, who cost a fortune: no figure but the pooled relativity is theirs."""
    rows = [row | {"region": "southwest" if number < 6 else "northwest"} for number, row in enumerate(_book(500))]
    plain = _factors(rows)
    dear = _factors([row | {"cost": row["cost"] * (1.0 if n >= 6 else 1.001)} for n, row in enumerate(rows)])
    for factor in plain:
        assert factor.members is None or factor.members == 0 or factor.members >= MINIMUM_CELL
        if factor.suppressed:
            shown = (factor.members, factor.observed_cost, factor.credibility, factor.expected_cost)
            assert shown == (None,) * 4
    areas = _by(plain, "area")
    # The next one is withheld with it, since the total would give the six away.
    assert {level for level, factor in areas.items() if factor.suppressed} == {"northwest", "southwest"}
    assert areas["southwest"].relativity == pytest.approx(_by(dear, "area")["southwest"].relativity, rel=1e-4)


@pytest.mark.parametrize("rows", [[], _book(7), [row | {"cost": None} for row in _book(50)]], ids=["0", "7", "unknown"])
def test_without_experience_the_relativities_are_the_law_s(rows: list[dict[str, Any]]) -> None:
    factors = _factors(rows)
    assert all(factor.observed_cost is None for factor in factors)
    assert {factor.relativity for factor in factors if factor.dimension in ("area", "tobacco")} == {1.0}
    assert relativities_allowed([asdict(factor) for factor in factors], law=FEDERAL).passed


def test_members_who_cost_nothing_are_no_fault() -> None:
    factors = _factors([row | {"cost": 0.0} for row in _book(100)])
    assert book(_experience([row | {"cost": 0.0} for row in _book(100)]), rules=RULES).mean == 0.0
    assert all(math.isfinite(factor.relativity) for factor in factors)


def test_parts_of_the_patients_add_up_to_the_whole() -> None:
    rows = _book(300)
    parts = [summed(lazy(part, _SCHEMA)).collect().to_pandas() for part in (rows[:100], rows[100:], [])]
    added = pricing_factors(experience(pd.concat(parts)), law=FEDERAL, areas=REGIONS)
    assert added == _factors(rows)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("age", "64-over", 3.001), "age: 64-over pays 3.001 times what 21 pays, over 3:1"),
        (("age", "40", 1.0), "age: the factor falls from 39 to 40"),
        (("tobacco", "yes", 1.51), "tobacco: users pay 1.510 times what others pay, over 1.5:1"),
        (("family", "3 or more", 4.06), "family 3 or more: 4.060 is over 3.295"),
        (("area", "northeast", math.nan), "area northeast: nan is no positive number"),
        (("area", "northeast", 0.0), "area northeast: 0.0 is no positive number"),
        (("area", "northeast", math.inf), "area northeast: inf is no positive number"),
        (("sex", "female", 1.1), "a factor by sex, which no premium may depend on"),
        (("bmi", "obese", 1.2), "a factor by bmi, which no premium may depend on"),
        (("family", "4", 4.06), "family 4: of more children than 3, 3 count"),
    ],
)
def test_a_factor_that_breaks_a_rule_is_named(change: tuple[str, str, float], sentence: str) -> None:
    dimension, level, relativity = change
    rows = {(factor.dimension, factor.level): asdict(factor) for factor in _factors(_book(500))}
    rows[dimension, level] = {
        **rows.get((dimension, level), {"dimension": dimension, "level": level}),
        "relativity": relativity,
    }
    outcome = relativities_allowed(list(rows.values()), law=FEDERAL)
    assert not outcome.passed
    assert outcome.severity == "error"
    assert sentence in outcome.description


def test_a_state_s_own_limit_is_the_one_that_is_held() -> None:
    rows = [asdict(factor) for factor in _factors(_book())]
    law = rating_law("KY", curve=None, rules=RULES)
    assert "over 1.4:1" in relativities_allowed(rows, law=law).description
    assert relativities_allowed(rows, law=replace(FEDERAL, state="TX")).passed
    assert "| tobacco | yes |" in summary(rows)
