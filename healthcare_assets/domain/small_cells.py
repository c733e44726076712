"""Small cells: no published figure may stand for so few patients that one of them could be recognised.

First the rules, then the figures of our plots, all of which keep to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MINIMUM_CELL = 11
"""The fewest patients that a published figure may stand for (CMS cell-size suppression policy); none at all may be
published as zero."""

_CELLS_PER_DECADE = (12, 8, 6, 4, 3, 2)
_WELL_SHOWN = 0.8
_LOWEST, _HIGHEST = 100.0, 1e8
"""US dollars: below and from there on, charges share a cell."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChargeCells:
    """How many patients lie in each cell of predicted charges (rows) against actual charges (columns)."""

    per_decade: int
    """Cells to a factor of ten. The first cell holds everything below _LOWEST, the last everything from _HIGHEST."""
    counts: NDArray[np.int64]
    shown: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualBins:
    """How many patients lie between each two edges of `charges − predicted` (US dollars).

    The first edge is −∞ and the last ∞, so that no edge is a patient's. Each bin holds none or at least MINIMUM_CELL.
    """

    width: float
    """Of a bin that was not merged with its neighbours, US dollars."""
    edges: Floats
    counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Deciles:
    """Patients in tenths by predicted charges, cheapest first; arrays of equal length."""

    predicted: Floats
    """Mean, US dollars."""
    actual: Floats
    ratio: Floats
    """Predicted ÷ actual; NaN where nobody cost anything."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LiftCurve:
    """Share of all cost against share of patients flagged (both 0–1), riskiest first; arrays of equal length."""

    flagged: Floats
    captured: Floats
    """By the patients whom the model flags; NaN where nobody cost anything."""
    ideal: Floats
    """By as many of the costliest."""
    top: int | None
    """Position of the top share in the arrays; None where it, or the rest, is too few patients to be shown."""


def is_small(count: int) -> bool:
    """Whether a group of `count` patients is too small for a figure of its own: 1 to 10."""
    return 0 < count < MINIMUM_CELL


def counted(count: int) -> str:
    """The count as it may be published."""
    return f"fewer than {MINIMUM_CELL}" if is_small(count) else f"{count:,}"


def suppressed(counts: Sequence[int]) -> list[bool]:
    """Which cells of a list must not be published, by the CMS cell-size suppression policy; one verdict a cell.

    The policy forbids cells of 1–10 patients (primary suppression), and any other figure that lets such a cell be
    derived. The total of the list counts as published: hidden cells are together the total less the others, so the next
    smallest that is not empty, the first of equals, is hidden as well while a single cell is hidden, or such as hold
    1–10 patients together (complementary suppression). Where every other cell is empty there is none to hide, and the
    total gives the small cells away: do not publish it then.
    """
    hidden = [is_small(count) for count in counts]
    others = sorted((index for index, count in enumerate(counts) if count >= MINIMUM_CELL), key=lambda i: counts[i])
    for other in others:
        together = sum(count for count, hide in zip(counts, hidden, strict=True) if hide)
        if not any(hidden) or (sum(hidden) > 1 and not is_small(together)):
            break
        hidden[other] = True
    return hidden


def merged(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring cells, as (start, stop), in which each run holds no patient or at least MINIMUM_CELL.

    Every cell belongs to exactly one run. Fewer than MINIMUM_CELL patients in all give no run.
    """
    runs: list[tuple[int, int]] = []
    start = 0
    for stop in range(1, len(counts) + 1):
        if not is_small(sum(counts[start:stop])):
            runs.append((start, stop))
            start = stop
    while runs and is_small(sum(counts[start:])):  # what is left at the end joins the runs before it
        start, _ = runs.pop()
    return [*runs, (start, len(counts))] if start < len(counts) and not is_small(sum(counts[start:])) else runs


