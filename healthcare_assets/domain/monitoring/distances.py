"""Distances between two distributions of counts, and the quantiles that limits of chance are made of.

Made of `scipy.special`: to import `scipy.stats` takes a second, and as much memory as a million rows of ten columns do,
which on most days is more than all that is computed of them.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def jensen_shannon(one: Integers, other: Integers) -> float:
    """Distance (0–1, the root of the divergence in bits) of the shares that two count vectors over the same bins have.

    Both count something.
    """
    from scipy.special import rel_entr

    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2.0
    divergence = float(np.sum(rel_entr(p, middle)) + np.sum(rel_entr(q, middle))) / (2.0 * np.log(2.0))
    # Of equal distributions a rounding error is left, which may lie below zero.
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def wasserstein(one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> float:
    """∫ |F − G| of two distributions, each given by its values and their weights."""
    points = np.sort(np.concatenate([one[0], other[0]]))
    apart = np.abs(_share_up_to(points[:-1], *one) - _share_up_to(points[:-1], *other))
    return float(np.sum(apart * np.diff(points)))


def _share_up_to(points: Floats, values: Floats, weights: Floats) -> Floats:
    order = np.argsort(values)
    summed = np.concatenate(([0.0], np.cumsum(weights[order])))
    return np.asarray(summed[np.searchsorted(values[order], points, side="right")] / summed[-1], dtype=np.float64)


def chi_squared(one: Integers, other: Integers) -> tuple[float, float]:
    """Pearson's χ² of two count vectors over the same categories, without a continuity correction, and its p-value.

    There are at least two categories, and each counts something in one of the vectors.
    """
    from scipy.special import chdtrc

    observed = np.stack([one, other]).astype(np.float64)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    statistic = float(np.sum((observed - expected) ** 2 / expected))
    return statistic, float(chdtrc(observed.shape[1] - 1, statistic))


def chi_squared_quantile(probability: float, degrees: int) -> float:
    """The value that χ² of so many degrees of freedom does not exceed with the probability."""
    from scipy.special import gammaincinv

    return 2.0 * float(gammaincinv(degrees / 2.0, probability))


def normal_quantile(probability: float) -> float:
    """The value that a standard normal variable does not exceed with the probability."""
    from scipy.special import ndtri

    return float(ndtri(probability))


def at_least(count: int, *, of: int, chance: float) -> float:
    """The probability of `count` (from 0) or more successes in `of` trials."""
    from scipy.special import bdtrc

    return float(bdtrc(count - 1, of, chance))


def at_most(count: int, *, of: int, chance: float) -> float:
    """The probability of `count` (from 0) or fewer successes in `of` trials."""
    from scipy.special import bdtr

    return float(bdtr(count, of, chance))
