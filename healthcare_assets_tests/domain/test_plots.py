"""What the pictures say and what they must not show; the numbers in them are tested in `test_small_cells`."""

import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from healthcare_assets.domain import plots
from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.evaluation import OutOfFold
from healthcare_assets.domain.fairness import GroupCalibration, GroupStatus
from healthcare_assets.domain.plots import evaluation_plots, group_calibration_plot
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.training_populations import on_one_scale, trained_on_made_up_patients

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ["predicted_against_actual", "calibration_by_decile", "residuals", "lift_top_share"]
_LARGEST_FILE, _WIDTH = 60_000, 720


def _population(patients: int = 1_000) -> tuple[Floats, Floats]:
    random = np.random.default_rng(4)
    charges = random.gamma(0.7, 9_000.0, patients)
    return charges, charges * random.lognormal(0.0, 0.4, patients)


def _with_an_outlier(cost: float) -> OutOfFold:
    charges, predicted = _population()
    charges[7] = cost
    return on_one_scale(charges, predicted)


def _group(group: str, bias: float | None, *, patients: int = 300, status: GroupStatus = "pass") -> GroupCalibration:
    lower, upper = (None, None) if bias is None else (bias - 0.04, bias + 0.05)
    return GroupCalibration(
        attribute="age_band", group=group, patients=patients, bias=bias, lower=lower, upper=upper, status=status
    )


def _written(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], bytes]) -> str:
    """All the text in a picture."""
    from matplotlib.text import Text

    def text_of(figure: "Figure") -> bytes:
        return "\n".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)).encode()

    monkeypatch.setattr(plots, "_png", text_of)
    return draw().decode()


def _assert_fit_for_a_phone(png: bytes) -> None:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", png[16:20]) == (_WIDTH,)
    assert len(png) < _LARGEST_FILE
    assert not any(chunk in png for chunk in (b"tEXt", b"iTXt", b"tIME"))


def test_a_trained_model_has_four_pictures() -> None:
    pictures = evaluation_plots(trained_on_made_up_patients().out_of_fold, policy=POLICY)
    assert list(pictures) == NAMES
    for png in pictures.values():
        _assert_fit_for_a_phone(png)
    assert len(set(pictures.values())) == 4


_CHARGES, _PREDICTED = _population(500)
_AWKWARD = {
    "constant predictions": (_CHARGES, np.full(500, 5_000.0)),
    "everything equal": (np.full(500, 5_000.0), np.full(500, 5_000.0)),
    "nobody costs anything": (np.zeros(500), _PREDICTED),
    "a decile without cost": (np.where(np.quantile(_PREDICTED, 0.15) > _PREDICTED, 0.0, _CHARGES), _PREDICTED),
    "a huge outlier": (np.where(np.arange(500) == 7, 1e12, _CHARGES), _PREDICTED),
    "outliers on both sides": (np.where(np.arange(500) < 5, 1e6, np.where(np.arange(500) < 10, 0.0, 1e3)), [1e3] * 500),
    "negative predictions": (_CHARGES, _PREDICTED - 5_000.0),
    "few patients": (_CHARGES[:25], _PREDICTED[:25]),
    "too few patients": (_CHARGES[:10], _PREDICTED[:10]),
    "many patients": _population(100_000),
}


@pytest.mark.parametrize("case", _AWKWARD)
def test_awkward_populations_are_drawn_as_well(case: str) -> None:
    charges, predicted = _AWKWARD[case]
    pictures = evaluation_plots(on_one_scale(charges, np.asarray(predicted)), policy=POLICY)
    assert list(pictures) == NAMES
    for png in pictures.values():
        _assert_fit_for_a_phone(png)


def test_equal_input_gives_equal_bytes_in_any_thread() -> None:
    o = on_one_scale(*_population())
    with ThreadPoolExecutor(4) as threads:
        pictures = list(threads.map(lambda _: evaluation_plots(o, policy=POLICY), range(4)))
    assert pictures == [evaluation_plots(o, policy=POLICY)] * 4