def steps(start: int, stop: int, *, most: int) -> list[int]:
    """Evenly spaced whole numbers from `start` to `stop`, at most `most` steps, each of at least MINIMUM_CELL.

    Of a running total only these may be published, since the difference of two neighbours is a cell as well. An
    interval that holds fewer is one step: the caller must not publish both of its ends.
    """
    count = max(1, min(most, (stop - start) // MINIMUM_CELL))
    return [start + (stop - start) * step // count for step in range(count + 1)]


def charge_cells(charges: Floats, predicted: Floats) -> ChargeCells:
    """The finest of a few grids that still shows most patients, since a cell of few is never shown (US dollars)."""
    for per_decade in _CELLS_PER_DECADE:
        side = int(charge_position(np.array([_HIGHEST]), per_decade)[0]) + 1
        row, column = (charge_position(dollars, per_decade).astype(np.int64) for dollars in (predicted, charges))
        counts = np.bincount(row * side + column, minlength=side * side)
        shown = (counts > 0) & ~np.array(suppressed(counts.tolist()))
        if counts[shown].sum() >= _WELL_SHOWN * len(charges):
            break
    return ChargeCells(per_decade=per_decade, counts=counts.reshape(side, side), shown=shown.reshape(side, side))


def charge_position(dollars: Floats, per_decade: int) -> Floats:
    """Where an amount lies on an axis that counts cells: linear in the first cell, logarithmic from there on."""
    within = np.clip(dollars, 0.0, _HIGHEST)
    position: Floats = np.minimum(within / _LOWEST, 1.0) + per_decade * np.log10(np.maximum(within / _LOWEST, 1.0))
    return position


def residual_bins(residuals: Floats) -> ResidualBins:
    """Bins of a round width over the middle 96 % of the residuals (US dollars), and the rest in two that are open."""
    ordered = np.sort(residuals)
    tail = min(max(MINIMUM_CELL, len(ordered) // 50), (len(ordered) - 1) // 2)
    low, high = ordered[tail], ordered[-1 - tail]
    width = round_step(max((high - low) / 40.0, 1.0))
    edges = np.arange(np.floor(low / width), np.floor(high / width) + 2.0) * width
    counts = np.bincount(np.searchsorted(edges, residuals, side="right"), minlength=len(edges) + 1)
    runs = merged(counts.tolist())
    closed = np.array([-np.inf, *edges, np.inf])
    return ResidualBins(
        width=width,
        edges=closed[[0, *(stop for _, stop in runs)]],
        counts=np.array([counts[start:stop].sum() for start, stop in runs], dtype=np.int64),
    )


def round_step(least: float) -> float:
    """The smallest of …, 0.5, 1, 2, 5, 10, … that is not under `least`, which is positive."""
    decade = 10.0 ** np.floor(np.log10(least))
    return float(next(decade * factor for factor in (1, 2, 5, 10, 20) if decade * factor >= least))


def calibration_by_decile_data(charges: Floats, predicted: Floats) -> Deciles:
    """Mean predicted and actual charges (US dollars) by tenth of the prediction; equal predictions by position.

    Fewer than ten groups where a tenth would be less than MINIMUM_CELL patients.
    """
    groups = min(10, len(charges) // MINIMUM_CELL)
    parts = np.array_split(np.argsort(predicted, kind="stable"), groups) if groups else []
    mean_predicted = np.array([predicted[part].mean() for part in parts])
    mean_actual = np.array([charges[part].mean() for part in parts])
    ratio = np.full(groups, np.nan)
    np.divide(mean_predicted, mean_actual, out=ratio, where=mean_actual > 0)
    return Deciles(predicted=mean_predicted, actual=mean_actual, ratio=ratio)


def lift_data(charges: Floats, ranking: NDArray[np.int64], *, top: int) -> LiftCurve:
    """Cost captured by flagging ever more patients, at numbers of patients that are at least MINIMUM_CELL apart.

    `ranking` holds the positions of all patients, riskiest first; `top` is the number of patients to be marked.
    """
    patients, total = len(charges), float(charges.sum())
    enough = MINIMUM_CELL <= top <= patients - MINIMUM_CELL
    # The top share is one of the steps: beside a step nearer than that, the few between the two could be derived.
    before = steps(0, top, most=10)[:-1] if enough else []
    counts = np.array([*before, *steps(top if enough else 0, patients, most=90)])
    captured, ideal = (
        np.concatenate(([0.0], np.cumsum(costs)))[counts] / (total if total > 0 else np.nan)
        for costs in (charges[ranking], -np.sort(-charges))
    )
    return LiftCurve(flagged=counts / patients, captured=captured, ideal=ideal, top=len(before) if enough else None)
