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
    blocks: tuple[tuple[int, int], ...] = ()
    """Days from 1 on, ascending, on which so many more members arrive at once: they are the last of their day."""

    def enrolled_by(self, day: Integers) -> Integers:
        """How many members have enrolled by the end of each day; none before day 0."""
        return self._usually_enrolled_by(day) + self._in_blocks_by(day)

    def _usually_enrolled_by(self, day: Integers) -> Integers:
        shift = np.floor((uniform(self.seed, "arrivals", day) - 0.5) * 2 * _SPREAD * self.arrivals_per_day)
        later = self.members + self.arrivals_per_day * day + shift.astype(np.int64)
        return np.select([day < 0, day == 0], [0, self.members], later)

    def _in_blocks_by(self, day: Integers) -> Integers:
        if not self.blocks:
            return np.zeros_like(day)
        days, sizes = np.array(self.blocks).T
        return np.concatenate([[0], np.cumsum(sizes)])[np.searchsorted(days, day, side="right")]

    def enrolment_day(self, member: Integers) -> Integers:
        """The day on which each member enrolled."""
        if not self.blocks:
            return self._usual_enrolment_day(member)
        days, sizes = np.array(self.blocks).T
        behind = self.enrolled_by(days)
        blocks_before = np.searchsorted(behind, member, side="right")
        block = np.minimum(blocks_before, len(days) - 1)
        in_block = (member >= (behind - sizes)[block]) & (member < behind[block])
        # Without the blocks before, a member's number is what it would be in a population that has none.
        usual = member - np.concatenate([[0], np.cumsum(sizes)])[blocks_before]
        return np.where(in_block, days[block], self._usual_enrolment_day(usual))

    def _usual_enrolment_day(self, member: Integers) -> Integers:
        day = np.zeros_like(member)
        late = member >= self.members
        if self.arrivals_per_day and late.any():
            later = member[late]
            found = np.maximum((later - self.members) // self.arrivals_per_day, 1)
            for _ in range(2):  # the shift moves a boundary by less than one day's arrivals
                found = found + (self._usually_enrolled_by(found) <= later)
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
