"""Bootstrap intervals: as wide as the theory says, the same each time, and none where none can be drawn."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import isnan, nan

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from healthcare_assets.domain import bootstrap
from healthcare_assets.domain.bootstrap import Estimate, Floats, Statistics, estimates


def _mean_of(values: Floats) -> Statistics:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def _interval(values: Floats, *, resamples: int = 1000, seed: int = 1, coverage: float = 0.95) -> Estimate:
    found = estimates(_mean_of(values), patients=len(values), resamples=resamples, seed=seed, coverage=coverage)
    return found["mean"]


def test_the_value_is_the_statistic_of_all_patients() -> None:
    values = np.random.default_rng(0).gamma(0.7, 9_000.0, 777)
    assert _interval(values).value == pytest.approx(values.mean())


def test_each_resample_draws_as_many_patients_as_there_are() -> None:
    drawn = []

    def note(weights: Floats) -> dict[str, Floats]:
        drawn.append(weights)
        return {"patients": weights.sum(axis=1)}

    found = estimates(note, patients=50, resamples=400, seed=1)["patients"]
    assert found == Estimate(value=50.0, lower=50.0, upper=50.0)
    weights = np.concatenate(drawn[1:])
    assert weights.shape == (400, 50)
    assert np.array_equal(weights, np.round(weights))
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.2)  # everybody is drawn equally often
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.01)


@pytest.mark.parametrize(("coverage", "deviations"), [(0.95, 1.960), (0.80, 1.282)])
def test_the_interval_of_a_mean_is_as_wide_as_the_theory_says(coverage: float, deviations: float) -> None:
    values = np.random.default_rng(2).normal(10.0, 3.0, 2_000)
    found, expected = _interval(values, coverage=coverage), deviations * values.std() / np.sqrt(2_000)
    assert found.upper - found.value == pytest.approx(expected, rel=0.1)
    assert found.value - found.lower == pytest.approx(expected, rel=0.1)


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).gamma(0.7, 9_000.0, 500)
    theirs = scipy_bootstrap((values,), np.mean, n_resamples=4_000, method="percentile", rng=np.random.default_rng(1))
    found, width = _interval(values, resamples=4_000), theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.lower == pytest.approx(theirs.confidence_interval.low, abs=0.05 * width)
    assert found.upper == pytest.approx(theirs.confidence_interval.high, abs=0.05 * width)


def test_of_many_populations_nineteen_in_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(4)
    found = [_interval(random.normal(5.0, 2.0, 150), resamples=300, seed=n) for n in range(400)]
    assert np.mean([each.lower <= 5.0 <= each.upper for each in found]) == pytest.approx(0.95, abs=0.025)


def test_the_same_arguments_give_the_same_numbers_to_the_last_bit_and_another_seed_others() -> None:
    values = np.random.default_rng(5).gamma(0.7, 9_000.0, 1_000)
    first = _interval(values)
    with ThreadPoolExecutor(2) as threads:
        assert set(threads.map(lambda _: _interval(values), range(4))) == {first}
    other = _interval(values, seed=2)
    assert (other.value, other.lower != first.lower, other.upper != first.upper) == (first.value, True, True)


def test_linear_algebra_is_serial_meanwhile_and_as_before_afterwards() -> None:
    """The order in which threads add up would show in the last bit."""

    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    seen: list[int] = []

    def note(weights: Floats) -> dict[str, Floats]:
        seen.extend(threads())
        return _mean_of(np.arange(10.0))(weights)

    before = threads()
    estimates(note, patients=10, resamples=20, seed=1)
    assert set(seen) == {1}
    assert threads() == before


def test_statistics_of_the_same_patients_see_the_same_resamples() -> None:
    values = np.random.default_rng(6).normal(0.0, 1.0, 300)

    def shifted(weights: Floats) -> dict[str, Floats]:
        mean = _mean_of(values)(weights)["mean"]
        return {"difference": _mean_of(values + 0.25)(weights)["mean"] - mean}

    found = estimates(shifted, patients=300, resamples=200, seed=1)["difference"]
    assert (found.value, found.lower, found.upper) == pytest.approx((0.25, 0.25, 0.25))


def _missing_in(share: float) -> Callable[[Floats], dict[str, Floats]]:
    """A statistic that so many of the resamples do not have."""

    def of_weights(weights: Floats) -> dict[str, Floats]:
        values = np.arange(len(weights), dtype=np.float64) + 1
        return {"found": np.where(values <= share * len(weights), nan, values) if len(weights) > 1 else np.array([7.0])}

    return of_weights


def test_a_statistic_that_few_resamples_lack_has_the_interval_of_the_others() -> None:
    found = estimates(_missing_in(0.02), patients=10, resamples=1000, seed=1)["found"]
    lower, upper = np.quantile(np.arange(21.0, 1_001.0), (0.025, 0.975))
    assert (found.value, found.lower, found.upper) == pytest.approx((7.0, lower, upper))


@pytest.mark.parametrize("share", [0.03, 0.5, 1.0])
def test_a_statistic_that_many_resamples_lack_has_no_interval(share: float) -> None:
    found = estimates(_missing_in(share), patients=10, resamples=1000, seed=1)["found"]
    assert found.value == 7.0
    assert isnan(found.lower)
    assert isnan(found.upper)


@pytest.mark.parametrize("undefined", [nan, np.inf])
def test_what_is_not_a_number_stays_so_and_no_interval_is_invented(undefined: float) -> None:
    found = estimates(lambda weights: {"x": np.full(len(weights), undefined)}, patients=10, resamples=50, seed=1)["x"]
    assert not np.isfinite([found.value, found.lower, found.upper]).any()


@pytest.mark.parametrize(("patients", "resamples"), [(10, 1000), (20, 500), (40, 250), (1_000, 200)])
def test_many_patients_need_few_resamples_but_never_fewer_than_two_hundred(
    monkeypatch: pytest.MonkeyPatch, patients: int, resamples: int
) -> None:
    monkeypatch.setattr(bootstrap, "_CELLS_IN_ALL", 10_000)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 2_500)
    drawn: list[Floats] = []

    def note(weights: Floats) -> dict[str, Floats]:
        drawn.append(weights)
        return {"one": np.ones(len(weights))}

    estimates(note, patients=patients, resamples=1000, seed=1)
    assert sum(len(weights) for weights in drawn[1:]) == resamples
    assert max(weights.size for weights in drawn) <= 2_500


def test_fewer_resamples_are_drawn_when_fewer_are_asked_for() -> None:
    drawn: list[int] = []

    def note(weights: Floats) -> dict[str, Floats]:
        drawn.append(len(weights))
        return {"one": np.ones(len(weights))}

    estimates(note, patients=1_000, resamples=20, seed=1)
    assert drawn == [1, 20]


def test_chunks_that_keep_memory_flat_change_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(7).gamma(0.7, 9_000.0, 101)
    whole = _interval(values)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 707)
    parts = _interval(values)
    assert (parts.lower, parts.upper) == pytest.approx((whole.lower, whole.upper), rel=1e-12)
