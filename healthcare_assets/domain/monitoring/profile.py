"""Profiles of a training population, column by column, and a day's rows counted on them.

A numeric profile has a fine grid of the reference's own values. Everything that compares two populations is computed
from counts on that grid, which are taken in one pass, batch by batch, and added up: exactly, but within a grid cell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_assets.domain.columns import Column, column
from healthcare_assets.domain.model_features import BOOLEAN_FEATURES, CATEGORICAL_FEATURES

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GRID_AT_MOST = 10_000
"""Distinct values up to which all of them are kept; of more, the outermost and so many quantiles between them that a
cell holds 0.013 % of the values at most."""
_OUTERMOST = 1_000
"""At each end: where values lie far apart, a distance between distributions is decided by few of them."""
_QUANTILES = GRID_AT_MOST - 2 * _OUTERMOST
_GAPS = 2_000
"""Points that are spread over the gaps between values, so that no cell is wide."""
_DECILES = np.arange(1, 10) / 10

NULL_CELL = -1
COUNT_COLUMNS: tuple[Column, ...] = (
    column("column", "string", ""),
    column("cell", "integer", ""),
    column("rows", "float", ""),
    column("total", "float", ""),
)
"""What is counted of a batch: rows by column and cell, and the sum of their values; to be added up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Rows of one column on the grid of a profile.

    Of a numeric column cell 2i is the open interval below grid point i, cell 2i + 1 the point itself, and the last one
    lies above the last point. Of a categorical column a cell is a category, and the last one any that is not declared.
    """

    rows: Integers
    totals: Floats
    """Sum of the values in each cell; 0 where they are no numbers."""
    nulls: int

    @property
    def known(self) -> int:
        """Rows that have a value."""
        return int(self.rows.sum())


@dataclass(frozen=True, kw_only=True)
class NumericProfile:
    """A numeric column of the training population."""

    edges: tuple[float, ...]
    """Its distinct deciles, ascending, without minimum and maximum: the outer bins are open."""
    counts: tuple[int, ...]
    """Values in each bin, one more than the edges; bin i holds `edges[i-1] < value <= edges[i]`."""
    mean: float
    std: float
    """Of the population (no Bessel correction)."""
    null_rate: float
    grid: tuple[float, ...]
    """Ascending: all distinct values, or their quantiles with minimum and maximum; and the deciles."""
    at: tuple[int, ...]
    """Values that equal each grid point."""
    between: tuple[int, ...] = ()
    """Values in the open interval below each grid point; empty where there are none in any."""
    between_totals: tuple[float, ...] = ()
    """Sums of these values."""

    @cached_property
    def points(self) -> Floats:
        """The grid."""
        return np.asarray(self.grid)

    @cached_property
    def cells(self) -> Cells:
        """The training population on its own grid."""
        rows, totals = np.zeros(2 * len(self.grid) + 1, dtype=np.int64), np.zeros(2 * len(self.grid) + 1)
        rows[1::2] = self.at
        totals[1::2] = rows[1::2] * self.points
        if self.between:
            rows[:-1:2], totals[:-1:2] = self.between, self.between_totals
        return Cells(rows=rows, totals=totals, nulls=_nulls(int(rows.sum()), self.null_rate))


@dataclass(frozen=True, kw_only=True)
class CategoricalProfile:
    """A categorical or boolean column of the training population."""

    counts: Mapping[str, int]
    """Patients by category; every declared category is there, also with 0. A boolean has `false` and `true`."""
    null_rate: float

    @cached_property
    def cells(self) -> Cells:
        """The training population by category; nobody is in one that is not declared."""
        rows = np.array([*self.counts.values(), 0], dtype=np.int64)
        return Cells(rows=rows, totals=np.zeros(len(rows)), nulls=_nulls(int(rows.sum()), self.null_rate))


Profile = NumericProfile | CategoricalProfile


def numeric_profile(values: Floats) -> NumericProfile:
    """Profile of a column in which NaN is null; at least one value is not."""
    known = values[~np.isnan(values)]
    known.sort()
    edges = np.unique(_interpolated(known, _DECILES))
    counts = np.diff(np.searchsorted(known, edges, side="right"), prepend=0, append=len(known))
    grid = np.union1d(_grid(known), edges)
    cells = _sorted_on_grid(grid, known)
    between = cells.rows[::2]
    mean = float(known.mean())
    # Nobody reads the values after this, so their squared deviations may take their place.
    squares = np.square(np.subtract(known, mean, out=known), out=known)
    return NumericProfile(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        mean=mean,
        std=float(np.sqrt(squares.mean())),
        null_rate=1.0 - len(known) / len(values),
        grid=tuple(grid.tolist()),
        at=tuple(cells.rows[1::2].tolist()),
        between=tuple(between[:-1].tolist()) if between.any() else (),
        between_totals=tuple(cells.totals[::2][:-1].tolist()) if between.any() else (),
    )


def _grid(known: Floats) -> Floats:
    """The points at which ascending values are counted."""
    grid = known[np.append(True, known[1:] != known[:-1])]
    if len(grid) > GRID_AT_MOST:
        # The smallest values that so much of the population does not exceed.
        places = np.ceil(np.linspace(0.0, 1.0, _QUANTILES) * len(known)).astype(np.int64) - 1
        quantiles = known[np.maximum(places, 0)]
        grid = np.unique(np.concatenate([grid[:_OUTERMOST], quantiles, grid[-_OUTERMOST:]]))
    gaps = np.diff(grid)
    # At most so many in all, since the gaps add up to the range.
    inside = np.floor(gaps / max((grid[-1] - grid[0]) / _GAPS, np.finfo(np.float64).tiny)).astype(np.int64)
    wide = np.flatnonzero(inside)
    spread = [grid[at] + gaps[at] * np.arange(1, inside[at] + 1) / (inside[at] + 1) for at in wide]
    return np.unique(np.concatenate([grid, *spread]))


def _interpolated(ascending: Floats, quantiles: Floats) -> Floats:
    """Quantiles of ascending values, linear between neighbours (type 7 of Hyndman and Fan 1996, as `np.quantile`, which
    would look for the order that is there already)."""
    place = quantiles * (len(ascending) - 1)
    below = np.floor(place).astype(np.int64)
    low, high = ascending[below], ascending[np.minimum(below + 1, len(ascending) - 1)]
    return np.asarray(low + (high - low) * (place - below), dtype=np.float64)


def categorical_profile(values: "pd.Series[Any]") -> CategoricalProfile:
    """Profile of a column with declared categories, or of a boolean one."""
    name = str(values.name)
    if name in BOOLEAN_FEATURES:
        categories: tuple[str, ...] = ("false", "true")
        known = values.dropna().astype(bool)
        counts = {"true": int(known.sum()), "false": int((~known).sum())}
    else:
        categories = CATEGORICAL_FEATURES[name]
        counts = {str(category): count for category, count in values.value_counts().items()}
    return CategoricalProfile(
        counts={category: int(counts.get(category, 0)) for category in categories},
        null_rate=float(values.isna().mean()),
    )


def numeric_profile_from(fields: Mapping[str, Any]) -> NumericProfile:
    """The profile from its fields as JSON has them."""
    lists = ("edges", "counts", "grid", "at", "between", "between_totals")
    return NumericProfile(**{**fields, **{name: tuple(fields[name]) for name in lists}})


def _nulls(known: int, rate: float) -> int:
    return round(known * rate / (1.0 - rate)) if rate < 1.0 else 0


def counter(profiles: Mapping[str, Profile]) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A batch function that counts the columns of these names: rows of `COUNT_COLUMNS`, to be added up by column and
    cell. Each row is counted by itself. A category that is not declared is counted and its text kept nowhere."""

    def count(batch: pa.RecordBatch) -> pa.RecordBatch:
        parts = []
        for name, profile in profiles.items():
            values = batch.column(batch.schema.get_field_index(name))
            cells = (
                _on_grid(profile.points, _floats(values))
                if isinstance(profile, NumericProfile)
                else _by_category(tuple(profile.counts), values)
            )
            used = np.flatnonzero(cells.rows)
            parts.append(
                pa.record_batch(
                    {
                        "column": pa.array([name] * (len(used) + 1), pa.string()),
                        "cell": pa.array(np.append(used, NULL_CELL), pa.int64()),
                        "rows": pa.array(np.append(cells.rows[used], cells.nulls), pa.float64()),
                        "total": pa.array(np.append(cells.totals[used], 0.0), pa.float64()),
                    }
                )
            )
        return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    return count


