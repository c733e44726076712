"""What a member's year costs: a two-part model with a persistent frailty.

Whether a member spends anything is a logistic draw; what a spender spends is `exp(linear score + frailty)` times a
gamma factor of mean one, and for a few times a Pareto factor: the catastrophic years. Both parts share the frailty, so
that those who cost much one year are likelier to do so the next.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit, gammaincinv, ndtr

from healthcare_assets.domain.synthetic_calendar import Day
from healthcare_assets.domain.synthetic_members import Members
from healthcare_assets.domain.synthetic_random import Floats, normal, uniform

_DAYS_PER_YEAR = 365
_OBESE = 30.0
_MIDDLE_AGE = 45.0
_TABLE_SIZE = 4097
_TABLE_REACH = 7.0
"""Standard deviations on either side; a draw beyond takes the last value."""
_SMALLEST_RANK = 1e-3
"""Bounds the Pareto factor: a budget is exceeded by some dozen times, not by thousands."""


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """Coefficients on the log scale, and the shape of what they leave unexplained."""

    intercept: float
    """Log of the expected dollars of a lean, non-smoking man of 45 without children in the first region."""
    age_decade: float
    female: float
    child: float
    regions: tuple[float, float, float, float]
    bmi_over_30: float
    """For each kg/m² over 30."""
    smoker: float
    obese_smoker: float
    frailty_sd: float
    gamma_shape: float
    """Of the factor that differs from year to year: its variance is one over the shape."""
    catastrophe_share: float
    catastrophe_index: float
    """Of the Pareto factor: the smaller, the heavier its tail."""
    spends_intercept: float
    spends_age_decade: float
    spends_frailty: float


DEMONSTRATION = CostModel(
    intercept=8.6,
    age_decade=0.33,
    female=0.08,
    child=0.07,
    regions=(0.06, 0.03, 0.0, -0.04),
    bmi_over_30=0.03,
    smoker=0.90,
    obese_smoker=1.05,
    frailty_sd=0.12,
    gamma_shape=40.0,
    catastrophe_share=0.002,
    catastrophe_index=3.0,
    spends_intercept=5.0,
    spends_age_decade=0.3,
    spends_frailty=0.3,
)
"""Most of the cost is explained by what the insurer knows of a member, so that an honest model can be promoted."""

REALISTIC = CostModel(
    intercept=8.0,
    age_decade=0.30,
    female=0.10,
    child=0.02,
    regions=(0.06, 0.03, 0.0, -0.04),
    bmi_over_30=0.02,
    smoker=0.20,
    obese_smoker=0.20,
    frailty_sd=0.97,
    gamma_shape=0.58,
    catastrophe_share=0.015,
    catastrophe_index=2.0,
    spends_intercept=2.05,
    spends_age_decade=0.3,
    spends_frailty=0.8,
)
"""Spending is as concentrated as it really is, and most of it is not explained by these attributes."""


def yearly_costs(model: CostModel, seed: int, members: Members, day: Day) -> Floats:
    """The members' costs in dollars of the year that the day lies in; 0 for who spends nothing.

    The years are counted from the population's first day. The frailty is the member's own in every year; the
    other draws are the year's.
    """
    member = members.member
    frailty = normal(seed, "frailty", member)
    year = day.number // _DAYS_PER_YEAR
    decades = (members.age_on(day.ordinal) - _MIDDLE_AGE) / 10
    spends = uniform(seed, "spends", member, year) < expit(
        model.spends_intercept + model.spends_age_decade * decades + model.spends_frailty * frailty
    )
    score = _score(model, members, decades) + model.frailty_sd * frailty
    factor = np.interp(normal(seed, "spending", member, year), *_gamma_table(model.gamma_shape))
    factor *= _catastrophe(model, uniform(seed, "catastrophe", member, year))
    return np.asarray(np.round(np.where(spends, np.exp(score) * factor, 0.0), 2), dtype=np.float64)


def _score(model: CostModel, members: Members, decades: Floats) -> Floats:
    obese = members.bmi >= _OBESE
    score: Floats = (
        model.intercept
        + model.age_decade * decades
        + model.female * (members.sex == 0)
        + model.child * members.children
        + np.asarray(model.regions)[members.region]
        + model.bmi_over_30 * np.maximum(members.bmi - _OBESE, 0)
        + members.smoker * (model.smoker + model.obese_smoker * obese)
    )
    return score


def _catastrophe(model: CostModel, draws: Floats) -> Floats:
    """A Pareto factor over 1 for the share of draws that is a catastrophe; 1 for the others."""
    rank = np.clip(draws / model.catastrophe_share, _SMALLEST_RANK, 1.0)
    factor: Floats = rank ** (-1 / model.catastrophe_index)
    return factor


@cache
def _gamma_table(shape: float) -> tuple[Floats, Floats]:
    """Normal scores, and the gamma quantiles of mean one that belong to them: to look one up is far faster."""
    scores = np.linspace(-_TABLE_REACH, _TABLE_REACH, _TABLE_SIZE)
    return scores, np.asarray(gammaincinv(shape, ndtr(scores)) / shape, dtype=np.float64)
