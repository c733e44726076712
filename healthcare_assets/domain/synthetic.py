"""A synthetic population: the member records that an insurer's enrolment system would write, day after day.

The first day enrols all members; every later day has arrivals and changes, without end. Any day can be drawn by itself,
in chunks, and is the same whenever it is drawn: all randomness is a function of the seed, the member and the day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from healthcare_assets.domain.synthetic_calendar import Calendar, Day
from healthcare_assets.domain.synthetic_costs import DEMONSTRATION, REALISTIC, yearly_costs
from healthcare_assets.domain.synthetic_members import Members, changed, enrolled
from healthcare_assets.domain.synthetic_random import Floats, Integers
from healthcare_assets.domain.synthetic_records import MemberRecords, written

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
        )


def records(
    population: SyntheticPopulation, *, first_day: date, day: date, chunk: int = CHUNK_RECORDS
) -> Iterator[MemberRecords]:
    """The records written on the day, in chunks of about `chunk`: on the first day those of all members, later those of
    the day's arrivals, then of the members who changed. None before the first day.
    """
    moment = Day.between(first_day, day)
    calendar = population.calendar
    first, behind = calendar.arrivals_on(moment.number)
    arrivals = behind - first
    total = arrivals + calendar.changes_on(moment.number)
    for start in range(0, total, chunk):
        position = np.arange(start, min(start + chunk, total))
        arrives = position < arrivals
        changing = calendar.changed(moment.number, position[~arrives] - arrivals)
        member = np.concatenate([position[arrives] + first, changing])
        members = members_on(population, member, first_day=first_day, day=day)
        charges = charges_on(population, members, first_day=first_day, day=day)
        known = np.where(arrives & (moment.number > 0), np.nan, charges)
        yield written(population.seed, members, known, day=moment, position=position)


def members_on(population: SyntheticPopulation, member: Integers, *, first_day: date, day: date) -> Members:
    """The members (numbers from 0, none twice) as they are at the end of the day; they must have enrolled by then."""
    moment = Day.between(first_day, day)
    start = moment.ordinal - moment.number
    calendar = population.calendar
    enrolment = calendar.enrolment_day(member)
    members = enrolled(population.seed, member, start + enrolment, newcomer=enrolment > 0)
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
    return yearly_costs(model, population.seed, members, Day.between(first_day, day))
