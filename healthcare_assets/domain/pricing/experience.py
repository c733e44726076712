"""What the month's members cost, summed over cells of what a premium may depend on and nothing else.

A cell is an age, whether the member uses tobacco, a rating area and a number of children. Sums are whole numbers: the
same, whichever engine adds them up and in whatever order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthcare_assets.domain.month import COST

Frame = nw.LazyFrame[Any]
Floats = NDArray[np.float64]

RATING_AREA = "region"
"""The column that says in which rating area a member lives: the four US regions, as long as records have no other."""
RATING_COLUMNS = ("age", "smoker", RATING_AREA, "children")
"""What a premium may depend on (45 CFR 147.102(a)): no other column of a patient is read."""

_CENTS = 100
_SQUARED_UNIT = 10
"""US dollars: the squares of whole tens fit 64 bits, for as many members as would cost nine trillion dollars."""
_SUMS = ("patients", "members", "cents", "squares")


def summed(patients: Frame) -> Frame:
    """A row a cell: its patients, those of them whose cost is known (`members`), and the sums of costs and squares."""
    rated = patients.select(*RATING_COLUMNS, COST)
    whole = rated.select(
        *RATING_COLUMNS,
        COST,
        (nw.col(COST) * _CENTS + 0.5).cast(nw.Int64).alias("cents"),
        (nw.col(COST) / _SQUARED_UNIT).cast(nw.Int64).alias("tens"),
    )
    return whole.group_by(*RATING_COLUMNS).agg(
        nw.len().cast(nw.Int64).alias("patients"),
        (~nw.col(COST).is_null()).cast(nw.Int64).sum().alias("members"),
        nw.col("cents").sum().alias("cents"),
        (nw.col("tens") * nw.col("tens")).sum().alias("squares"),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Experience:
    """The cells, in an order that does not depend on where they come from. Arrays of equal length."""

    age: NDArray[np.int64]
    smoker: NDArray[np.bool_]
    area: NDArray[np.str_]
    children: NDArray[np.int64]
    patients: NDArray[np.int64]
    members: NDArray[np.int64]
    cost: Floats
    """US dollars, of all members together."""
    squares: Floats
    """US dollars squared."""

    def part(self, chosen: NDArray[np.bool_]) -> "Experience":
        """The cells that are chosen."""
        return Experience(**{name: values[chosen] for name, values in vars(self).items()})

    def total(self, values: Callable[["Experience"], Floats]) -> float:
        """The sum over all members of what `values` gives for the members of each cell."""
        return float(np.sum(values(self) * self.members))


def experience(cells: pd.DataFrame) -> Experience:
    """Of rows of `summed`, of one part of the patients or of several."""
    added = cells.fillna(dict.fromkeys(_SUMS, 0)).astype(dict.fromkeys(_SUMS, "int64"))
    added = added.groupby(list(RATING_COLUMNS), as_index=False)[list(_SUMS)].sum()  # sorted by what it groups by
    return Experience(
        age=added["age"].to_numpy(dtype=np.int64),
        smoker=added["smoker"].to_numpy(dtype=bool),
        area=added[RATING_AREA].to_numpy(dtype=str),
        children=added["children"].to_numpy(dtype=np.int64),
        patients=added["patients"].to_numpy(dtype=np.int64),
        members=added["members"].to_numpy(dtype=np.int64),
        cost=added["cents"].to_numpy(dtype=np.float64) / _CENTS,
        squares=added["squares"].to_numpy(dtype=np.float64) * _SQUARED_UNIT**2,
    )
