"""The rows of `population_health`, and what may not stand in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.population.cells import EVERYBODY, Cell, Sums
from healthcare_assets.domain.population.disclosure import (
    COUNTS,
    MEMBERS,
    PAIRS,
    ContradictionError,
    Count,
    counts_of,
    given_away,
    shown_counts,
)
from healthcare_assets.domain.population.tables import ATTRIBUTES

Row = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

CHANGES = ("members", "mean_predicted_charges", "mean_risk_score", "high_risk_share", "mean_cost")
"""Figures whose change since the month before is told."""


def population_health(sums: Mapping[Cell, Sums], *, before: Rows) -> list[Row]:
    """A row a cell. `before` are the rows that were published of the month before: a change is the difference of two
    published figures, so that it tells nothing that they do not."""
    shown = shown_counts(counts_of(sums))
    earlier = {cell_of(row): row for row in before}
    return [
        _with_changes(_row(cell, sums[cell], shown), earlier.get(cell, {})) for kind, cell in COUNTS if kind == MEMBERS
    ]


def cell_of(row: Mapping[str, Any]) -> Cell:
    """The cell that the row is of."""
    return tuple(row[name] for name in ATTRIBUTES)


def _row(cell: Cell, of_cell: Sums, shown: Mapping[Count, int]) -> Row:
    members, with_cost = shown.get((MEMBERS, cell)), shown.get(("with_cost", cell))
    high_risk = shown.get(("high_risk", cell))
    return {
        **dict(zip(ATTRIBUTES, cell, strict=True)),
        "members": members,
        "suppressed": members is None or high_risk is None or with_cost is None,
        "mean_predicted_charges": of_cell.predicted / members if members else None,
        "mean_risk_score": of_cell.score / members if members else None,
        "high_risk_share": high_risk / members if members and high_risk is not None else None,
        "members_with_cost": with_cost,
        "mean_cost": of_cell.cost / with_cost if with_cost else None,
    }


def _with_changes(row: Row, earlier: Mapping[str, Any]) -> Row:
    changes = {name: (row[name], earlier.get(name)) for name in CHANGES}
    return row | {
        f"{name}_change": None if new is None or old is None else new - old for name, (new, old) in changes.items()
    }


def told(rows: Rows) -> dict[Count, int]:
    """The counts that rows of `population_health` tell, shares included."""
    found: dict[Count, int] = {}
    for row in rows:
        cell, members = cell_of(row), row["members"]
        if members is None:
            # Nothing else may be told of such a cell; what is told all the same is found by the check.
            continue
        found[MEMBERS, cell] = members
        high_risk = None if row["high_risk_share"] is None else round(row["high_risk_share"] * members)
        for (one, other), number in zip(PAIRS, (high_risk if members else 0, row["members_with_cost"]), strict=True):
            if number is not None:
                found |= {(one, cell): number, (other, cell): members - number}
    return found


def no_small_cell_published(rows: Rows, *, before: Rows) -> CheckOutcome:
    """The rows of a month, read back, tell of no 1 to 10 persons: not openly, not by what they add up to, and not by
    a change since the month before (`before`) where one of the two figures is withheld."""
    found = _told_of(rows)
    found += [f"{name} of {in_words(cell_of(row))}" for row in rows for name in _without_members(row)]
    earlier = {cell_of(row): row for row in before}
    found += [
        f"{name}_change of {in_words(cell_of(row))}"
        for row in rows
        for name in CHANGES
        if row[f"{name}_change"] is not None and (row[name] is None or earlier.get(cell_of(row), {}).get(name) is None)
    ]
    withheld = sum(bool(row["suppressed"]) for row in rows)
    good = f"{len(rows)} cells, of {withheld} of which something is withheld: none tells of 1 to 10 persons."
    bad = f"1 to 10 persons can be told of ({'; '.join(found[:5])}{', and more' if len(found) > 5 else ''})"  # noqa: PLR2004
    return CheckOutcome(
        name="no_small_cell_published",
        passed=not found,
        description=good if not found else f"{bad}: hand out nothing of this month, and materialise it again.",
        metadata={"cells": len(rows), "withheld": withheld, "told": len(found)},
    )


def _told_of(rows: Rows) -> list[str]:
    try:
        count = given_away(told(rows))
    except ContradictionError:
        return ["nobody knows of whom, since cells contradict their totals"]
    return [] if count is None else [f"{count[0]} of {in_words(count[1])}"]


def _without_members(row: Mapping[str, Any]) -> list[str]:
    """Figures of a cell whose members are withheld, and means of nobody who is told of."""
    of_members = ("mean_predicted_charges", "mean_risk_score", "high_risk_share", "members_with_cost", "mean_cost")
    found = [name for name in of_members if row["members"] is None and row[name] is not None]
    return found + (["mean_cost"] if row["mean_cost"] is not None and not row["members_with_cost"] else [])


def in_words(cell: Cell) -> str:
    """The values that the cell is split by."""
    return ", ".join(value for value in cell if value != EVERYBODY) or EVERYBODY


def summary(rows: Rows) -> str:
    """The whole and the cells by one attribute, as a Markdown table."""
    shown = [row for row in rows if sum(value != EVERYBODY for value in cell_of(row)) <= 1]
    lines = [
        f"| {in_words(_labelled(row))} | {_shown(row['members'], ',')} "
        f"| {_shown(row['mean_predicted_charges'], ',.0f')} "
        f"| {_shown(row['mean_risk_score'], '.1f')} | {_shown(row['high_risk_share'], '.1%')} "
        f"| {_shown(row['mean_cost'], ',.0f')} | {_shown(row['mean_predicted_charges_change'], '+,.0f')} |"
        for row in shown
    ]
    head = "| cell | members | predicted charges | risk score | high risk | known cost | change of predicted charges |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *lines])


def _labelled(row: Mapping[str, Any]) -> Cell:
    return tuple(f"{name} {row[name]}" if row[name] != EVERYBODY else EVERYBODY for name in ATTRIBUTES)


def _shown(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)
