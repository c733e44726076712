"""What is told of a population, and that nobody can work out from it what is not told."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from healthcare_assets.domain.groups import AGE_BAND_NAMES
from healthcare_assets.domain.population.cells import EVERYBODY, SPLITS, VALUES, Cell, Sums, sums_by_cell
from healthcare_assets.domain.population.disclosure import COUNTS, counts_of
from healthcare_assets.domain.population.health import (
    CHANGES,
    cell_of,
    no_small_cell_published,
    population_health,
    summary,
    told,
)
from healthcare_assets.domain.population.tables import ATTRIBUTES, POPULATION_HEALTH
from healthcare_assets.domain.small_cells import MINIMUM_CELL

_SHARES = ([0.25] * 4, [0.15, 0.2, 0.25, 0.2, 0.2], [0.5, 0.5], [0.88, 0.12], [0.02, 0.28, 0.3, 0.4])
_GROUPS = list(product(*VALUES.values(), ("high", "low"), ("known", "unknown")))
"""The finest that readers can think of."""
Row = dict[str, Any]


def _population(patients: int, *, seed: int, high: float = 0.12, known: float = 0.97) -> NDArray[np.int64]:
    """How many patients each of the finest groups has."""
    shares = np.array([1.0])
    for some in (*_SHARES, [high, 1.0 - high], [known, 1.0 - known]):
        shares = np.outer(shares, some).ravel()
    return np.random.default_rng(seed).multinomial(patients, shares)


def _sums(population: NDArray[np.int64]) -> dict[Cell, Sums]:
    rows = []
    for (region, band, sex, smoker, bmi, high, known), number in zip(_GROUPS, population.tolist(), strict=True):
        if number:
            dear = 100_00 * (1 + AGE_BAND_NAMES.index(band)) * number
            rows.append(
                {
                    "region": region,
                    "age_risk_score": AGE_BAND_NAMES.index(band) + 1,
                    "sex": sex,
                    "smoker": smoker == "yes",
                    "bmi_category": bmi,
                    "members": number,
                    "high_risk": number if high == "high" else 0,
                    "with_cost": number if known == "known" else 0,
                    "predicted_cents": dear,
                    "score_millionths": 50_000_000 * number,
                    "cost_cents": dear if known == "known" else None,
                }
            )
    columns = [*("region", "age_risk_score", "sex", "smoker", "bmi_category", "members", "high_risk", "with_cost")]
    columns += ["predicted_cents", "score_millionths", "cost_cents"]
    return sums_by_cell(pd.DataFrame(rows, columns=columns))


class Attacker:
    """Knows the published rows, what they are of, and that nobody is counted less than no times."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.told: list[tuple[NDArray[np.float64], float]] = []
        for row in rows:
            members, cell = row["members"], cell_of(row)
            if members is not None:
                self.told.append((self.counted(cell), members))
            if members and row["high_risk_share"] is not None:
                self.told.append((self.counted(cell, "high"), round(row["high_risk_share"] * members)))
            if row["members_with_cost"] is not None:
                self.told.append((self.counted(cell, "known"), row["members_with_cost"]))
        # Who is in a group of nobody is known: there is none.
        empty = sum((vector for vector, number in self.told if number == 0), np.zeros(len(_GROUPS)))
        self.possible = np.flatnonzero(empty == 0)
        self.matrix = np.array([vector[self.possible] for vector, _ in self.told]).reshape(-1, len(self.possible))
        self.right = np.array([number for _, number in self.told])

    @staticmethod
    def counted(cell: Cell, of: str | None = None) -> NDArray[np.float64]:
        """Which of the finest groups a cell counts."""
        return np.array(
            [
                all(value in (EVERYBODY, mine) for value, mine in zip(cell, group, strict=False))
                and (of is None or of in group)
                for group in _GROUPS
            ],
            dtype=np.float64,
        )

    def solves(self, vector: NDArray[np.float64]) -> bool:
        """Whether sums and differences of published counts give the hidden one."""
        wanted = vector[self.possible]
        if not len(self.matrix):
            return not wanted.any()
        weights = np.linalg.lstsq(self.matrix.T, wanted, rcond=None)[0]
        return bool(np.allclose(self.matrix.T @ weights, wanted, atol=1e-7))

    def bounds(self, vector: NDArray[np.float64]) -> tuple[float, float]:
        """Between what it lies."""
        matrix, right = (self.matrix, self.right) if len(self.matrix) else (None, None)
        least, greatest = (
            linprog(sign * vector[self.possible], A_eq=matrix, b_eq=right, bounds=(0, 1e6), method="highs").fun
            for sign in (1.0, -1.0)
        )
        assert least is not None
        assert greatest is not None
        return float(least), -float(greatest)


def _secrets(sums: Mapping[Cell, Sums], rows: Sequence[Mapping[str, Any]]) -> list[tuple[NDArray[np.float64], int]]:
    """The counts of 1 to 10 persons, and what they are: what an attacker is after."""
    found = []
    for row in rows:
        of_cell, cell = sums[cell_of(row)], cell_of(row)
        for of, number in (
            (None, of_cell.members),
            ("high", of_cell.high_risk),
            ("low", of_cell.members - of_cell.high_risk),
            ("known", of_cell.with_cost),
            ("unknown", of_cell.members - of_cell.with_cost),
        ):
            if 0 < number < MINIMUM_CELL:
                found.append((Attacker.counted(cell, of), number))
    return found


