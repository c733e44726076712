"""A synthetic population: the member records that an insurer's enrolment system would write, day after day.

The first day enrols all members; every later day has arrivals and changes, without end. Any day can be drawn by itself,
in chunks, and is the same whenever it is drawn: all randomness is a function of the seed, the member and the day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from healthcare_assets.domain.synthetic_calendar import Calendar, Day
from healthcare_assets.domain.synthetic_costs import DEMONSTRATION, REALISTIC, yearly_costs
from healthcare_assets.domain.synthetic_members import Members, changed, enrolled
from healthcare_assets.domain.synthetic_random import Floats, Integers
from healthcare_assets.domain.synthetic_records import MemberRecords, is_imperfect, written
from healthcare_assets.domain.synthetic_shift import (
    SyntheticShift,
    blocks,
    cost_factor,
    delivered_bmi,
    outlier_charges,
    shifted,
)

DEFAULT_SEED = 1776
CHUNK_RECORDS = 100_000


@dataclass(frozen=True, kw_only=True)
class SyntheticPopulation:
    """Settings of the generator. `realistic` spreads costs as they are in reality, where these attributes explain
    little of them; otherwise they explain most, which shows a model being promoted."""

    seed: int = DEFAULT_SEED
    members: int = 10_000
    arrivals_per_day: int = 80
    changes_per_day: int = 120
    realistic: bool = False
    shifts: tuple[SyntheticShift, ...] = ()
    """What is made to happen on some days; nothing, unless asked for."""

    def __post_init__(self) -> None:
        if self.members < 1 or self.arrivals_per_day < 0 or self.changes_per_day < 0:
            raise ValueError("A population has at least one member, and no negative number of arrivals or changes.")

    @property
    def calendar(self) -> Calendar:
        """Who arrives and who changes on which day."""
        return Calendar(
            seed=self.seed,
            members=self.members,
            arrivals_per_day=self.arrivals_per_day,
            changes_per_day=self.changes_per_day,
            blocks=blocks(self.shifts),
        )

    def awaiting_costs(self, day: int) -> tuple[int, int]:
        """The first of the day's arrivals whose record carries no charges, and the member behind the last of them."""
        first, behind = self.calendar.arrivals_on(day)
        known = behind - first if day == 0 else dict(blocks(self.shifts, with_costs=True)).get(day, 0)
        return first, behind - known


def records(
    population: SyntheticPopulation, *, first_day: date, day: date, chunk: int = CHUNK_RECORDS
) -> Iterator[MemberRecords]:
    """The records written on the day, in chunks of about `chunk`: on the first day those of all members, later those of
    the day's arrivals, then of the members who changed. None before the first day.
    """
    moment = Day.between(first_day, day)
    calendar = population.calendar
    first, behind = calendar.arrivals_on(moment.number)
    _, known_from = population.awaiting_costs(moment.number)
    arrivals = behind - first
    total = arrivals + calendar.changes_on(moment.number)
    outlier = outlier_charges(population.shifts, day=moment.number)
    mistaken = None if outlier is None else _one_of_the_last(population, total, day=moment)
    for start in range(0, total, chunk):
        position = np.arange(start, min(start + chunk, total))
        arrives = position < arrivals
        changing = calendar.changed(moment.number, position[~arrives] - arrivals)
        member = np.concatenate([position[arrives] + first, changing])
        members = members_on(population, member, first_day=first_day, day=day)
        charges = charges_on(population, members, first_day=first_day, day=day)
        known = np.where(arrives & (position < known_from - first), np.nan, charges)
        if outlier is not None:
            known = np.where((position == mistaken) & ~np.isnan(known), outlier, known)
        bmi = delivered_bmi(population.shifts, population.seed, members, day=moment.number)
        yield written(population.seed, replace(members, bmi=bmi), known, day=moment, position=position)


def members_on(population: SyntheticPopulation, member: Integers, *, first_day: date, day: date) -> Members:
    """The members (numbers from 0, none twice) as they are at the end of the day; they must have enrolled by then."""
    moment = Day.between(first_day, day)
    start = moment.ordinal - moment.number
    calendar = population.calendar
    enrolment = calendar.enrolment_day(member)
    members = enrolled(population.seed, member, start + enrolment, newcomer=enrolment > 0)
    members = shifted(population.shifts, population.seed, members, enrolment=enrolment, ordinal=start + enrolment)
    positions, days = calendar.changes_of(member, moment.number)
    order = np.argsort(positions, kind="stable")
    positions, days = positions[order], days[order]
    turn = np.arange(len(positions)) - np.searchsorted(positions, positions)
    for number in range(int(turn.max(initial=-1)) + 1):
        who, when = positions[turn == number], days[turn == number]
        members.put(who, changed(population.seed, members.take(who), when, ordinal=start + when))
    return members


def charges_on(population: SyntheticPopulation, members: Members, *, first_day: date, day: date) -> Floats:
    """The members' charges in dollars of the year (counted from the first day) that the day lies in."""
    model = REALISTIC if population.realistic else DEMONSTRATION
    costs = yearly_costs(model, population.seed, members, Day.between(first_day, day))
    if not population.shifts:
        return costs
    factor = cost_factor(population.shifts, population.calendar.enrolment_day(members.member))
    return np.asarray(np.round(costs * factor, 2), dtype=np.float64)


def _one_of_the_last(population: SyntheticPopulation, total: int, *, day: Day) -> int:
    """The position of the day's last record without an imperfection: the last records are those with charges."""
    last = total - 1
    return last - int(is_imperfect(population.seed, np.array([last]), day=day)[0])