def added_up(counted: "pd.DataFrame | pa.Table", profiles: Mapping[str, Profile]) -> dict[str, Cells]:
    """The cells of each column from rows of `COUNT_COLUMNS`, added up over them; of no row, cells without rows."""
    cell, rows, total = (np.asarray(counted[name]) for name in ("cell", "rows", "total"))
    of = pc.index_in(_texts(counted["column"]), value_set=pa.array(profiles, pa.string())).to_numpy()
    found = {}
    for number, (name, profile) in enumerate(profiles.items()):
        size = 2 * len(profile.grid) + 1 if isinstance(profile, NumericProfile) else len(profile.counts) + 1
        known, null = (of == number) & (cell != NULL_CELL), (of == number) & (cell == NULL_CELL)
        found[name] = Cells(
            rows=np.bincount(cell[known], weights=rows[known], minlength=size).astype(np.int64),
            totals=np.bincount(cell[known], weights=total[known], minlength=size).astype(np.float64),
            nulls=int(rows[null].sum()),
        )
    return found


def _on_grid(grid: Floats, values: Floats) -> Cells:
    known = values[np.isfinite(values)]
    known.sort()
    return _sorted_on_grid(grid, known, nulls=len(values) - len(known))


def _sorted_on_grid(grid: Floats, known: Floats, *, nulls: int = 0) -> Cells:
    """Of ascending values each cell is a run of neighbours, and it is the cells that are looked up among the values.

    To look up each value among the cells takes four times as long, sorting included.
    """
    begins = np.zeros(2 * len(grid) + 1, dtype=np.int64)
    begins[1::2] = np.searchsorted(known, grid, side="left")
    begins[2::2] = np.searchsorted(known, grid, side="right")
    rows = np.diff(begins, append=len(known))
    used = np.flatnonzero(rows)
    totals = np.zeros(len(rows))
    if len(used):
        totals[used] = np.add.reduceat(known, begins[used])
    return Cells(rows=rows, totals=totals, nulls=nulls)


def _texts(values: "pd.Series[Any] | pa.ChunkedArray") -> pa.ChunkedArray | pa.Array:
    return values if isinstance(values, pa.ChunkedArray) else pa.array(values, pa.string())


def _floats(values: pa.Array) -> Floats:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _by_category(categories: Sequence[str], values: pa.Array) -> Cells:
    texts = values.cast(pa.string()) if pa.types.is_boolean(values.type) else values
    position = pc.index_in(texts, value_set=pa.array(categories, pa.string())).fill_null(len(categories))
    known = position.filter(texts.is_valid()).to_numpy(zero_copy_only=False)
    rows = np.bincount(known, minlength=len(categories) + 1)
    return Cells(rows=rows, totals=np.zeros(len(rows)), nulls=len(values) - len(known))
