"""What may be published of patients: no cell of 1–10, and none that could be worked out from the others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.small_cells import (
    MINIMUM_CELL,
    Floats,
    calibration_by_decile_data,
    charge_cells,
    charge_position,
    lift_data,
    merged,
    residual_bins,
    round_step,
    steps,
    suppressed,
)

_COUNTS = st.lists(st.integers(0, 40), max_size=15)
_POPULATIONS = st.tuples(st.integers(500, 3_000), st.integers(0, 1_000_000))


def _population(patients: int, seed: int = 3) -> tuple[Floats, Floats]:
    """Charges, some of them zero and one enormous, and predictions that are about right."""
    random = np.random.default_rng(seed)
    charges = random.gamma(0.7, 9_000.0, patients) * (random.random(patients) > 0.1)
    charges[0] = 1e9
    return charges, 500.0 + charges * random.lognormal(0.0, 0.4, patients)


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([], []),
        ([0, 11, 500], []),
        ([1, 10, 11, 500], [0, 1]),
        ([300, 4, 25, 12], [1, 3]),  # the 4 would be the total less the rest
        ([4, 0, 30], [0, 2]),  # an empty cell hides nothing
        ([30, 30, 4], [0, 2]),
        ([4, 0], [0]),
    ],
)
def test_small_cells_are_hidden_and_never_a_single_one(counts: list[int], hidden: list[int]) -> None:
    assert np.flatnonzero(suppressed(counts)).tolist() == hidden


@given(counts=_COUNTS)
def test_no_cell_of_1_to_10_is_published_or_left_over_from_the_total(counts: list[int]) -> None:
    hidden = suppressed(counts)
    assert not any(0 < count < MINIMUM_CELL for count, hide in zip(counts, hidden, strict=True) if not hide)
    assert sum(hidden) != 1 or sum(count > 0 for count in counts) == 1
    assert not any(hide for count, hide in zip(counts, hidden, strict=True) if count == 0)


@given(counts=_COUNTS)
def test_merged_cells_cover_everyone_and_none_is_small(counts: list[int]) -> None:
    runs = merged(counts)
    assert not any(0 < sum(counts[start:stop]) < MINIMUM_CELL for start, stop in runs)
    if counts and not 0 < sum(counts) < MINIMUM_CELL:
        assert [cell for run in runs for cell in range(*run)] == list(range(len(counts)))
    else:
        assert runs == []


@given(start=st.integers(0, 500), length=st.integers(MINIMUM_CELL, 5_000), most=st.integers(1, 100))
def test_every_step_holds_enough_patients(start: int, length: int, most: int) -> None:
    found = steps(start, start + length, most=most)
    assert (found[0], found[-1]) == (start, start + length)
    assert np.diff(found).min() >= MINIMUM_CELL
    assert len(found) <= most + 1


@pytest.mark.parametrize(
    ("least", "step"), [(0.03, 0.05), (0.1, 0.1), (1, 1), (1.2, 2), (2.1, 5), (999, 1_000), (5e6 + 1, 1e7)]
)
def test_steps_are_round(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_the_charge_axis_begins_at_nothing_and_then_counts_powers_of_ten() -> None:
    positions = charge_position(np.array([-5.0, 0.0, 50.0, 100.0, 1_000.0, 10_000.0, 1e8, 1e300]), 8)
    assert positions.tolist() == [0.0, 0.0, 0.5, 1.0, 9.0, 17.0, 49.0, 49.0]


def test_the_cells_count_the_patients_in_them() -> None:
    charges, predicted = _population(20_000)
    cells = charge_cells(charges, predicted)
    edges = np.arange(len(cells.counts) + 1)
    rows, columns = (charge_position(dollars, cells.per_decade) for dollars in (predicted, charges))
    expected, _, _ = np.histogram2d(rows, columns, bins=(edges, edges))
    assert np.array_equal(cells.counts, expected)


@given(population=_POPULATIONS)
def test_no_cell_of_the_charges_shows_a_patient(population: tuple[int, int]) -> None:
    cells = charge_cells(*_population(*population))
    assert cells.counts[cells.shown].min(initial=MINIMUM_CELL) >= MINIMUM_CELL
    assert np.sum((cells.counts > 0) & ~cells.shown) != 1
    assert cells.counts.sum() == population[0]


@given(population=_POPULATIONS)
def test_no_bin_of_the_errors_shows_a_patient(population: tuple[int, int]) -> None:
    charges, predicted = _population(*population)
    bins = residual_bins(charges - predicted)
    assert not np.any((bins.counts > 0) & (bins.counts < MINIMUM_CELL))
    assert bins.counts.sum() == len(charges)
    assert bins.edges[[0, -1]].tolist() == [-np.inf, np.inf]
    assert np.histogram(charges - predicted, bins.edges)[0].tolist() == bins.counts.tolist()


def test_an_enormous_error_does_not_stretch_the_bins() -> None:
    charges, predicted = _population(1_000)
    bins = residual_bins(charges - predicted)
    assert np.abs(bins.edges[1:-1]).max() < 50_000
    assert len(bins.counts) > 10


def test_equal_errors_are_one_bin() -> None:
    bins = residual_bins(np.zeros(500))
    assert bins.counts.tolist() == [0, 500, 0]
    assert bins.edges.tolist() == [-np.inf, 0.0, 1.0, np.inf]


def test_the_deciles_are_those_of_pandas() -> None:
    charges, predicted = _population(1_000)
    charges += 1.0
    found = calibration_by_decile_data(charges, predicted)
    frame = pd.DataFrame({"charges": charges, "predicted": predicted})
    expected = frame.groupby(pd.qcut(frame["predicted"].rank(method="first"), 10), observed=True).mean()
    assert found.predicted == pytest.approx(expected["predicted"].to_numpy())
    assert found.actual == pytest.approx(expected["charges"].to_numpy())
    assert found.ratio == pytest.approx((expected["predicted"] / expected["charges"]).to_numpy())


def test_a_decile_without_cost_has_no_ratio() -> None:
    predicted = np.arange(1.0, 501.0)
    found = calibration_by_decile_data(np.where(predicted <= 50, 0.0, predicted), predicted)
    assert np.isnan(found.ratio).tolist() == [True] + [False] * 9


def test_constant_predictions_are_ten_equal_groups() -> None:
    assert calibration_by_decile_data(np.arange(500.0), np.full(500, 9.0)).predicted.tolist() == [9.0] * 10


@pytest.mark.parametrize(("patients", "groups"), [(10, 0), (11, 1), (109, 9), (110, 10)])
def test_no_group_of_deciles_is_a_small_cell(patients: int, groups: int) -> None:
    assert len(calibration_by_decile_data(np.ones(patients), np.arange(float(patients))).ratio) == groups


@pytest.mark.parametrize(("patients", "top"), [(500, 25), (501, 26), (1_337, 67), (100_000, 5_000)])
def test_the_lift_at_the_top_share_is_its_share_of_all_cost(patients: int, top: int) -> None:
    charges, predicted = _population(patients)
    curve = lift_data(charges, np.argsort(-predicted), top=top)
    frame = pd.DataFrame({"charges": charges, "predicted": predicted})
    assert curve.top is not None
    assert curve.flagged[curve.top] == top / patients
    assert curve.captured[curve.top] * charges.sum() == pytest.approx(frame.nlargest(top, "predicted")["charges"].sum())
    assert curve.ideal[curve.top] * charges.sum() == pytest.approx(frame["charges"].nlargest(top).sum())
    assert np.diff(curve.flagged * patients).min() >= MINIMUM_CELL - 1e-9


def test_lift_runs_from_nothing_to_everything_and_never_beats_the_ideal() -> None:
    charges, predicted = _population(2_000)
    curve = lift_data(charges, np.argsort(-predicted), top=100)
    for values in (curve.flagged, curve.captured, curve.ideal):
        assert (values[0], values[-1]) == pytest.approx((0.0, 1.0))
    assert np.all(curve.captured <= curve.ideal + 1e-12)


@pytest.mark.parametrize("top", [0, 10, 490])
def test_a_top_share_of_too_few_patients_is_not_marked(top: int) -> None:
    curve = lift_data(np.ones(500), np.arange(500), top=top)
    assert curve.top is None
    assert np.diff(curve.flagged * 500).min() >= MINIMUM_CELL - 1e-9


def test_nobody_captures_cost_that_does_not_exist() -> None:
    assert np.isnan(lift_data(np.zeros(500), np.arange(500), top=25).captured).all()