@pytest.mark.parametrize(("patients", "seed"), [(8, 0), (60, 1), (400, 2), (1337, 3), (5000, 4)])
def test_an_attacker_recovers_no_small_cell_from_the_totals(patients: int, seed: int) -> None:
    sums = _sums(_population(patients, seed=seed))
    rows = population_health(sums, before=[])
    attacker, secrets = Attacker(rows), _secrets(sums, rows)
    assert secrets
    assert not [number for vector, number in secrets if attacker.solves(vector)]
    for vector, _ in secrets[:: max(1, len(secrets) // 12)]:
        least, greatest = attacker.bounds(vector)
        assert greatest >= MINIMUM_CELL - 1e-6
        assert greatest - least > 1.0 - 1e-6
    assert no_small_cell_published(rows, before=[]).passed


def test_the_attacker_is_one_and_a_hidden_cell_alone_is_not_enough() -> None:
    """With primary suppression alone the totals give the small cells away, and the check says so."""
    sums = _sums(_population(1337, seed=3))
    rows = [_row | _naive(_row, sums[cell_of(_row)]) for _row in population_health(sums, before=[])]
    attacker = Attacker(rows)
    assert any(attacker.solves(vector) for vector, _ in _secrets(sums, rows))
    outcome = no_small_cell_published(rows, before=[])
    assert not outcome.passed
    assert "1 to 10 persons can be told of" in outcome.description


def _naive(row: Row, of_cell: Sums) -> Row:
    members, high = of_cell.members, of_cell.high_risk
    small = {number for number in (high, members - high) if 0 < number < MINIMUM_CELL}
    hidden = 0 < members < MINIMUM_CELL
    return {
        "members": None if hidden else members,
        "high_risk_share": None if hidden or small or not members else high / members,
        "members_with_cost": None,
        "mean_cost": None,
        "mean_predicted_charges": None if hidden else row["mean_predicted_charges"],
        "mean_risk_score": None if hidden else row["mean_risk_score"],
    }


def test_a_large_population_is_told_of_in_full() -> None:
    sums = _sums(_population(200_000, seed=5))
    rows = population_health(sums, before=[])
    assert len(rows) == sum(1 for kind, _ in COUNTS if kind == "members")
    assert not any(row["suppressed"] for row in rows)
    assert told(rows) == counts_of(sums)
    whole = rows[0]
    assert [whole[name] for name in ATTRIBUTES] == [EVERYBODY] * 5
    assert whole["members"] == 200_000
    assert whole["mean_risk_score"] == pytest.approx(50.0)
    assert "| sex female |" in summary(rows)


def test_what_is_told_is_what_there_is() -> None:
    population = _population(5_000, seed=6)
    for row in population_health(_sums(population), before=[]):
        counted = Attacker.counted(cell_of(row))
        if row["members"] is not None:
            assert row["members"] == counted @ population
            bands = np.array([1 + AGE_BAND_NAMES.index(group[1]) for group in _GROUPS])
            expected = 100.0 * float((counted * bands) @ population) / row["members"]
            assert row["mean_predicted_charges"] == pytest.approx(expected)
        if row["high_risk_share"] is not None:
            assert row["high_risk_share"] * row["members"] == pytest.approx(
                Attacker.counted(cell_of(row), "high") @ population
            )


def test_the_table_says_the_values_of_its_columns() -> None:
    said = {c.name: c.description for c in POPULATION_HEALTH.columns}
    for name, values in VALUES.items():
        assert said[name].startswith(", ".join(values))


def test_cells_of_nobody_are_shown_and_nobody_at_all_is_no_fault() -> None:
    rows = population_health(_sums(np.zeros(len(_GROUPS), dtype=np.int64)), before=[])
    assert {row["members"] for row in rows} == {0}
    assert {row["mean_cost"] for row in rows} == {None}
    assert no_small_cell_published(rows, before=[]).passed
    assert len(rows) == sum(int(np.prod([len(VALUES[name]) for name in split])) for split in SPLITS)


def test_a_change_is_told_where_both_months_are_told_of() -> None:
    before = population_health(_sums(_population(900, seed=7)), before=[])
    rows = population_health(_sums(_population(1200, seed=8)), before=before)
    earlier = {cell_of(row): row for row in before}
    compared = 0
    for row in rows:
        for name in CHANGES:
            now, then = row[name], earlier[cell_of(row)][name]
            if now is None or then is None:
                assert row[f"{name}_change"] is None
            else:
                compared += 1
                assert row[f"{name}_change"] == now - then
    assert compared
    assert no_small_cell_published(rows, before=before).passed


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Of a month of which something is withheld."""
    return population_health(_sums(_population(1337, seed=3)), before=[])


def test_the_check_names_a_small_cell(rows: list[Row]) -> None:
    changed = [dict(row) for row in rows]
    changed[0]["members_with_cost"] = changed[0]["members"] - 3
    assert "without_cost of all" in no_small_cell_published(changed, before=[]).description


def test_the_check_names_a_change_that_a_withheld_figure_shows_in(rows: list[Row]) -> None:
    changed = [dict(row) for row in rows]
    changed[0]["members_change"] = 4
    assert "members_change of all" in no_small_cell_published(changed, before=[]).description
    assert no_small_cell_published(changed, before=rows).passed


def test_the_check_names_a_figure_of_withheld_members(rows: list[Row]) -> None:
    changed = [dict(row) for row in rows]
    last = next(row for row in reversed(changed) if row["high_risk_share"] is not None)
    last["members"] = None
    assert "high_risk_share of" in no_small_cell_published(changed, before=[]).description


def test_the_check_says_when_cells_contradict_their_totals(rows: list[Row]) -> None:
    changed = [dict(row) for row in rows]
    changed[0]["members"] += 500
    changed[0]["high_risk_share"] = None
    changed[0]["members_with_cost"] = None
    changed[0]["mean_cost"] = None
    assert "cells contradict their totals" in no_small_cell_published(changed, before=[]).description
