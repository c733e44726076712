"""Shifts of the synthetic population, each knob by itself, and the days on which its costs become known."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain.synthetic import SyntheticPopulation, charges_on, members_on, records
from healthcare_assets.domain.synthetic_calendar import Calendar, Day
from healthcare_assets.domain.synthetic_members import Members
from healthcare_assets.domain.synthetic_outcomes import OutcomeRecords, outcomes
from healthcare_assets.domain.synthetic_records import MISSING, MemberRecords
from healthcare_assets.domain.synthetic_shift import SyntheticShift
from healthcare_assets.policy import POLICY

FIRST_DAY = date(2026, 1, 1)
SMALL = SyntheticPopulation(members=1_000, arrivals_per_day=60, changes_per_day=90)
SHIFTED = 5
"""The day of the shifts, counted from the first."""

Array = npt.NDArray[Any]


def _on(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def _with(days: frozenset[int] | range = frozenset({SHIFTED}), **knobs: Any) -> SyntheticPopulation:
    return replace(SMALL, shifts=(SyntheticShift(days=days, **knobs),))


def _written(population: SyntheticPopulation, number: int, chunk: int = 100_000) -> list[MemberRecords]:
    return list(records(population, first_day=FIRST_DAY, day=_on(number), chunk=chunk))


def _column(population: SyntheticPopulation, number: int, name: str, chunk: int = 100_000) -> Array:
    """A column of the day's records; of texts, their codes."""
    parts = [getattr(part, name) for part in _written(population, number, chunk)]
    return np.concatenate([getattr(part, "codes", part) for part in parts])


def _same(one: SyntheticPopulation, other: SyntheticPopulation, number: int, **chunks: int) -> bool:
    names = ("id_number", "birth_date", "sex", "region", "bmi", "bmi_remark", "smoker", "children", "charges")
    return all(
        np.array_equal(_column(one, number, name), _column(other, number, name, **chunks), equal_nan=True)
        for name in names
    )


def _arrivals(population: SyntheticPopulation, number: int, *, at: int | None = None) -> Members:
    """Those who enrolled on the day, as they are then, or at the end of another day."""
    first, behind = population.calendar.arrivals_on(number)
    day = _on(number if at is None else at)
    return members_on(population, np.arange(first, behind), first_day=FIRST_DAY, day=day)


def _charges(population: SyntheticPopulation, members: Members, number: int) -> Array:
    return charges_on(population, members, first_day=FIRST_DAY, day=_on(number))


def _age(members: Members, number: int) -> Array:
    return members.age_on(Day.between(FIRST_DAY, _on(number)).ordinal)


# Shifts.


def test_a_shift_without_a_knob_changes_nothing() -> None:
    for number in (0, SHIFTED, SHIFTED + 1):
        assert _same(SMALL, _with(), number)


@pytest.mark.parametrize(
    "knobs",
    [
        {"older_by_years": 20.0},
        {"smoker_share": 0.9},
        {"region_weights": (0, 0, 0, 1)},
        {"cost_factor": 3.0},
        {"arrivals": 200, "costs_known": True},
        {"null_share": 0.5},
        {"outlier_charges": 9e7},
    ],
)
def test_each_knob_changes_its_days_and_none_before(knobs: dict[str, Any]) -> None:
    population = _with(**knobs)
    for number in (0, 1, SHIFTED - 1):
        assert _same(SMALL, population, number)
    if "cost_factor" not in knobs:  # whose costs are not known on the day
        assert not _same(SMALL, population, SHIFTED)
    assert _same(population, population, SHIFTED, chunk=37)


