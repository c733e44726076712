"""The attributes of the members at enrolment, and how they change.

Sources. Obesity by age, severe obesity by sex: NCHS Data Brief 508 (NHANES, August 2021 – August 2023). Smoking by age
and sex: CDC, Tobacco Product Use Among Adults, United States 2020, scaled to 11.6 % overall.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import ndtri

from healthcare_assets.domain.synthetic_names import FIRST_NAMES, LAST_NAMES, PLANS
from healthcare_assets.domain.synthetic_random import Flags, Floats, Integers, choice, normal, uniform

DAYS_PER_YEAR = 365.2425
BMI_DECIMALS = 1

_FEMALE_SHARE = 0.51
_AGES = (18, 25, 45, 65, 75, 85, 100)
_AGES_REACHED = (0.0, 0.12, 0.46, 0.78, 0.90, 0.97, 1.0)
"""Share of the members younger than each age: adults of the United States, roughly."""
YOUNGEST, OLDEST = _AGES[0], _AGES[-1]
_REGION_WEIGHTS = (0.24, 0.24, 0.27, 0.25)

_OBESE = 30.0
_OBESITY_BANDS = (40.0, 60.0)
_OBESITY_SHARES = (0.355, 0.464, 0.389)
_BMI_LOG_SD = (0.303, 0.235)
"""Of women and men: with the shares above, 12.1 % and 6.7 % are at or over 40."""
_BMI_LIMITS = (14, 75)

_SMOKING_BANDS = (25.0, 45.0, 65.0)
_SMOKING_SHARES = (0.074, 0.141, 0.149, 0.090)
_SMOKING_BY_SEX = (0.88, 1.13)
_SMOKING_SCALE = 11.6 / 12.5

_FAMILY_BANDS = (25.0, 50.0, 65.0)
_CHILDREN_WEIGHTS = (
    (0.78, 0.15, 0.05, 0.02, 0.0, 0.0),
    (0.30, 0.24, 0.26, 0.13, 0.05, 0.02),
    (0.62, 0.20, 0.12, 0.04, 0.015, 0.005),
    (0.97, 0.025, 0.005, 0.0, 0.0, 0.0),
)
_CHILDREN_LIMIT = 6
_LAST_AGE_FOR_A_CHILD = 46.0

_MEDICARE_FROM = 65.0
_MEDICARE = PLANS.index("Medicare")
_MEDICARE_SHARE = 0.9
_PLAN_WEIGHTS = (0.17, 0.28, 0.14, 0.04, 0.14, 0.14, 0.08, 0.0, 0.01)
_COVERED_YEARS = 10

_BMI_CHANGE, _MOVE, _PLAN_CHANGE, _SMOKING_CHANGE, _CHILD = range(5)
_CHANGE_WEIGHTS = (0.40, 0.20, 0.20, 0.10, 0.10)
_BMI_CHANGE_LOG_SD = 0.06
_STARTS_SMOKING = 0.13
"""About as many start as stop, so that the share of smokers stays where it is."""


@dataclass(kw_only=True)
class Members:
    """The attributes of some members, an array each. Dates are days since 1970-01-01, codes count from 0."""

    member: Integers
    first_name: Integers
    last_name: Integers
    birth_day: Integers
    sex: Integers
    region: Integers
    bmi: Floats
    smoker: Integers
    children: Integers
    plan: Integers
    coverage_start: Integers

    def age_on(self, day: int | Integers) -> Floats:
        """Age in years and fractions of them."""
        return (day - self.birth_day) / DAYS_PER_YEAR

    def take(self, positions: Integers) -> "Members":
        """The members at the positions."""
        return Members(**{field.name: getattr(self, field.name)[positions] for field in fields(self)})

    def put(self, positions: Integers, changed: "Members") -> None:
        """Replace the members at the positions."""
        for field in fields(self):
            getattr(self, field.name)[positions] = getattr(changed, field.name)


def enrolled(seed: int, member: Integers, enrolment_day: Integers, *, newcomer: Flags) -> Members:
    """The members as they are on their enrolment day (days since 1970-01-01).

    The cover of newcomers begins in the month after; that of the others began at some time in the past ten years.
    """

    def draw(quantity: str) -> Floats:
        return uniform(seed, quantity, member)

    age = np.interp(draw("age"), _AGES_REACHED, _AGES)
    sex = (draw("sex") >= _FEMALE_SHARE).astype(np.int64)
    covered_days = np.where(newcomer, 0, np.floor(draw("covered") * _COVERED_YEARS * DAYS_PER_YEAR)).astype(np.int64)
    return Members(
        member=member,
        first_name=np.floor((sex + draw("first name")) * len(FIRST_NAMES) / 2).astype(np.int64),
        last_name=np.floor(draw("last name") * len(LAST_NAMES)).astype(np.int64),
        birth_day=enrolment_day - np.floor(age * DAYS_PER_YEAR).astype(np.int64) - 1,
        sex=sex,
        region=choice(draw("region"), _REGION_WEIGHTS),
        bmi=_bmi(normal(seed, "bmi", member), age, sex),
        smoker=_smokes(draw("smoker"), age, sex),
        children=_children(draw("children"), age),
        plan=_plan(draw("plan"), draw("medicare"), age),
        coverage_start=_first_of_month(enrolment_day - covered_days, months_later=newcomer),
    )


def changed(seed: int, members: Members, day: int | Integers, *, ordinal: Integers) -> Members:
    """The members after each has changed in one respect.

    `day` is the day's number, which the change is drawn from, `ordinal` the days since 1970-01-01.
    """

    def draw(quantity: str) -> Floats:
        return uniform(seed, quantity, members.member, day)

    kind = choice(draw("change"), _CHANGE_WEIGHTS)
    age = members.age_on(ordinal)
    impossible = (
        ((kind == _SMOKING_CHANGE) & (members.smoker == 0) & (draw("starts smoking") > _STARTS_SMOKING))
        | ((kind == _CHILD) & ((age > _LAST_AGE_FOR_A_CHILD) | (members.children >= _CHILDREN_LIMIT)))
        | ((kind == _PLAN_CHANGE) & (members.plan == _MEDICARE))
    )
    kind = np.where(impossible, _BMI_CHANGE, kind)
    new_bmi = members.bmi * np.exp(_BMI_CHANGE_LOG_SD * normal(seed, "new bmi", members.member, day))
    new_region = (members.region + 1 + np.floor(draw("new region") * 3).astype(np.int64)) % len(_REGION_WEIGHTS)
    new_plan = (members.plan + 1 + np.floor(draw("new plan") * (_MEDICARE - 1)).astype(np.int64)) % _MEDICARE
    return replace(
        members,
        bmi=np.where(kind == _BMI_CHANGE, _limited(new_bmi), members.bmi),
        region=np.where(kind == _MOVE, new_region, members.region),
        plan=np.where(kind == _PLAN_CHANGE, new_plan, members.plan),
        smoker=np.where(kind == _SMOKING_CHANGE, 1 - members.smoker, members.smoker),
        children=members.children + (kind == _CHILD),
    )


def _bmi(draws: Floats, age: Floats, sex: Integers) -> Floats:
    """Log-normal with a spread for each sex, placed so that each age band has its share at or over 30."""
    band = np.searchsorted(_OBESITY_BANDS, age, side="right")
    place = ndtri(np.asarray(_OBESITY_SHARES))[band]
    return _limited(_OBESE * np.exp(np.asarray(_BMI_LOG_SD)[sex] * (draws + place)))


def _limited(bmi: Floats) -> Floats:
    return np.asarray(np.round(np.clip(bmi, *_BMI_LIMITS), BMI_DECIMALS), dtype=np.float64)


def _smokes(draws: Floats, age: Floats, sex: Integers) -> Integers:
    share = np.asarray(_SMOKING_SHARES)[np.searchsorted(_SMOKING_BANDS, age, side="right")]
    smokes: Flags = draws < share * np.asarray(_SMOKING_BY_SEX)[sex] * _SMOKING_SCALE
    return smokes.astype(np.int64)


def _children(draws: Floats, age: Floats) -> Integers:
    """The number whose cumulative weight the draw reaches, in the weights of the member's age."""
    reached = np.cumsum(np.asarray(_CHILDREN_WEIGHTS), axis=1)[:, :-1]
    band = np.searchsorted(_FAMILY_BANDS, age, side="right")
    return sum((draws >= step[band] for step in reached.T), start=np.zeros(len(draws), dtype=np.int64))


def _plan(draws: Floats, medicare: Floats, age: Floats) -> Integers:
    under_medicare = (age >= _MEDICARE_FROM) & (medicare < _MEDICARE_SHARE)
    return np.where(under_medicare, _MEDICARE, choice(draws, _PLAN_WEIGHTS))


def _first_of_month(day: Integers, *, months_later: Flags) -> Integers:
    month = day.astype("datetime64[D]").astype("datetime64[M]") + months_later.astype("timedelta64[M]")
    first: Integers = month.astype("datetime64[D]").astype(np.int64)
    return first
