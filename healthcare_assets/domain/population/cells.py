"""The cells by which a population is told of, and the sums that they are made of.

A cell is given by a value of each attribute, `all` where it is not split by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from healthcare_assets.domain.features import age_risk_score, bmi_category
from healthcare_assets.domain.groups import AGE_BAND_NAMES
from healthcare_assets.domain.month import COST
from healthcare_assets.domain.population.tables import ATTRIBUTES
from healthcare_assets.domain.tables import BMI_CATEGORIES, REGIONS, SEXES

Frame = nw.LazyFrame[Any]
Cell = tuple[str, ...]
"""A value of each attribute, in their order."""

EVERYBODY = "all"
VALUES: Mapping[str, Sequence[str]] = {
    "region": REGIONS,
    "age_band": AGE_BAND_NAMES,
    "sex": SEXES,
    "smoker": ("no", "yes"),
    "bmi_category": BMI_CATEGORIES,
}
"""The attributes and their values."""
TABLES_OF_TWO = (("region", "sex"), ("sex", "bmi_category"), ("age_band", "smoker"))
SPLITS: tuple[tuple[str, ...], ...] = ((), *((name,) for name in ATTRIBUTES), *TABLES_OF_TWO)
"""By what is split; every one-way table has the whole as its total, and every two-way table the one-way ones."""

_GROUPED = ("region", "age_risk_score", "sex", "smoker", "bmi_category")
_CENTS, _MILLIONTHS = 100, 1_000_000
_SUMS = ("members", "high_risk", "with_cost", "predicted_cents", "score_millionths", "cost_cents")


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Of the patients of a cell."""

    members: int = 0
    high_risk: int = 0
    with_cost: int = 0
    """Whose cost is known."""
    predicted: float = 0.0
    """US dollars, of all together; so is the cost."""
    score: float = 0.0
    cost: float = 0.0


def cells_of(split: Sequence[str]) -> list[Cell]:
    """The cells of a table that is split by the attributes."""
    return list(product(*(VALUES[name] if name in split else (EVERYBODY,) for name in ATTRIBUTES)))


def summed(patients: Frame, predictions: Frame) -> Frame:
    """A row for each combination of the attributes: its patients and their sums, in whole numbers, so that they are the
    same in whatever order they are added up.

    `patients` (silver with `cost`) and `predictions` have one row a patient. Who was not scored does not count.
    """
    scored = predictions.select("patient_key", "predicted_charges", "risk_score", "high_risk_patient")
    banded = patients.with_columns(
        age_risk_score().alias("age_risk_score"), bmi_category().alias("bmi_category")
    ).select("patient_key", *_GROUPED, COST)
    whole = banded.join(scored, on="patient_key", how="inner").select(
        *_GROUPED,
        nw.col("high_risk_patient").cast(nw.Int64).alias("high_risk"),
        (~nw.col(COST).is_null()).cast(nw.Int64).alias("with_cost"),
        (nw.col("predicted_charges") * _CENTS + 0.5).cast(nw.Int64).alias("predicted_cents"),
        (nw.col("risk_score") * _MILLIONTHS + 0.5).cast(nw.Int64).alias("score_millionths"),
        (nw.col(COST) * _CENTS + 0.5).cast(nw.Int64).alias("cost_cents"),
    )
    return whole.group_by(*_GROUPED).agg(
        nw.len().cast(nw.Int64).alias("members"), *(nw.col(name).sum() for name in _SUMS[1:])
    )


def sums_by_cell(rows: pd.DataFrame) -> dict[Cell, Sums]:
    """Every cell of every split with its sums, from rows of `summed`, of one part of the patients or of several."""
    numbers = rows.fillna(dict.fromkeys(_SUMS, 0)).astype(dict.fromkeys(_SUMS, "int64"))
    labelled = numbers.assign(
        age_band=np.asarray(AGE_BAND_NAMES, dtype=object)[numbers["age_risk_score"].to_numpy(dtype=np.int64) - 1],
        smoker=np.where(numbers["smoker"].to_numpy(dtype=bool), "yes", "no"),
    )
    found: dict[Cell, Sums] = {}
    for split in SPLITS:
        added = labelled.assign(**{name: EVERYBODY for name in ATTRIBUTES if name not in split})
        by_cell = added.groupby(list(ATTRIBUTES))[list(_SUMS)].sum()
        present = {tuple(map(str, cell)): row for cell, row in zip(by_cell.index, by_cell.to_numpy(), strict=True)}
        for cell in cells_of(split):
            members, high_risk, with_cost, predicted, score, cost = map(int, present.get(cell, (0,) * len(_SUMS)))
            found[cell] = Sums(
                members=members,
                high_risk=high_risk,
                with_cost=with_cost,
                predicted=predicted / _CENTS,
                score=score / _MILLIONTHS,
                cost=cost / _CENTS,
            )
    return found
