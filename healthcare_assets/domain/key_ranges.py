"""Ranges of pseudonyms: what has to be grouped or joined by patient is taken a range at a time, whatever its size.

Pseudonyms are hexadecimal digits of a keyed hash, so ranges of one width hold about as many patients each. There is
always a power of two of them: those of a larger table lie within those of a smaller one, and a file that holds one
range is never cut by another table's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import narwhals as nw

Frame = nw.LazyFrame[Any]

KEY = "patient_key"
_DIGITS = 3
_MOST_RANGES = 16**_DIGITS


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """The patients whose key is `low` or greater and less than `high`, compared as text; None is no bound."""

    low: str | None = None
    high: str | None = None

    def of(self, frame: Frame) -> Frame:
        """The frame's rows in the range. A row without a key is in no range but the unbounded one."""
        if self.low is not None:
            frame = frame.filter(nw.col(KEY) >= self.low)
        if self.high is not None:
            frame = frame.filter(nw.col(KEY) < self.high)
        return frame


EVERY_KEY = KeyRange()


def key_ranges(rows: int, *, at_a_time: int | None) -> tuple[KeyRange, ...]:
    """As many ranges as it takes for each to hold about `at_a_time` of the rows or fewer; one without such a bound."""
    count = 1
    while at_a_time is not None and rows > count * at_a_time and count < _MOST_RANGES:
        count *= 2
    bounds = [None, *(f"{_MOST_RANGES // count * i:0{_DIGITS}x}" for i in range(1, count)), None]
    return tuple(KeyRange(low=low, high=high) for low, high in pairwise(bounds))


def range_number(ranges: Sequence[KeyRange]) -> nw.Expr:
    """The position of the range, of consecutive ones, that a key lies in; 0 for a row without a key."""
    above = (nw.coalesce((nw.col(KEY) >= r.low).cast(nw.Int64), nw.lit(0)) for r in ranges[1:])
    return nw.sum_horizontal(nw.lit(0).cast(nw.Int64), *above)