def test_older_arrivals_are_older_by_the_years_and_not_older_than_anybody() -> None:
    plain, population = _arrivals(SMALL, SHIFTED), _arrivals(_with(older_by_years=30.0), SHIFTED)
    before, after = _age(plain, SHIFTED), _age(population, SHIFTED)
    far = before < 70
    assert after[far] - before[far] == pytest.approx(30, abs=0.01)
    assert after.max() <= 101
    assert np.array_equal(plain.bmi, population.bmi)
    younger = _age(_arrivals(_with(older_by_years=-50.0), SHIFTED), SHIFTED)
    assert younger.min() == pytest.approx(18, abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_smokers_among_the_arrivals_is_set(share: float) -> None:
    population = _with(smoker_share=share, arrivals=2_000)
    assert _arrivals(population, SHIFTED).smoker.mean() == pytest.approx(share, abs=0.03)
    assert 0.05 < _arrivals(population, SHIFTED + 1).smoker.mean() < 0.25


def test_a_region_without_weight_is_one_that_comes_up_anew_later() -> None:
    population = replace(_with(range(SHIFTED), region_weights=(1, 1, 1, 0)), changes_per_day=0)
    for number in range(SHIFTED):
        assert set(_arrivals(population, number).region.tolist()) == {0, 1, 2}
    assert set(_arrivals(population, SHIFTED).region.tolist()) == {0, 1, 2, 3}


def test_the_costs_of_the_arrivals_are_multiplied_then_and_later_and_nobody_else_s() -> None:
    population = _with(cost_factor=2.5)
    for at in (SHIFTED, SHIFTED + 30):
        before, after = _arrivals(SMALL, SHIFTED, at=at), _arrivals(population, SHIFTED, at=at)
        assert _charges(population, after, at) == pytest.approx(2.5 * _charges(SMALL, before, at), abs=0.02)
        others = _arrivals(SMALL, SHIFTED - 1, at=at)
        assert np.array_equal(_charges(population, others, at), _charges(SMALL, others, at))


def test_a_block_arrives_on_top_of_the_usual_arrivals_and_its_costs_come_with_it_when_they_are_known() -> None:
    usual = np.subtract(*SMALL.calendar.arrivals_on(SHIFTED)[::-1])
    for costs_known in (False, True):
        population = _with(arrivals=300, costs_known=costs_known)
        first, behind = population.calendar.arrivals_on(SHIFTED)
        assert behind - first == usual + 300
        number = _column(population, SHIFTED, "id_number") - 1
        known = ~np.isnan(_column(population, SHIFTED, "charges"))
        of_block, of_usual = number >= first + usual, (number >= first) & (number < first + usual)
        assert len(set(number[of_block].tolist())) == 300
        assert (known[of_block] == costs_known).all()
        assert not known[of_usual].any()
        assert known[number < first].all()


def test_a_block_s_members_stay_what_they_are_and_change_like_everybody() -> None:
    population = replace(_with(arrivals=400, smoker_share=1.0, region_weights=(1, 0, 0, 0)), changes_per_day=300)
    first, behind = population.calendar.arrivals_on(SHIFTED)
    later = _arrivals(population, SHIFTED, at=SHIFTED + 3)
    assert np.array_equal(later.birth_day, _arrivals(population, SHIFTED).birth_day)
    assert later.smoker.mean() > 0.9
    changed = np.concatenate([_column(population, SHIFTED + day, "id_number") - 1 for day in (1, 2, 3)])
    among = np.isin(np.arange(first, behind), changed)
    assert 0.2 < among.mean() < 0.9
    for name in ("region", "bmi", "smoker", "children", "plan"):
        before = getattr(_arrivals(population, SHIFTED), name)
        assert np.array_equal(getattr(later, name)[~among], before[~among])


def test_the_share_of_missing_bmi_values_is_the_day_s_and_not_the_members() -> None:
    population = _with(null_share=0.3, arrivals=1_000)
    assert np.isnan(_column(population, SHIFTED, "bmi")).mean() == pytest.approx(0.3, abs=0.04)
    assert not np.isnan(_column(population, SHIFTED + 1, "bmi")).any()
    assert not np.isnan(_arrivals(population, SHIFTED).bmi).any()


def test_one_good_record_carries_the_outlier() -> None:
    outlier = POLICY.ranges.charges[1]
    for number in range(1, 40):
        population = _with(frozenset({number}), outlier_charges=outlier)
        (chunk,) = _written(population, number)
        (row,) = np.flatnonzero(chunk.charges == outlier)
        assert chunk.bmi_remark.codes[row] == MISSING
        assert chunk.smoker.codes[row] != MISSING
        assert (chunk.id_number == chunk.id_number[row]).sum() == 1
        assert (_column(population, number, "charges", chunk=11) == outlier).sum() == 1


def test_shifts_of_the_same_day_add_up() -> None:
    shifts = tuple(SyntheticShift(days=range(3, 6), arrivals=10, costs_known=known) for known in (True, False))
    population = replace(SMALL, shifts=shifts)
    assert population.calendar.blocks == ((3, 20), (4, 20), (5, 20))
    charges, number = _column(population, 4, "charges"), _column(population, 4, "id_number") - 1
    first, behind = population.calendar.arrivals_on(4)
    assert set(number[(number >= first) & ~np.isnan(charges)].tolist()) == set(range(behind - 10, behind))


@pytest.mark.parametrize(
    "wrong", [{"days": frozenset({-1})}, {"days": range(2), "arrivals": 1}, {"days": range(1, 2), "arrivals": -1}]
)
def test_impossible_shifts_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="days from 1 on"):
        SyntheticShift(**wrong)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**63 - 1),
    members=st.integers(1, 300),
    arrivals=st.integers(0, 40),
    changes=st.integers(0, 400),
    blocks=st.dictionaries(st.integers(1, 11), st.integers(1, 200), max_size=4),
)
def test_the_calendar_with_blocks_looks_back_as_it_looked_forward(
    seed: int, members: int, arrivals: int, changes: int, blocks: dict[int, int]
) -> None:
    plain = Calendar(seed=seed, members=members, arrivals_per_day=arrivals, changes_per_day=changes)
    calendar = replace(plain, blocks=tuple(sorted(blocks.items())))
    expected: Counter[tuple[int, int]] = Counter()
    enrolled = members
    for day in range(1, 12):
        first, behind = calendar.arrivals_on(day)
        usual = np.subtract(*plain.arrivals_on(day)[::-1])
        assert (first, behind - first) == (enrolled, usual + blocks.get(day, 0))
        assert (calendar.enrolment_day(np.arange(first, behind)) == day).all()
        chosen = calendar.changed(day, np.arange(calendar.changes_on(day)))
        assert ((chosen >= 0) & (chosen < enrolled)).all()
        expected.update((member, day) for member in chosen.tolist())
        enrolled = behind
    assert (calendar.enrolment_day(np.arange(members)) == 0).all()
    positions, days = calendar.changes_of(np.arange(enrolled), 11)
    assert Counter(zip(positions.tolist(), days.tolist(), strict=True)) == expected


