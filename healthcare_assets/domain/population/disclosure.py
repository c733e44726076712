"""Which counts may be published so that no reader can work out a cell of 1–10 persons, from whatever else is published.

Counts come in five kinds a cell: its members, those at high risk and the others, those whose cost is known and the
others. Readers know that every one of them is a sum over the finest groups (a value of each attribute, at high risk or
not, cost known or not), and that no group has less than nobody. What they can work out of a hidden count is thus the
interval between the least and the greatest sum that fits all published ones, a linear program each. A hidden count is
safe when it could be 11 or more: then nobody knows that it is small, nor that it is few together with others that are
hidden. A count of nobody may be shown (CMS cell-size suppression policy).
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.domain.population.cells import EVERYBODY, SPLITS, VALUES, Cell, Sums, cells_of
from healthcare_assets.domain.population.tables import ATTRIBUTES
from healthcare_assets.domain.small_cells import MINIMUM_CELL, is_small

Floats = NDArray[np.float64]
Count = tuple[str, Cell]
"""A kind and a cell."""

MEMBERS = "members"
PAIRS = (("high_risk", "not_high_risk"), ("with_cost", "without_cost"))
"""Of each pair, both together are the members."""
KINDS = (MEMBERS, *(kind for pair in PAIRS for kind in pair))
COUNTS: Sequence[Count] = tuple((kind, cell) for kind in KINDS for split in SPLITS for cell in cells_of(split))

_PLACES: Mapping[Count, int] = {count: place for place, count in enumerate(COUNTS)}
_HALF = 0.5
"""Counts are whole, what a linear program says of them nearly so."""
_MOST = 1e6
"""Of a group, where nothing bounds it: a program without bounds has no solution to look at."""


def counts_of(sums: Mapping[Cell, Sums]) -> dict[Count, int]:
    """All counts of the cells."""
    found: dict[Count, int] = {}
    for cell, of_cell in sums.items():
        numbers = (
            of_cell.members,
            of_cell.high_risk,
            of_cell.members - of_cell.high_risk,
            of_cell.with_cost,
            of_cell.members - of_cell.with_cost,
        )
        found |= {(kind, cell): number for kind, number in zip(KINDS, numbers, strict=True)}
    return found


class ContradictionError(Exception):
    """The counts contradict each other."""


@dataclass(frozen=True, eq=False)
class Published:
    """What readers are told: the counts that are not in it are hidden."""

    counts: Mapping[Count, int]

    def greatest(self, count: Count) -> float:
        """The greatest that the count can be, for all that readers can work out."""
        return float(self.possible(count)[_PLACES[count]])

    def possible(self, count: Count) -> Floats:
        """All counts, in the order of COUNTS, as they could be with this one as great as it can be.

        ContradictionError where no population has the published counts.
        """
        from scipy.optimize import linprog

        groups = _groups_of_counts()
        told = [place for place, known in enumerate(COUNTS) if known in self.counts]
        solved = linprog(
            -groups[[_PLACES[count]]].toarray()[0],
            A_eq=groups[told] if told else None,
            b_eq=[self.counts[COUNTS[place]] for place in told] if told else None,
            bounds=(0.0, _MOST),
            method="highs",
        )
        if solved.status != 0:
            raise ContradictionError
        return np.asarray(groups @ solved.x, dtype=np.float64)


@cache
def _groups_of_counts() -> Any:  # noqa: ANN401 - SciPy's sparse arrays have no types
    """A row a count, a column a finest group: 1 where the count counts the group."""
    from scipy.sparse import csr_array

    groups = list(product(*VALUES.values(), *PAIRS))

    def counts_in(count: Count) -> NDArray[np.bool_]:
        kind, cell = count
        asked = [(place, value) for place, value in enumerate(cell) if value != EVERYBODY]
        return np.array(
            [
                (kind == MEMBERS or kind in group) and all(group[place] == value for place, value in asked)
                for group in groups
            ]
        )

    return csr_array(np.stack([counts_in(count) for count in COUNTS]).astype(np.float64))


def shown_counts(counts: Mapping[Count, int]) -> dict[Count, int]:
    """The counts that may be published.

    Hidden are those of 1–10 persons (primary suppression), with them what would give them away at once, and then, as
    long as a hidden count cannot be 11 or more, the smallest one beside it (complementary suppression). What turns out
    to have been hidden in vain is shown again, the largest cells first.
    """
    hidden = _with_what_tells({count for count in COUNTS if is_small(counts[count])})
    safe: set[Count] = set()  # and whatever else is hidden, it stays so
    while (unsafe := _unsafe(_but(counts, hidden), safe)) is not None:
        hidden |= _with_what_tells({_next(unsafe, _but(counts, hidden))})
    for kinds, cell in _hidden_totals(counts, hidden):
        less = hidden - {(kind, cell) for kind in kinds}
        if less != hidden and not _tells(less, cell) and _unsafe(_but(counts, less), set()) is None:
            hidden = less
    return dict(_but(counts, hidden).counts)


def _but(counts: Mapping[Count, int], hidden: Set[Count]) -> Published:
    return Published({count: number for count, number in counts.items() if count not in hidden})


def _unsafe(published: Published, safe: set[Count]) -> Count | None:
    """A hidden count that must be one of 1–10 persons or nobody's; None where there is none. Those that are known to be
    none of these are not looked at, and those that turn out to be none are added to them."""
    for count in reversed(COUNTS):
        if count not in published.counts and count not in safe:
            possible = published.possible(count)
            # One population shows of many counts that they could be of 11 or more, whichever it was made for.
            safe |= {other for other, number in zip(COUNTS, possible, strict=True) if number > MINIMUM_CELL - _HALF}
            if _HALF < possible[_PLACES[count]] < MINIMUM_CELL - _HALF:
                return count
    return None


def _hidden_totals(counts: Mapping[Count, int], hidden: Set[Count]) -> list[tuple[tuple[str, ...], Cell]]:
    """Of the whole and the cells by one attribute, the largest first: what is hidden and small by no count."""
    totals = [cell for split in SPLITS if len(split) <= 1 for cell in cells_of(split)]
    found = [
        (kinds, cell)
        for cell in totals
        for kinds in ((MEMBERS,), *PAIRS)
        if (kinds[0], cell) in hidden and not any(is_small(counts[kind, cell]) for kind in kinds)
    ]
    return sorted(found, key=lambda one: -counts[MEMBERS, one[1]])


def _tells(hidden: Set[Count], cell: Cell) -> bool:
    """Whether the cell is told of without its members."""
    return (MEMBERS, cell) in hidden and any((kind, cell) not in hidden for kind in KINDS)


def given_away(published: Mapping[Count, int]) -> Count | None:
    """A count of 1–10 persons that the published ones tell, openly or by what can be worked out from them; None where
    they tell none. ContradictionError where no population has the published counts."""
    openly = (count for count in COUNTS if is_small(published.get(count, 0)))
    return next(openly, None) or _unsafe(Published(published), set())


def _with_what_tells(hidden: Set[Count]) -> set[Count]:
    """Without its members no cell is told of, and of a pair both are hidden, or neither: each is the members less the
    other."""
    return set(hidden) | {
        (other, cell) for kind, cell in hidden for pair in PAIRS if kind == MEMBERS or kind in pair for other in pair
    }


def _next(count: Count, published: Published) -> Count:
    """The smallest count of somebody that is shown, of the count's nearest relatives that have one."""
    kind, cell = count
    for relatives in _relatives(cell):
        shown = [(published.counts.get((kind, other), 0), other) for other in relatives]
        if somebody := [pair for pair in shown if pair[0] > 0]:
            return kind, min(somebody)[1]
    # All others of its kind are nobody's or hidden: what tells it are the members.
    return _next((MEMBERS, cell), published)


def _relatives(cell: Cell) -> Iterator[Sequence[Cell]]:
    """First the cells beside it, then its totals and those beside them, then all."""
    totals = list(_totals(cell))
    yield [part for _, parts in totals for part in parts if part != cell]
    yield [total for total, _ in totals]
    yield [part for total, _ in totals for _, parts in _totals(total) for part in parts]
    yield [other for split in reversed(SPLITS) for other in cells_of(split)]


def _totals(cell: Cell) -> Iterator[tuple[Cell, list[Cell]]]:
    """The totals that the cell adds up to, each with all cells that do."""
    for place, (name, value) in enumerate(zip(ATTRIBUTES, cell, strict=True)):
        if value != EVERYBODY:
            before, after = cell[:place], cell[place + 1 :]
            yield (*before, EVERYBODY, *after), [(*before, other, *after) for other in VALUES[name]]
