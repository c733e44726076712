"""The rows of `pricing_factors`: expected costs and relativities, level by level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.domain.pricing.age_curves import AGE_LEVELS, band
from healthcare_assets.domain.pricing.credibility import Book, book, expected
from healthcare_assets.domain.pricing.experience import Experience, Floats
from healthcare_assets.domain.pricing.law import RatingLaw
from healthcare_assets.domain.small_cells import is_small, suppressed

EVERYBODY = "all"
DIMENSIONS = (EVERYBODY, "area", "age", "tobacco", "family")
"""All that a factor may be by."""
TOBACCO_LEVELS = ("no", "yes")


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A row of `pricing_factors`."""

    dimension: str
    level: str
    members: int | None
    suppressed: bool
    observed_cost: float | None
    credibility: float | None
    expected_cost: float | None
    expected_lower: float | None
    expected_upper: float | None
    relativity: float
    rule: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Dimension:
    name: str
    levels: Sequence[str]
    position: NDArray[np.int64]
    """Of each cell of the experience: its level."""
    relativities: Sequence[float]
    expectations: Sequence[float]
    """What the book says of the levels' costs, relative to each other."""


def family_levels(law: RatingLaw) -> tuple[str, ...]:
    """Numbers of children; from as many as count on, all families pay the same."""
    most = law.rules.rated_children_maximum
    return (*map(str, range(most)), f"{most} or more")


def pricing_factors(experience: Experience, *, law: RatingLaw, areas: Sequence[str]) -> list[Factor]:
    """A row for the whole book, and one for each level of each dimension; `areas` are the rating areas."""
    whole = book(experience, rules=law.rules)
    tobacco = _tobacco(experience, whole, law)
    by_area = _areas(experience, whole, law, areas=areas, tobacco=tobacco)
    most = law.rules.rated_children_maximum
    dimensions = (
        _Dimension(
            name=EVERYBODY,
            levels=(EVERYBODY,),
            position=np.zeros_like(experience.age),
            relativities=(1.0,),
            expectations=(1.0,),
        ),
        _Dimension(
            name="area",
            levels=areas,
            position=_positions(experience.area, areas),
            relativities=by_area,
            expectations=(1.0,) * len(areas),
        ),
        _Dimension(
            name="age",
            levels=AGE_LEVELS,
            position=np.array([band(int(age)) for age in experience.age], dtype=np.int64),
            relativities=law.curve.factors,
            expectations=law.curve.factors,
        ),
        _Dimension(
            name="tobacco",
            levels=TOBACCO_LEVELS,
            position=experience.smoker.astype(np.int64),
            relativities=(1.0, tobacco),
            expectations=(1.0, 1.0),
        ),
        _Dimension(
            name="family",
            levels=family_levels(law),
            position=np.minimum(experience.children, most),
            relativities=[law.family(children) for children in range(most + 1)],
            # A record's charges are the subscriber's own, and no child's.
            expectations=(1.0,) * (most + 1),
        ),
    )
    return [factor for dimension in dimensions for factor in _rows(dimension, experience, whole, law)]


def _rows(dimension: _Dimension, experience: Experience, whole: Book, law: RatingLaw) -> list[Factor]:
    levels = len(dimension.levels)
    members = np.bincount(dimension.position, weights=experience.members, minlength=levels).astype(np.int64)
    cost = np.bincount(dimension.position, weights=experience.cost, minlength=levels)
    relative = np.asarray(dimension.expectations, dtype=np.float64)
    # So that the complements of all members together are what all members cost.
    scale = float(np.sum(relative * members)) / whole.members if whole.members else math.nan
    hidden = [True] * levels if is_small(whole.members) else suppressed(members.tolist())
    rows = []
    for index, level in enumerate(dimension.levels):
        count = int(members[index])
        found = expected(
            whole, members=count, cost=float(cost[index]), complement=whole.mean * float(relative[index]) / scale
        )
        hide = hidden[index]
        rows.append(
            Factor(
                dimension=dimension.name,
                level=level,
                members=None if hide else count,
                suppressed=hide,
                observed_cost=None if hide else found.observed,
                credibility=None if hide else found.credibility,
                expected_cost=None if hide else found.cost,
                expected_lower=None if hide else found.lower,
                expected_upper=None if hide else found.upper,
                relativity=float(dimension.relativities[index]),
                rule=law.because(dimension.name),
            )
        )
    return rows


def _tobacco(experience: Experience, whole: Book, law: RatingLaw) -> float:
    """Users' cost ÷ non-users', of those who may be rated for it, at equal ages; credibility-weighted against 1.

    Costs are divided by the sum of the age factors, so that an older group is not taken for a dearer one.
    """
    rated = experience.part(experience.age >= law.rules.tobacco_age)
    users, others = rated.part(rated.smoker), rated.part(~rated.smoker)
    base = _level(others, _age_factors(others, law))
    ratio = _level(users, _age_factors(users, law)) / base if base > 0.0 else math.nan
    blended = _blended(ratio, int(users.members.sum()), whole)
    return min(max(blended, 1.0), law.tobacco_limit)


def _areas(
    experience: Experience, whole: Book, law: RatingLaw, *, areas: Sequence[str], tobacco: float
) -> tuple[float, ...]:
    """Each area's cost ÷ everybody's, at equal ages and tobacco use; credibility-weighted against 1, and then of a
    member-weighted mean of 1."""

    def weights(part: Experience) -> Floats:
        smokes = part.smoker & (part.age >= law.rules.tobacco_age)
        return _age_factors(part, law) * np.where(smokes, tobacco, 1.0)

    base = _level(experience, weights(experience))
    parts = [experience.part(experience.area == area) for area in areas]
    members = np.array([part.members.sum() for part in parts], dtype=np.float64)
    ratios = [_level(part, weights(part)) / base if base > 0.0 else math.nan for part in parts]
    blended = np.array([_blended(ratio, int(n), whole) for ratio, n in zip(ratios, members, strict=True)])
    mean = float(np.sum(blended * members) / np.sum(members)) if np.sum(members) else 1.0
    return tuple((blended / mean).tolist())


def _level(part: Experience, weights: Floats) -> float:
    """Cost of a member of weight 1; NaN without members."""
    exposure = float(np.sum(weights * part.members))
    return float(part.cost.sum()) / exposure if exposure > 0.0 else math.nan


def _age_factors(part: Experience, law: RatingLaw) -> Floats:
    return np.array([law.curve.factor(int(age)) for age in part.age], dtype=np.float64)


def _blended(ratio: float, members: int, whole: Book) -> float:
    """A relativity is published whoever it is of: the cost of 1–10 persons must not be in it."""
    if is_small(members) or not math.isfinite(ratio):
        return 1.0
    z = whole.credibility(members)
    return z * ratio + (1.0 - z)


def _positions(values: NDArray[np.str_], levels: Sequence[str]) -> NDArray[np.int64]:
    places = {level: index for index, level in enumerate(levels)}
    return np.array([places[value] for value in values.tolist()], dtype=np.int64)