# Costs that become known.


def _known(population: SyntheticPopulation, number: int) -> list[OutcomeRecords]:
    return list(outcomes(population, first_day=FIRST_DAY, day=_on(number)))


@pytest.mark.parametrize(
    "population", [SMALL, _with(arrivals=50), _with(arrivals=50, costs_known=True, cost_factor=4.0)]
)
def test_every_cost_that_a_record_lacks_becomes_known_once_two_to_six_weeks_later(
    population: SyntheticPopulation,
) -> None:
    last = 12
    awaited: dict[int, int] = {}
    for number in range(last + 1):
        charges, member = _column(population, number, "charges"), _column(population, number, "id_number") - 1
        awaited |= dict.fromkeys(member[np.isnan(charges)].tolist(), number)
    found: dict[int, tuple[date, float]] = {}
    lags = []
    for number in range(last + 43):
        for part in _known(population, number):
            if part.service_date > _on(last):
                continue
            lags.append((_on(number) - part.service_date).days)
            for member, cost in zip((part.id_number - 1).tolist(), part.charges.tolist(), strict=True):
                assert member not in found
                found[member] = (part.service_date, cost)
    assert (min(lags), max(lags)) == (14, 42)
    assert {member: service_date for member, (service_date, _) in found.items()} == {
        member: _on(number) for member, number in awaited.items()
    }
    for number in range(1, last + 1):
        arrivals = _arrivals(population, number)
        costs = dict(zip(arrivals.member.tolist(), _charges(population, arrivals, number).tolist(), strict=True))
        assert all(found[member][1] == cost for member, cost in costs.items() if member in found)


def test_no_cost_becomes_known_within_the_first_two_weeks() -> None:
    assert [_known(SMALL, number) for number in (-1, 0, 14)] == [[], [], []]
    assert _known(SMALL, 30)


def test_costs_years_later_can_be_drawn_by_themselves() -> None:
    count = sum(len(part.charges) for part in _known(SyntheticPopulation(), 3650))
    assert count == pytest.approx(80, abs=40)


def test_ids_of_outcomes_are_those_of_records_in_one_of_their_spellings() -> None:
    (record,), (outcome, *_) = _written(SMALL, 1), _known(SMALL, 40)
    assert outcome.id_prefix.vocabulary == record.id_prefix.vocabulary
    assert outcome.id_suffix.vocabulary == record.id_suffix.vocabulary