def test_nobody_can_see_what_the_costliest_patient_cost() -> None:
    one, other = (evaluation_plots(_with_an_outlier(cost), policy=POLICY) for cost in (1e6, 2e6))
    for name in ("predicted_against_actual", "residuals"):
        assert one[name] == other[name]


@pytest.mark.parametrize("name", ["predicted_against_actual", "residuals"])
def test_the_picture_says_that_small_cells_are_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    o = on_one_scale(*_population())
    text = _written(monkeypatch, lambda: evaluation_plots(o, policy=POLICY)[name])
    assert "Cells of fewer than 11 patients are not shown" in text
    assert "1,000 patients" in text


def test_the_lift_states_the_cost_that_the_top_share_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    charges = np.full(1_000, 100.0)
    charges[:50] = 1_900.0  # as much as all the others together
    text = _written(monkeypatch, lambda: evaluation_plots(on_one_scale(charges, charges), policy=POLICY)[NAMES[3]])
    assert "Top 5 % by the model:\n50 % of all charges" in text


def test_dollars_have_thousands_separators(monkeypatch: pytest.MonkeyPatch) -> None:
    o = on_one_scale(*_population())
    text = _written(monkeypatch, lambda: evaluation_plots(o, policy=POLICY)[NAMES[1]])
    assert "$10,000" in text.split("\n")


def test_groups_are_listed_with_their_bias_and_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [_group("18–34", 0.032), _group("35–49", -0.12, status="bias"), _group("0–17", None)]
    text = _written(monkeypatch, lambda: group_calibration_plot(groups, tolerance=0.1)).split("\n")
    assert {"age band", "18–34", "+3.2 %", "−0.8 to +8.2", "−12.0 %", "−16.0 to −7.0", "no cost to compare"} <= set(
        text
    )
    assert "Shaded: within ±10 %. Arrow: the interval goes on." in text


def test_status_is_told_by_shape_as_well_as_by_colour() -> None:
    markers, colours = zip(*plots._STATUS_STYLES.values(), strict=True)
    assert len(set(markers)) == len(set(colours)) == 4


def test_a_group_of_ten_shows_its_name_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    small = _group("65 and over", 0.777, patients=10, status="bias")
    others = [small, _group("0–17", 0.01)]
    same = [replace(small, patients=1, bias=-0.5, lower=None, upper=4.0, status="pass"), others[1]]
    assert group_calibration_plot(others, tolerance=0.1) == group_calibration_plot(same, tolerance=0.1)
    text = _written(monkeypatch, lambda: group_calibration_plot(others, tolerance=0.1))
    assert "65 and over" in text
    assert "fewer than 11 patients" in text
    assert "77.7" not in text


def test_sizes_of_groups_are_not_shown() -> None:
    """Else the size of a small group would be the total less the sizes of the others."""
    one, other = (group_calibration_plot([_group("0–17", 0.01, patients=n)], tolerance=0.1) for n in (300, 301))
    assert one == other


@pytest.mark.parametrize("count", [0, 1, 12, 40])
def test_any_number_of_groups_is_drawn(count: int) -> None:
    groups = [_group(f"band {number}", number / 10 - 0.5, status="provisional") for number in range(count)]
    _assert_fit_for_a_phone(group_calibration_plot(groups, tolerance=0.1))


def test_matplotlib_is_imported_late_and_its_global_state_left_alone() -> None:
    program = """
import sys
import numpy as np
from healthcare_assets.domain import plots, small_cells
assert "matplotlib" not in sys.modules
import matplotlib
settings = [name for name in matplotlib.rcParams if name != "backend"]  # reading the backend imports pyplot
before = [matplotlib.rcParams[name] for name in settings]
plots._png(plots._residuals_figure(small_cells.residual_bins(np.arange(500.0))))
plots.group_calibration_plot([], tolerance=0.1)
assert "matplotlib.pyplot" not in sys.modules
assert [matplotlib.rcParams[name] for name in settings] == before
"""
    finished = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
