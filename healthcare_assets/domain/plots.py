"""Pictures of a model: how its out-of-fold predictions compare with what patients cost. No picture shows a patient.

The functions that return numbers decide what may be seen; those that draw add nothing to it.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from healthcare_assets.domain.evaluation import OutOfFold, high_risk_count
from healthcare_assets.domain.fairness import GroupCalibration, GroupStatus
from healthcare_assets.domain.small_cells import (
    MINIMUM_CELL,
    ChargeCells,
    Deciles,
    LiftCurve,
    ResidualBins,
    calibration_by_decile_data,
    charge_cells,
    charge_position,
    is_small,
    lift_data,
    residual_bins,
    round_step,
)
from healthcare_assets.policy import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

_INK, _SOFT, _FAINT = "#1b1f24", "#59636e", "#d8dee4"
_BLUE, _ORANGE, _GREEN = "#0072b2", "#d55e00", "#009e73"
"""Distinguishable with any colour vision (Okabe and Ito)."""
_STATUS_STYLES: dict[GroupStatus, tuple[str, str]] = {
    "pass": ("o", _GREEN),
    "bias": ("X", _ORANGE),
    "insufficient data": ("s", _SOFT),
    "provisional": ("^", _BLUE),
}
_SMALL_CELLS = f"Cells of fewer than {MINIMUM_CELL} patients are not shown"
_WIDTH, _DPI = 7.2, 100
_COLOURS, _FAR_OFF, _MILLION = 128, 100, 1e6
_TICK_FACTORS = ((0.75, (1, 2, 3, 5, 7)), (2.0, (1, 3)), (np.inf, (1,)))
_LARGE, _MEDIUM, _SMALL = 17, 14, 12
"""Font sizes in points: a phone shows the 720 pixels at half their size."""


def evaluation_plots(out_of_fold: OutOfFold, *, policy: Policy) -> dict[str, bytes]:
    """PNG images by name: predicted_against_actual, calibration_by_decile, residuals, lift_top_share.

    The same input gives the same bytes. A population under MINIMUM_CELL patients gives images that say so.
    """
    o = out_of_fold
    drawings: dict[str, Callable[[], Figure]] = {
        "predicted_against_actual": lambda: _cells_figure(charge_cells(o.charges, o.predicted)),
        "calibration_by_decile": lambda: _deciles_figure(calibration_by_decile_data(o.charges, o.predicted)),
        "residuals": lambda: _residuals_figure(residual_bins(o.charges - o.predicted)),
        "lift_top_share": lambda: _lift_figure(_lift(o, policy.promotion.high_risk_share)),
    }
    if len(o.charges) < MINIMUM_CELL:
        return dict.fromkeys(drawings, _png(_figure(f"Fewer than {MINIMUM_CELL} patients: nothing is shown", height=1)))
    return {name: _png(draw()) for name, draw in drawings.items()}


def _lift(out_of_fold: OutOfFold, share: float) -> LiftCurve:
    """With patients flagged in the order in which `high_risk_recall` flags them."""
    o, patients = out_of_fold, len(out_of_fold.charges)
    ranking = np.lexsort((np.arange(patients), -o.predicted, -o.risk_score))
    return lift_data(o.charges, ranking, top=high_risk_count(patients, share))


def _cells_figure(cells: ChargeCells) -> "Figure":
    from matplotlib.colors import LogNorm

    hidden, everyone = int(cells.counts[~cells.shown].sum()), int(cells.counts.sum())
    share = _percent(max(hidden / everyone, 0.001))
    figure = _figure(
        "Predicted against actual charges",
        f"{everyone:,} patients; on the dashed line the prediction is exact",
        footnote=_SMALL_CELLS + (f" ({share} of all)." if hidden >= MINIMUM_CELL else "."),
        height=7.25,
    )
    axes = _axes(figure, (1.3, 1.15, 4.85, 4.85), xlabel="Actual charges of the year", ylabel="Predicted charges")
    shown = np.argwhere(cells.shown) if cells.shown.any() else np.array([0, len(cells.counts) - 1])
    limits = max(shown.min() - 1, 0), min(shown.max() + 2, len(cells.counts))
    top = max(int(cells.counts[cells.shown].max(initial=0)), 2 * MINIMUM_CELL)
    counts = np.where(cells.shown, cells.counts, np.nan)
    mesh = axes.pcolormesh(counts, cmap="viridis_r", norm=LogNorm(MINIMUM_CELL, top), edgecolors="white", linewidth=0.5)
    axes.plot(limits, limits, color=_INK, linewidth=1.4, linestyle=(0, (4, 3)))
    positions, labels = _charge_ticks(cells.per_decade, (limits[1] - limits[0]) / cells.per_decade)
    axes.set(xticks=positions, yticks=positions, xticklabels=labels, yticklabels=labels, xlim=limits, ylim=limits)
    bar = figure.colorbar(mesh, cax=_axes(figure, (6.25, 1.15, 0.2, 4.5)))
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=_SMALL, pad=4)
    patients = [count for count in (11, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000) if count <= top]
    bar.set_ticks(patients, labels=[f"{count:,}" for count in patients])
    bar.ax.set_title("patients", fontsize=_SMALL, color=_SOFT, loc="left", pad=10)
    return figure


def _charge_ticks(per_decade: int, decades: float) -> tuple[list[float], list[str]]:
    """Positions and labels that do not overlap on an axis that spans so many powers of ten."""
    factors = next(factors for most, factors in _TICK_FACTORS if decades <= most)
    amounts = np.array([factor * 10.0**power for power in range(2, 9) for factor in factors])[1:]
    return [0.5, *charge_position(amounts, per_decade).tolist()], ["<$100", *map(_dollars, amounts)]


def _deciles_figure(deciles: Deciles) -> "Figure":
    figure = _figure(
        "Calibration by decile of the prediction",
        "Mean charges of a patient by tenth of the population",
        footnote="Decile 1: lowest predictions. Ratio: predicted ÷ actual (–: no cost).",
        height=5.8,
    )
    axes = _axes(figure, (1.15, 1.45, 5.85, 3.15))
    decile = np.arange(1, len(deciles.ratio) + 1)
    axes.bar(decile - 0.2, deciles.actual, width=0.4, color=_SOFT, label="actual")
    axes.bar(decile + 0.2, deciles.predicted, width=0.4, color=_BLUE, label="predicted")
    _legend(figure)
    _amount_ticks(axes.yaxis, 0, max(deciles.actual.max(), deciles.predicted.max(), 1.0), _dollars)
    ratios = ["–" if np.isnan(ratio) else f"{ratio:.2f}" if ratio < _FAR_OFF else "≥100" for ratio in deciles.ratio]
    axes.set_xticks(decile, [f"{number}\n{ratio}" for number, ratio in zip(decile, ratios, strict=True)])
    axes.set_xlim(0.45, len(decile) + 0.55)
    axes.tick_params(axis="x", pad=18)
    figure.text(0.145, 1.27 / 5.8, "decile\nratio", fontsize=_MEDIUM, color=_SOFT, ha="right", va="top")
    axes.grid(visible=False, axis="x")
    return figure


def _residuals_figure(bins: ResidualBins) -> "Figure":
    everyone = int(bins.counts.sum())
    figure = _figure(
        "Error of the prediction",
        f"Share of {everyone:,} patients for each {_dollars(bins.width)} of error",
        footnote=f"{_SMALL_CELLS}: they are merged with\ntheir neighbours. Hatched: all errors from there on.",
        height=5.8,
    )
    axes = _axes(figure, (0.85, 1.5, 6.1, 3.3), xlabel="Actual − predicted (right of 0: cost more than predicted)")
    inner = bins.edges[np.isfinite(bins.edges)] if np.isfinite(bins.edges).any() else np.zeros(1)
    edges = np.clip(bins.edges, inner[0] - bins.width, inner[-1] + bins.width)
    is_open = ~np.isfinite(bins.edges[:-1]) | ~np.isfinite(bins.edges[1:])
    share = np.where(is_open, bins.counts, bins.counts * bins.width / np.diff(edges)) / everyone
    axes.bar(edges[:-1], share, np.diff(edges), align="edge", color=_BLUE, edgecolor="white", linewidth=0.5)
    axes.bar(edges[:-1], share * is_open, np.diff(edges), align="edge", color=_FAINT, edgecolor=_SOFT, hatch="////")
    for index in np.flatnonzero(is_open & (share > 0)):
        place = edges[index : index + 2].mean(), share[index] + 0.02 * share.max()
        axes.text(*place, _percent(share[index]), fontsize=_SMALL, color=_SOFT, ha="center")
    axes.axvline(0, color=_INK, linewidth=1.4)
    _amount_ticks(axes.xaxis, min(edges[0], 0.0), max(edges[-1], 0.0), _dollars)
    _amount_ticks(axes.yaxis, 0, share.max(), _percent)
    axes.grid(visible=False, axis="x")
    return figure


def _lift_figure(curve: LiftCurve) -> "Figure":
    figure = _figure(
        "Cost captured by flagging the riskiest",
        "Share of all charges against share of patients flagged",
        footnote=f"Each step of the curves is at least {MINIMUM_CELL} patients.",
        height=6.6,
    )
    axes = _axes(figure, (0.95, 1.2, 5.9, 4.5), xlabel="Patients flagged, riskiest first")
    axes.plot([0, 1], [0, 1], color=_SOFT, linestyle=(0, (1, 2)), linewidth=2)
    axes.plot(curve.flagged, curve.ideal, color=_ORANGE, linestyle=(0, (4, 2)), linewidth=2)
    axes.plot(curve.flagged, curve.captured, color=_BLUE, linewidth=3)
    _amount_ticks(axes.xaxis, 0, 1, _percent)
    _amount_ticks(axes.yaxis, 0, 1, _percent)
    high, low = np.interp(0.25, curve.flagged, curve.ideal), np.interp(0.42, curve.flagged, curve.captured)
    axes.text(0.23, high + 0.02, "ideal", fontsize=_MEDIUM, color=_ORANGE, ha="right")
    axes.text(0.44, low - 0.06, "model", fontsize=_MEDIUM, color=_BLUE)
    axes.text(0.72, 0.63, "chance", fontsize=_MEDIUM, color=_SOFT)
    if curve.top is not None:
        share, captured, ideal = (float(values[curve.top]) for values in (curve.flagged, curve.captured, curve.ideal))
        text = f"Top {_percent(share)} by the model:\n{_percent(captured)} of all charges\n(ideal: {_percent(ideal)})"
        line = {"arrowstyle": "-", "color": _SOFT}
        axes.annotate(text, (share, captured), (0.5, 0.06), fontsize=_MEDIUM, color=_INK, arrowprops=line)
        axes.plot([share], [captured], "o", color=_BLUE, markersize=11, markeredgecolor="white")
    return figure


def group_calibration_plot(groups: Sequence[GroupCalibration], *, tolerance: float) -> bytes:
    """PNG image: a row for each group of patients, its bias in per cent with the interval; `tolerance` is a share.

    Neither figures nor the status of a group of 1–10 patients are shown, and no group's size.
    """
    rows: list[GroupCalibration | str] = []
    for attribute in dict.fromkeys(group.attribute for group in groups):
        rows += [attribute, *(group for group in groups if group.attribute == attribute)]
    lines, limit = max(len(rows), 1), _bias_limit(groups, tolerance)
    figure = _figure(
        "Bias by group of patients",
        "Predicted ÷ actual charges − 1, with its 95 % interval",
        footnote=f"Shaded: within ±{_percent(tolerance)}. Arrow: the interval goes on.",
        height=2.3 + 0.36 * lines,
    )
    axes = _axes(figure, (1.65, 0.9, 2.6, 0.36 * lines))
    axes.axvspan(-tolerance, tolerance, color=_FAINT, linewidth=0)
    axes.axvline(0, color=_SOFT, linewidth=1)
    axes.set(xlim=(-limit, limit), ylim=(lines - 0.5, -0.5), yticks=[])
    _amount_ticks(axes.xaxis, -limit, limit, _percent)
    for line, row in enumerate(rows):
        if isinstance(row, str):
            _row_text(axes, line, 0.15, row.replace("_", " "), fontweight="bold")
        else:
            _draw_group(axes, line, row, limit)
    for status, (marker, color) in _STATUS_STYLES.items():
        axes.plot([], [], marker, color=color, markersize=10, label=status)
    _legend(figure)
    return _png(figure)


def _figures_of(group: GroupCalibration) -> list[float]:
    """Bias and, where known, its interval; none for a group that must not show any."""
    if is_small(group.patients) or group.bias is None:
        return []
    return [group.bias, *(bound for bound in (group.lower, group.upper) if bound is not None)]


def _bias_limit(groups: Sequence[GroupCalibration], tolerance: float) -> float:
    """What the axis must reach for all figures, within reason: a wide interval must not flatten the others."""
    figures = [abs(figure) for group in groups for figure in _figures_of(group)]
    return 1.1 * min(max([*figures, 2 * tolerance]), 5 * tolerance)


def _draw_group(axes: "Axes", line: int, group: GroupCalibration, limit: float) -> None:
    _row_text(axes, line, 0.3, group.group)
    figures = _figures_of(group)
    if not figures:
        note = f"fewer than {MINIMUM_CELL} patients" if is_small(group.patients) else "no cost to compare"
        _row_text(axes, line, 4.4, note, color=_SOFT)
        return
    marker, color = _STATUS_STYLES[group.status]
    bias, *interval = figures
    axes.plot(np.clip(interval, -limit, limit), [line] * len(interval), color=color, linewidth=2.5)
    for end in (bound for bound in figures if abs(bound) > limit):
        axes.plot([np.copysign(limit, end)], [line], ">" if end > 0 else "<", color=color, clip_on=False)
    axes.plot([np.clip(bias, -limit, limit)], [line], marker, color=color, markersize=10, clip_on=False)
    _row_text(axes, line, 4.4, f"{_signed(bias)} %")
    _row_text(axes, line, 5.35, " to ".join(map(_signed, interval)), color=_SOFT)


def _row_text(axes: "Axes", line: int, inches: float, text: str, **style: str) -> None:
    """Beside the plotting area, at `inches` from the figure's left."""
    from matplotlib.transforms import blended_transform_factory

    across = blended_transform_factory(axes.figure.dpi_scale_trans, axes.transData)
    looks: dict[str, Any] = {"color": _INK, "va": "center", "fontsize": _MEDIUM, **style}
    axes.text(inches, line, text, transform=across, **looks)


