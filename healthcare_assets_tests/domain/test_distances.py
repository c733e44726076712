"""The distances and quantiles of drift, against scipy's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, chi2, chi2_contingency, norm, wasserstein_distance

from healthcare_assets.domain.monitoring import distances
from healthcare_assets.domain.monitoring.profile import numeric_profile

_COUNTS = st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(0, 1_000_000)), min_size=2, max_size=12)
_ATOMS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 1000)), min_size=1, max_size=30)


@given(_COUNTS)
def test_count_vectors_are_as_far_apart_as_scipy_says(counts: list[tuple[int, int]]) -> None:
    one, other = (np.array(row) + 1 for row in zip(*counts, strict=True))
    distance = distances.jensen_shannon(one, other)
    assert distance == pytest.approx(np.nan_to_num(jensenshannon(one, other, base=2)), abs=1e-7)
    assert distances.jensen_shannon(one, one) == pytest.approx(0.0, abs=1e-7)
    expected = chi2_contingency(np.stack([one, other]), correction=False)
    assert distances.chi_squared(one, other) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


@given(_ATOMS, _ATOMS)
def test_weighted_values_are_as_far_apart_as_scipy_says(
    one: list[tuple[float, int]], other: list[tuple[float, int]]
) -> None:
    (a, p), (b, q) = ((np.array([v for v, _ in side]), np.array([float(w) for _, w in side])) for side in (one, other))
    assert distances.wasserstein((a, p), (b, q)) == pytest.approx(wasserstein_distance(a, b, p, q), rel=1e-9, abs=1e-9)


@given(st.integers(0, 2000), st.integers(1, 2000), st.floats(1e-6, 1 - 1e-6))
def test_quantiles_and_tails_are_scipys(count: int, trials: int, chance: float) -> None:
    count = min(count, trials)
    assert distances.at_least(count, of=trials, chance=chance) == pytest.approx(
        binom.sf(count - 1, trials, chance), abs=1e-12
    )
    assert distances.at_most(count, of=trials, chance=chance) == pytest.approx(
        binom.cdf(count, trials, chance), abs=1e-12
    )
    assert distances.normal_quantile(chance) == pytest.approx(norm.ppf(chance))
    assert distances.chi_squared_quantile(chance, trials) == pytest.approx(chi2.ppf(chance, trials))


@pytest.mark.parametrize("size", [1, 2, 9, 10, 11, 5_000, 40_000])
def test_a_profile_has_the_deciles_and_quantiles_of_numpy(size: int) -> None:
    values = np.random.default_rng(size).lognormal(8.0, 1.0, size)
    before = values.copy()
    profile = numeric_profile(values)
    assert np.array_equal(values, before)  # the caller's own array
    assert profile.edges == pytest.approx(np.unique(np.quantile(values, np.arange(1, 10) / 10)))
    assert (profile.mean, profile.std) == pytest.approx((values.mean(), values.std()))
    assert sum(profile.counts) == size
    assert sum(profile.at) + sum(profile.between) == size
    assert sum(profile.between_totals) + np.dot(profile.at, profile.grid) == pytest.approx(values.sum())
    quantiles = np.quantile(values, np.linspace(0.0, 1.0, 8_000), method="inverted_cdf")
    assert size < 10_000 or set(quantiles) <= set(profile.grid)
