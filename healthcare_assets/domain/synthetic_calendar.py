"""Who arrives and who changes on which day, each day computable by itself.

Days are counted from the first one, 0, on which the initial members enrol. Members are numbered from 0 in the order of
their arrival.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from healthcare_assets.domain.synthetic_random import Integers, uniform

_EPOCH = date(1970, 1, 1)
_SPREAD = 0.1
"""A day's arrivals and changes vary by this share around their usual number."""
_SLAB = 1 << 20
"""Pairs of member and day that are looked at in one go."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day, counted from the population's first one and from 1970-01-01."""

    number: int
    ordinal: int

    @classmethod
    def between(cls, first_day: date, day: date) -> "Day":
        """The day of a population that begins on the first day."""
        return cls(number=(day - first_day).days, ordinal=(day - _EPOCH).days)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Arrivals and changes of a population."""

    seed: int
    members: int
    arrivals_per_day: int
    changes_per_day: int

    def enrolled_by(self, day: Integers) -> Integers:
        """How many members have enrolled by the end of each day; none before day 0."""
        shift = np.floor((uniform(self.seed, "arrivals", day) - 0.5) * 2 * _SPREAD * self.arrivals_per_day)
        later = self.members + self.arrivals_per_day * day + shift.astype(np.int64)
        return np.select([day < 0, day == 0], [0, self.members], later)

    def enrolment_day(self, member: Integers) -> Integers:
        """The day on which each member enrolled."""
        day = np.zeros_like(member)
        late = member >= self.members
        if self.arrivals_per_day and late.any():
            later = member[late]
            found = np.maximum((later - self.members) // self.arrivals_per_day, 1)
            for _ in range(2):  # the shift moves a boundary by less than one day's arrivals
                found = found + (self.enrolled_by(found) <= later)
            day[late] = found
        return day

    def arrivals_on(self, day: int) -> tuple[int, int]:
        """The first member who enrols on the day, and the one behind the last."""
        before, after = self.enrolled_by(np.array([day - 1, day]))
        return int(before), int(after)

    def changes_on(self, day: int) -> int:
        """How many earlier members change on the day."""
        return int(self._strata(np.array([day]))[1][0])

    def changed(self, day: int, slot: Integers) -> Integers:
        """The member who changes in each of the day's slots 0 … `changes_on(day)` - 1; ascending, none twice."""
        enrolled, strata = self._strata(np.array([day]))
        return self._chosen(enrolled, strata, slot, np.array([day]))

    def changes_of(self, member: Integers, day: int) -> tuple[Integers, Integers]:
        """The changes of the members up to and on the day: position in `member`, and day; ascending by day."""
        found: list[Integers] = []
        days = np.arange(1, day + 1)
        step = max(1, _SLAB // max(1, len(member)))
        for start in range(0, len(days), step):
            some = days[start : start + step, np.newaxis]
            enrolled, strata = self._strata(some)
            slot = ((member + 1) * strata - 1) // enrolled
            hit = (member < enrolled) & (self._chosen(enrolled, strata, slot, some) == member)
            positions = np.nonzero(hit)
            found.append(np.stack([positions[1], positions[0] + start + 1]))
        both = np.concatenate(found, axis=1) if found else np.empty((2, 0), dtype=np.int64)
        return both[0], both[1]

    def _strata(self, day: Integers) -> tuple[Integers, Integers]:
        """For each day: the earlier members, and into how many equal strata they are cut. One of each changes."""
        enrolled = self.enrolled_by(day - 1)
        varied = (1 - _SPREAD + 2 * _SPREAD * uniform(self.seed, "changes", day)) * self.changes_per_day
        return enrolled, np.minimum(np.where(day > 0, np.rint(varied), 0).astype(np.int64), enrolled)

    def _chosen(self, enrolled: Integers, strata: Integers, slot: Integers, day: Integers) -> Integers:
        first = slot * enrolled // np.maximum(strata, 1)
        behind = (slot + 1) * enrolled // np.maximum(strata, 1)
        return first + np.floor(uniform(self.seed, "changed", slot, day) * (behind - first)).astype(np.int64)
