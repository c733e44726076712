"""Profiles of a training population, column by column, and a day's rows counted on them.

A numeric profile has a fine grid of the reference's own values. Everything that compares two populations is computed
from counts on that grid, which are taken in one pass, batch by batch, and added up: exactly, but within a grid cell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_assets.domain.columns import Column, column
from healthcare_assets.domain.model_features import BOOLEAN_FEATURES, CATEGORICAL_FEATURES

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
    known = np.sort(values[~np.isnan(values)])
    edges = np.unique(np.quantile(known, _DECILES))
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    grid = np.union1d(_grid(known), edges)
    cells = _on_grid(grid, known)
    between = cells.rows[::2]
    return NumericProfile(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        mean=float(known.mean()),
        std=float(known.std()),
        null_rate=1.0 - len(known) / len(values),
        grid=tuple(grid.tolist()),
        at=tuple(cells.rows[1::2].tolist()),
        between=tuple(between[:-1].tolist()) if between.any() else (),
        between_totals=tuple(cells.totals[::2][:-1].tolist()) if between.any() else (),
    )


def _grid(known: Floats) -> Floats:
    """The points at which ascending values are counted."""
    grid = np.unique(known)
    if len(grid) > GRID_AT_MOST:
        quantiles = np.quantile(known, np.linspace(0.0, 1.0, _QUANTILES), method="inverted_cdf")
        grid = np.unique(np.concatenate([grid[:_OUTERMOST], quantiles, grid[-_OUTERMOST:]]))
    gaps = np.diff(grid)
    # At most so many in all, since the gaps add up to the range.
    inside = np.floor(gaps / max((grid[-1] - grid[0]) / _GAPS, np.finfo(np.float64).tiny)).astype(np.int64)
    wide = np.flatnonzero(inside)
    spread = [grid[at] + gaps[at] * np.arange(1, inside[at] + 1) / (inside[at] + 1) for at in wide]
    return np.unique(np.concatenate([grid, *spread]))


def categorical_profile(values: "pd.Series[Any]") -> CategoricalProfile:
    """Profile of a column with declared categories, or of a boolean one."""
    name = str(values.name)
    if name in BOOLEAN_FEATURES:
        categories: tuple[str, ...] = ("false", "true")
        values = values.map(lambda value: "true" if value else "false", na_action="ignore")
    else:
        categories = CATEGORICAL_FEATURES[name]
    counts = values.value_counts()
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


def added_up(counted: pd.DataFrame, profiles: Mapping[str, Profile]) -> dict[str, Cells]:
    """The cells of each column from rows of `COUNT_COLUMNS`, added up over them; of no row, cells without rows."""
    found = {}
    for name, profile in profiles.items():
        size = 2 * len(profile.grid) + 1 if isinstance(profile, NumericProfile) else len(profile.counts) + 1
        mine = counted[counted["column"] == name]
        known = mine[mine["cell"] != NULL_CELL]
        cell = known["cell"].to_numpy(dtype=np.int64)
        found[name] = Cells(
            rows=np.bincount(cell, weights=known["rows"], minlength=size).astype(np.int64),
            totals=np.bincount(cell, weights=known["total"], minlength=size).astype(np.float64),
            nulls=int(mine.loc[mine["cell"] == NULL_CELL, "rows"].sum()),
        )
    return found


def _on_grid(grid: Floats, values: Floats) -> Cells:
    known = values[np.isfinite(values)]
    below = np.searchsorted(grid, known, side="left")
    cell = 2 * below + (grid[np.minimum(below, len(grid) - 1)] == known)
    return Cells(
        rows=np.bincount(cell, minlength=2 * len(grid) + 1),
        totals=np.bincount(cell, weights=known, minlength=2 * len(grid) + 1).astype(np.float64),
        nulls=len(values) - len(known),
    )


def _floats(values: pa.Array) -> Floats:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _by_category(categories: Sequence[str], values: pa.Array) -> Cells:
    texts = values.cast(pa.string()) if pa.types.is_boolean(values.type) else values
    position = pc.index_in(texts, value_set=pa.array(categories, pa.string())).fill_null(len(categories))
    known = position.filter(texts.is_valid()).to_numpy(zero_copy_only=False)
    rows = np.bincount(known, minlength=len(categories) + 1)
    return Cells(rows=rows, totals=np.zeros(len(rows)), nulls=len(values) - len(known))
