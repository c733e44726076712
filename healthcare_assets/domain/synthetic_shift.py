"""What can be made to happen to a synthetic population, so that each kind of drift can be seen to be found.

Some knobs make people different and some make deliveries faulty. Who enrols on a shifted day is different for good: on
later days too, for they are people, not noise. A fault is of the day's delivery and gone on the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from healthcare_assets.domain.synthetic_members import DAYS_PER_YEAR, OLDEST, YOUNGEST, Members
from healthcare_assets.domain.synthetic_random import Flags, Floats, Integers, choice, uniform


@dataclass(frozen=True, kw_only=True)
class SyntheticShift:
    """A shift; a knob that is not set has no effect."""

    days: frozenset[int] | range
    """Numbers of the days, counted from the population's first one, 0."""
    older_by_years: float = 0.0
    """Of who enrols on the days. No one becomes older, or younger, than members are anyhow."""
    smoker_share: float | None = None
    """Share (0–1) of smokers among who enrols on the days."""
    region_weights: tuple[float, ...] | None = None
    """Relative weights of northeast, northwest, southeast and southwest among who enrols on the days. A region that
    comes up anew is one that a shift on the days before gave no weight."""
    cost_factor: float = 1.0
    """On the costs of who enrols on the days, from then on."""
    arrivals: int = 0
    """Additional arrivals on each of the days: a block of business taken over. None on day 0."""
    costs_known: bool = False
    """Whether the charges of the additional arrivals are delivered with their records."""
    null_share: float = 0.0
    """Share (0–1) of the BMI values that the days' records lack."""
    outlier_charges: float | None = None
    """Charges in dollars that one record of each of the days carries by mistake."""

    def __post_init__(self) -> None:
        if min(self.days, default=0) < 0 or self.arrivals < 0 or (self.arrivals and 0 in self.days):
            raise ValueError("A shift is of days from 0 on, and additional members arrive on days from 1 on.")

    def is_on(self, day: Integers) -> Flags:
        """Whether each day is one of the shift's."""
        distinct, place = np.unique(day, return_inverse=True)
        shifted = np.array([number in self.days for number in distinct.tolist()], dtype=np.bool_)
        return shifted[place]


Shifts = Sequence[SyntheticShift]


def blocks(shifts: Shifts, *, with_costs: bool = False) -> tuple[tuple[int, int], ...]:
    """The days with additional arrivals, ascending, and how many there are; `with_costs`: of those with known costs."""
    count: dict[int, int] = {}
    for shift in shifts:
        if shift.arrivals and (shift.costs_known or not with_costs):
            for day in shift.days:
                count[day] = count.get(day, 0) + shift.arrivals
    return tuple(sorted(count.items()))


def shifted(shifts: Shifts, seed: int, members: Members, *, enrolment: Integers, ordinal: Integers) -> Members:
    """The members as the shifts have them at their enrolment: its day's number, and its days since 1970-01-01."""
    for shift in shifts:
        who = shift.is_on(enrolment)
        if shift.older_by_years:
            older = members.birth_day - round(shift.older_by_years * DAYS_PER_YEAR)
            oldest, youngest = (ordinal - np.ceil(age * DAYS_PER_YEAR).astype(np.int64) for age in (OLDEST, YOUNGEST))
            members = replace(members, birth_day=np.where(who, np.clip(older, oldest, youngest), members.birth_day))
        if shift.smoker_share is not None:
            smokes = uniform(seed, "shifted smoker", members.member) < shift.smoker_share
            members = replace(members, smoker=np.where(who, smokes.astype(np.int64), members.smoker))
        if shift.region_weights is not None:
            region = choice(uniform(seed, "shifted region", members.member), shift.region_weights)
            members = replace(members, region=np.where(who, region, members.region))
    return members


def cost_factor(shifts: Shifts, enrolment: Integers) -> Floats:
    """The factor on the costs of members by the number of their enrolment day."""
    factor = np.ones(len(enrolment))
    for shift in shifts:
        if shift.cost_factor != 1:
            factor = np.where(shift.is_on(enrolment), factor * shift.cost_factor, factor)
    return factor


def delivered_bmi(shifts: Shifts, seed: int, members: Members, *, day: int) -> Floats:
    """The members' BMI as the day's records have it: NaN where it is not delivered."""
    bmi = members.bmi
    for shift in shifts:
        if shift.null_share and day in shift.days:
            bmi = np.where(uniform(seed, "bmi not delivered", members.member, day) < shift.null_share, np.nan, bmi)
    return bmi


def outlier_charges(shifts: Shifts, *, day: int) -> float | None:
    """The mistaken charges that one of the day's records carries."""
    return next((s.outlier_charges for s in shifts if s.outlier_charges is not None and day in s.days), None)
