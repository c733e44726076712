"""Label leakage: a feature that is the label, is computed from it, or reproduces it is found before a model is trained.

What is judged is what a feature tells of a patient's charges, not what it is called, and by ranks: no monotone function
of the label can hide.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.evaluation import r_squared
from healthcare_assets.domain.model_features import LABEL, MODEL_FEATURES

Codes = NDArray[np.int64]
"""Values as numbers 0, 1, 2, … in ascending order, equal where the values are."""

_ENOUGH = 30
"""Patients: fewer can agree with anything by chance, and are no evidence."""

_FULL_CIRCLE = 2.0 * np.pi


@dataclass(frozen=True, kw_only=True)
class Leak:
    """A feature that no model may be trained with."""

    feature: str
    detail: str
    """One sentence: what was found, against what limit. No patient's value is in it."""


def undeclared_features(names: Sequence[str]) -> list[Leak]:
    """Those of the names that are the label, or no declared feature (`MODEL_FEATURES`): an identifier, for instance."""
    return [
        Leak(feature=name, detail=f"{name} is the label, which no model may be given.")
        if name == LABEL
        else Leak(feature=name, detail=f"{name} is not one of the {len(MODEL_FEATURES)} declared model features.")
        for name in names
        if name not in MODEL_FEATURES
    ]


def label_leaks(features: pd.DataFrame, charges: Floats, *, limit: float) -> list[Leak]:
    """The features that give the label away, at most one leak each, in the order of the columns.

    `features` (n rows; numbers, booleans, text, categories, with or without nulls) is row for row with `charges` (US
    dollars, n). `limit` (0–1) is the highest rank correlation that is allowed; where a relation need not be monotone,
    what is compared with it is the correlation's square, R² on ranks. A feature leaks when

    - its rank correlation with charges (Spearman's, either sign) is over the limit;
    - charges follow from it, whatever the relation: patients with the same value, or with the values next to it, tell
      what a patient costs;
    - it follows from charges, and is as finely graded: (charges − mean)² gives two possible charges for each value and
      none away by itself, but to a model that knows a little more it does.

    Each patient is predicted from others only, so that a value of one's own, such as an identifier, explains nothing.
    Charges that only together with other features follow from one, and a code without repeats or order, are not found.
    """
    return [
        Leak(feature=str(name), detail=f"{name} {finding}")
        for name, values in features.items()
        if (finding := next(_findings(values, charges, limit), None))
    ]


def _findings(values: "pd.Series[Any]", charges: Floats, limit: float) -> Iterator[str]:
    """What is wrong with a feature, the cheapest to find out first."""
    known = values.notna().to_numpy(dtype=np.bool_) & np.isfinite(charges)
    codes, costs = _codes(values[known]), charges[known]
    if len(codes) < _ENOUGH or codes.max() == 0 or costs.min() == costs.max():
        return
    ranks, cost_ranks, cost_codes = rankdata(codes), rankdata(costs), _number_codes(costs)
    correlation = abs(float(np.corrcoef(ranks, cost_ranks)[0, 1]))
    if correlation > limit:
        yield f"has a rank correlation of {correlation:.4f} with {LABEL}; at most {limit:g} is allowed."
    most = limit**2
    explained = _charges_explained(codes, cost_ranks)
    if explained > most:
        yield f"reproduces {LABEL}, with an R² of {explained:.4f} on ranks; at most {most:.4g} is allowed."
    if 2 * codes.max() >= cost_codes.max():
        # A sine of dollars goes to and fro between one patient's charges and the next's: only its phase shows it.
        orders = (cost_codes, _number_codes(costs % _FULL_CIRCLE))
        computed = max(_explained_by_neighbours(order, ranks) for order in orders)
        if computed > most:
            yield (
                f"is a function of {LABEL}, which explain its ranks with an R² of {computed:.4f}; "
                f"at most {most:.4g} is allowed."
            )


def _charges_explained(codes: Codes, cost_ranks: Floats) -> float:
    """R² of the charges' ranks, as others with the same or the nearest values tell them.

    Where a good many patients share their value with others they are judged by themselves too: the names of categories
    need not have an order, so that for a category of one patient there may be no telling.
    """
    shared = np.bincount(codes)[codes] > 1
    explained = _explained_by_neighbours(codes, cost_ranks)
    if _ENOUGH <= shared.sum() < len(codes) and np.ptp(cost_ranks[shared]) > 0:
        _, inner = np.unique(codes[shared], return_inverse=True)
        explained = max(explained, _explained_by_neighbours(inner.astype(np.int64), cost_ranks[shared]))
    return explained


def _explained_by_neighbours(codes: Codes, target: Floats) -> float:
    """R² of the target as predicted, for each row without itself, by the mean of the rows with the same code.

    A row whose code is its own takes the mean of the codes on either side.
    """
    count = np.bincount(codes)
    total = np.bincount(codes, weights=target)
    mean = np.pad(total / count, 1, mode="reflect")  # at both ends the one neighbour stands for both
    beside = (mean[:-2] + mean[2:]) / 2.0
    others = np.where(count[codes] > 1, (total[codes] - target) / np.maximum(count[codes] - 1, 1), beside[codes])
    return r_squared(target, others)


def _codes(values: "pd.Series[Any]") -> Codes:
    """Codes of values without nulls: by size for what reads as numbers, also as text, or else in alphabetical order."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _number_codes(values.to_numpy(dtype=np.float64))
    places, distinct = pd.factorize(values)
    names = pd.Series(distinct, dtype=object)
    numbers = pd.to_numeric(names, errors="coerce")
    if numbers.notna().all():
        order = _number_codes(numbers.to_numpy(dtype=np.float64))
    else:
        order = pd.factorize(names.astype(str), sort=True)[0].astype(np.int64)
    return order[places]


def _number_codes(values: Floats) -> Codes:
    _, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.int64)
