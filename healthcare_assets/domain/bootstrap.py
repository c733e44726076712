"""Bootstrap intervals: how far a statistic would move if other patients of the same kind had been drawn.

A resample of the patients (with replacement) is a weight a patient: how often they were drawn. A statistic takes
weights and gives a number a resample; with all weights one it is the statistic itself. Statistics of the same patients
see the same resamples, so the interval of a difference between two models is a paired one. (Efron & Tibshirani 1993,
chapter 13, percentile intervals.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistics = Callable[[Floats], dict[str, Floats]]
"""From weights, resamples × patients, to the value of each statistic by name, one a resample."""

_CELLS_AT_ONCE = 4_000_000
_CELLS_IN_ALL = 200_000_000
"""Many patients need few resamples: their statistics hardly move, and each resample costs more."""
_FEWEST_RESAMPLES = 200


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic with its bootstrap interval; NaN where it is not defined."""

    value: float
    lower: float
    upper: float


def estimates(
    statistics: Statistics, *, patients: int, resamples: int, seed: int, coverage: float = 0.95
) -> dict[str, Estimate]:
    """The value and the interval of each statistic. The same arguments give the same numbers to the last bit."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    tail = (1.0 - coverage) / 2.0
    # The order in which threads add up would show in the last bit.
    with threadpool_limits(limits=1):
        values = statistics(np.ones((1, patients)))
        drawn = [statistics(weights) for weights in _resamples(patients, resamples, seed)]
    return {
        name: _estimate(float(value[0]), np.concatenate([part[name] for part in drawn]), tail)
        for name, value in values.items()
    }


def _estimate(value: float, drawn: Floats, tail: float) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    # A statistic that many resamples do not have (a group that they miss) has no interval to speak of.
    if len(known) < (1 - tail) * len(drawn):
        return Estimate(value=value, lower=float("nan"), upper=float("nan"))
    lower, upper = np.quantile(known, (tail, 1.0 - tail))
    return Estimate(value=value, lower=float(lower), upper=float(upper))


def _resamples(patients: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Weights in chunks, each chunk resamples × patients."""
    random = np.random.default_rng(seed)
    wanted = min(resamples, max(_FEWEST_RESAMPLES, _CELLS_IN_ALL // patients))
    at_once = max(1, _CELLS_AT_ONCE // patients)
    for start in range(0, wanted, at_once):
        count = min(at_once, wanted - start)
        drawn = random.integers(0, patients, size=(count, patients))
        yield np.stack([np.bincount(row, minlength=patients) for row in drawn]).astype(np.float64)