def _figure(title: str, subtitle: str = "", *, footnote: str = "", height: float) -> "Figure":
    """Without pyplot, which keeps every figure in a global list. Height in inches of _DPI pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    figure.text(0.02, 1 - 0.2 / height, title, fontsize=_LARGE, fontweight="bold", color=_INK, va="top")
    figure.text(0.02, 1 - 0.57 / height, subtitle, fontsize=_MEDIUM, color=_SOFT, va="top")
    figure.text(0.02, 0.12 / height, footnote, fontsize=_SMALL, color=_SOFT, va="bottom")
    return figure


def _axes(figure: "Figure", box: tuple[float, float, float, float], *, xlabel: str = "", ylabel: str = "") -> "Axes":
    """Axes in a box of inches: left, bottom, width, height."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
    axes.set_xlabel(xlabel, fontsize=_MEDIUM, color=_SOFT, labelpad=8)
    axes.set_ylabel(ylabel, fontsize=_MEDIUM, color=_SOFT)
    axes.tick_params(labelsize=_MEDIUM, labelcolor=_INK, length=0, pad=9)
    axes.spines[:].set_visible(False)
    axes.grid(visible=True, color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def _legend(figure: "Figure") -> None:
    """In one row under the subtitle."""
    place = (0.02, 1 - 0.87 / figure.get_figheight())
    gaps = {"columnspacing": 1.2, "borderaxespad": 0.0, "handlelength": 1.0}
    figure.legend(loc="upper left", bbox_to_anchor=place, ncols=4, frameon=False, fontsize=_SMALL, **gaps)


def _png(figure: "Figure") -> bytes:
    """No software, no date in the file, and a font that comes with matplotlib: equal figures are equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text
    from PIL import Image

    for text in figure.findobj(Text):
        text.set(fontfamily="DejaVu Sans", parse_math=False)  # two dollar signs would be a formula
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    pixels, image = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3]), BytesIO()
    # A palette makes the file a third of its size.
    pixels.quantize(_COLOURS, dither=Image.Dither.NONE).save(image, format="PNG", optimize=True)
    return image.getvalue()


def _amount_ticks(axis: "XAxis | YAxis", low: float, high: float, text: Callable[[float], str]) -> None:
    """At most six ticks, at round amounts from `low` to `high`."""
    step = round_step(max((high - low) / 5, 1.0 if text is _dollars else 0.01))
    amounts = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step + 0.0
    axis.set_ticks(amounts.tolist(), [text(amount) for amount in amounts])


def _dollars(amount: float) -> str:
    sign, size = "−" if amount < 0 else "", abs(amount)
    return f"{sign}${size / _MILLION:,.7g}M" if size >= _MILLION else f"{sign}${size:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %").replace("-", "−")


def _signed(share: float) -> str:
    """In per cent."""
    return f"{100 * share:+.1f}".replace("-", "−")
