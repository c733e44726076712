"""When the costs of a synthetic population become known: weeks after the record that did not have them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from healthcare_assets.domain.synthetic import SyntheticPopulation, charges_on, members_on
from healthcare_assets.domain.synthetic_calendar import Day
from healthcare_assets.domain.synthetic_random import Floats, Integers, uniform
from healthcare_assets.domain.synthetic_records import Words, written_ids

SHORTEST_LAG, LONGEST_LAG = 14, 42
"""Days after the service date within which a cost becomes known."""


@dataclass(frozen=True, kw_only=True)
class OutcomeRecords:
    """The costs of one service day that became known on a day, a column each, as they are to be written out."""

    id_prefix: Words
    id_number: Integers
    id_suffix: Words
    charges: Floats
    """Dollars with cents."""
    service_date: date


def outcomes(population: SyntheticPopulation, *, first_day: date, day: date) -> Iterator[OutcomeRecords]:
    """The costs that become known on the day: of members whose record had none, each once.

    Only the arrivals of the days that can be meant are looked at. None before the first day.
    """
    known_on = Day.between(first_day, day)
    for number in range(max(known_on.number - LONGEST_LAG, 1), known_on.number - SHORTEST_LAG + 1):
        first, behind = population.awaiting_costs(number)
        arrivals = np.arange(first, behind)
        member = arrivals[number + lags(population, arrivals, day=number) == known_on.number]
        if not len(member):
            continue
        service_date = first_day + timedelta(days=number)
        members = members_on(population, member, first_day=first_day, day=service_date)
        prefix, id_number, suffix = written_ids(population.seed, member, known_on)
        yield OutcomeRecords(
            id_prefix=prefix,
            id_number=id_number,
            id_suffix=suffix,
            charges=charges_on(population, members, first_day=first_day, day=service_date),
            service_date=service_date,
        )


def lags(population: SyntheticPopulation, member: Integers, *, day: int) -> Integers:
    """Days from the service day, by its number, until each member's cost becomes known."""
    span = LONGEST_LAG - SHORTEST_LAG + 1
    lag: Integers = SHORTEST_LAG + np.floor(uniform(population.seed, "outcome lag", member, day) * span).astype(
        np.int64
    )
    return lag
