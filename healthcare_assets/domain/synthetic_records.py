"""Members as records: in mixed spellings, and with the few imperfections that every real delivery has."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from healthcare_assets.domain.synthetic_calendar import Day
from healthcare_assets.domain.synthetic_members import Members
from healthcare_assets.domain.synthetic_names import (
    FIRST_NAMES,
    ID_SPELLINGS,
    LAST_NAMES,
    PLANS,
    REGION_SPELLINGS,
    SEX_SPELLINGS,
    SMOKER_SPELLINGS,
    UNKNOWN_REGION,
    UNREADABLE_BMI,
)
from healthcare_assets.domain.synthetic_random import Flags, Floats, Integers, uniform

MISSING = -1
"""The code of a value that was not delivered."""

ID_DIGITS = 7

_SECONDS_PER_DAY = 86_400
_FIRST_WRITTEN_UNTIL = 22 * 3600
"""Second of the day before which every record is first written; corrections follow within the day."""
_CORRECTED_AFTER = 3600

_UNUSUAL_SPELLING = 0.15
_UNUSUAL_ID = 0.02

_IMPERFECT_EVERY = 180
"""One record in so many is imperfect, at even distances, so that no usual day is without one."""
_DUPLICATE, _CORRECTED, _UNREADABLE_BMI, _NOT_YET_BORN, _SMOKER_MISSING, _REGION_UNKNOWN = range(6)
_IMPERFECTIONS = 6


@dataclass(frozen=True, kw_only=True)
class Words:
    """A text column: positions in a vocabulary, `MISSING` where there is no text."""

    codes: Integers
    vocabulary: tuple[str, ...]

    def take(self, rows: Integers) -> "Words":
        """The texts of the rows."""
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True, kw_only=True)
class MemberRecords:
    """Some consecutive records of a day, a column each, as they are to be written out."""

    id_prefix: Words
    id_number: Integers
    """Written with at least `ID_DIGITS` digits, between prefix and suffix."""
    id_suffix: Words
    first_name: Words
    last_name: Words
    birth_date: Integers
    """Days since 1970-01-01, as `coverage_start_date`."""
    sex: Words
    region: Words
    bmi: Floats
    bmi_remark: Words
    """Text that stands in place of the number; `MISSING` for nearly all."""
    smoker: Words
    children: Integers
    charges: Floats
    """Dollars with cents; NaN while not known."""
    insurance_plan: Words
    coverage_start_date: Integers
    timestamp: Integers
    """Seconds since 1970-01-01 00:00 UTC."""

    def take(self, rows: Integers) -> "MemberRecords":
        """The records of the rows, which may repeat."""
        taken: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            taken[field.name] = column.take(rows) if isinstance(column, Words) else column[rows]
        return MemberRecords(**taken)


def written(seed: int, members: Members, charges: Floats, *, day: Day, position: Integers) -> MemberRecords:
    """The members' records of a day, with its imperfections; some more records than members.

    `position` says which of the day's records these are, counted from 0.
    """
    clean = _clean(seed, members, charges, day)
    kind = _imperfection(seed, position, day)
    spoilt = replace(
        clean,
        birth_date=np.where(kind == _NOT_YET_BORN, day.ordinal + 1 + members.member % 1000, clean.birth_date),
        region=_with_code(clean.region, kind == _REGION_UNKNOWN, clean.region.vocabulary.index(UNKNOWN_REGION)),
        bmi_remark=_with_code(clean.bmi_remark, kind == _UNREADABLE_BMI, 0),
        smoker=_with_code(clean.smoker, kind == _SMOKER_MISSING, MISSING),
    )
    copies = np.where((kind == _DUPLICATE) | (kind == _CORRECTED), 2, 1)
    rows = np.repeat(np.arange(len(kind)), copies)
    last = np.diff(rows, append=-1) != 0
    corrected = kind[rows] == _CORRECTED
    repeated = spoilt.take(rows)
    return replace(
        repeated,
        children=repeated.children + (corrected & ~last),
        timestamp=repeated.timestamp + _CORRECTED_AFTER * (corrected & last),
    )


def is_imperfect(seed: int, position: Integers, *, day: Day) -> Flags:
    """Whether each of the day's records, by its position, has an imperfection."""
    imperfect: Flags = _imperfection(seed, position, day) != MISSING
    return imperfect


def written_ids(seed: int, member: Integers, day: Day) -> tuple[Words, Integers, Words]:
    """The members' ids as records of the day spell them: prefix, number, suffix."""
    style = _styles(uniform(seed, "id spelling", member, day.number), len(ID_SPELLINGS), _UNUSUAL_ID)
    prefix, suffix = (Words(codes=style, vocabulary=part) for part in zip(*ID_SPELLINGS, strict=True))
    return prefix, member + 1, suffix


def _clean(seed: int, members: Members, charges: Floats, day: Day) -> MemberRecords:
    member = members.member

    def draw(quantity: str) -> Floats:
        return uniform(seed, quantity, member, day.number)

    id_prefix, id_number, id_suffix = written_ids(seed, member, day)
    return MemberRecords(
        id_prefix=id_prefix,
        id_number=id_number,
        id_suffix=id_suffix,
        first_name=Words(codes=members.first_name, vocabulary=FIRST_NAMES),
        last_name=Words(codes=members.last_name, vocabulary=LAST_NAMES),
        birth_date=members.birth_day,
        sex=_spelt(members.sex, SEX_SPELLINGS, draw("sex spelling")),
        region=_spelt(members.region, (*REGION_SPELLINGS, (UNKNOWN_REGION,)), draw("region spelling")),
        bmi=members.bmi,
        bmi_remark=Words(codes=np.full_like(member, MISSING), vocabulary=(UNREADABLE_BMI,)),
        smoker=_spelt(members.smoker, SMOKER_SPELLINGS, draw("smoker spelling")),
        children=members.children,
        charges=charges,
        insurance_plan=Words(codes=members.plan, vocabulary=PLANS),
        coverage_start_date=members.coverage_start,
        timestamp=day.ordinal * _SECONDS_PER_DAY + np.floor(draw("written") * _FIRST_WRITTEN_UNTIL).astype(np.int64),
    )


def _imperfection(seed: int, position: Integers, day: Day) -> Integers:
    """The kind of each record's imperfection, `MISSING` for nearly all. The kinds take turns."""
    begin, first_kind = np.floor(uniform(seed, "imperfections", np.array([0, 1]), day.number) * 1_000_000).astype(
        np.int64
    )
    turn, place = np.divmod(position + begin, _IMPERFECT_EVERY)
    return np.where(place == 0, (turn + first_kind) % _IMPERFECTIONS, MISSING)


def _styles(draws: Floats, count: int, unusual: float) -> Integers:
    """0 for the usual style; for the unusual share of draws another one."""
    return np.ceil(np.maximum(draws - (1 - unusual), 0) / unusual * (count - 1)).astype(np.int64)


def _spelt(codes: Integers, spellings: Sequence[tuple[str, ...]], draws: Floats) -> Words:
    """Each value in one of its spellings, of which the first is the usual one."""
    vocabulary = tuple(spelling for group in spellings for spelling in group)
    first = np.cumsum([0, *(len(group) for group in spellings)])[codes]
    return Words(codes=first + _styles(draws, len(spellings[0]), _UNUSUAL_SPELLING), vocabulary=vocabulary)


def _with_code(words: Words, where: Flags, code: int) -> Words:
    return replace(words, codes=np.where(where, code, words.codes))
