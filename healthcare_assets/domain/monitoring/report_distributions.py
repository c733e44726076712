"""The distributions of the day over those of the training population."""

from collections.abc import Sequence

from healthcare_assets.domain.monitoring import svg
from healthcare_assets.domain.monitoring.findings import Distribution, DriftStatistic, MonitoredDay
from healthcare_assets.domain.monitoring.report_cells import Bin, hides_categories, shown_bins, value_may_be_shown
from healthcare_assets.domain.monitoring.report_figures import NOT_SHOWN, count_beside, finite, name, number, percent
from healthcare_assets.domain.monitoring.report_parts import card, cards, figures, key, nothing, section
from healthcare_assets.domain.small_cells import MINIMUM_CELL

STATISTIC_NAMES = {
    "psi": "PSI",
    "shift": "shift",
    "share_shift": "share shift",
    "null_rate": "missing values",
    "new_categories": "new categories",
    "vanished_categories": "vanished categories",
    "missing_column": "missing column",
    "jensen_shannon": "Jensen–Shannon distance",
    "kolmogorov_smirnov": "Kolmogorov–Smirnov",
    "wasserstein": "Wasserstein distance",
    "chi_squared": "χ²",
    "chi_squared_p": "χ² p-value",
    "mean_shift": "mean shift",
    "mean": "mean",
    "predictions": "predictions",
}
"""For a reader; others go by their own name."""

_SHARES = ("null_rate", "new_categories")
_COUNTS = ("predictions", "vanished_categories")
_WITHIN, _BEYOND = "within its limit", "beyond its limit"
_SIGNED = ("shift", "share_shift", "mean_shift")
_ROW, _HEAD = 21.0, 20.0
_BARS, _DAY, _TRAINING = 112.0, 284.0, svg.WIDTH - 2.0
_LABEL_CHARACTERS = 16


def hiding_columns(day: MonitoredDay) -> frozenset[str]:
    """The columns some of whose categories may not be shown."""
    return frozenset(found.column for found in day.distributions if hides_categories(found))


def alerting_columns(drift: Sequence[DriftStatistic]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(found.column for found in drift if found.alert))


def statistic_name(statistic: str) -> str:
    return STATISTIC_NAMES.get(statistic, statistic)


def statistic_value(found: DriftStatistic, *, hiding: frozenset[str]) -> str:
    """The value as it may be shown; of one that may not, on which side of its limit it lies."""
    if finite(found.value) is None and found.statistic != "missing_column":
        return "insufficient data"
    if not value_may_be_shown(found, hiding=hiding):
        if found.threshold is None:
            return NOT_SHOWN
        return _BEYOND if found.alert else _WITHIN
    return in_its_unit(found.column, found.statistic, found.value)


def in_its_unit(column: str, statistic: str, value: float | None) -> str:
    """Shares in per cent, charges in dollars, counts as whole numbers, everything else to three digits."""
    if statistic == "missing_column":
        return "missing"
    if statistic in _SHARES:
        return percent(value)
    if statistic == "mean" and column.endswith("charges") and finite(value) is not None:
        return f"${number(value)}"
    if statistic in _COUNTS and finite(value) is not None:
        return f"{value:,.0f}"
    return number(value)


def limit(found: DriftStatistic) -> str:
    """The limit in words; shifts have one in either direction."""
    if finite(found.threshold) is None:
        return ""
    said = in_its_unit(found.column, found.statistic, found.threshold)
    return f"±{said}" if found.statistic in _SIGNED else said


def distributions(day: MonitoredDay) -> str:
    """A card a column, those that alert first."""
    title = "Distributions"
    if not day.distributions:
        return section(title.lower(), title, "", nothing("there is no training population to compare the day with"))
    alerting, hiding = alerting_columns(day.drift), hiding_columns(day)
    ordered = sorted(day.distributions, key=lambda found: found.column not in alerting)
    drawn = [_card(number, found, day, alerting, hiding) for number, found in enumerate(ordered)]
    intro = (
        f"Share of the patients in each bin. Bins of fewer than {MINIMUM_CELL} patients are merged with their "
        "neighbours; such categories are not shown."
    )
    legend = key(("day", "the day"), ("training", "the training population"))
    return section(title.lower(), title, intro, legend + cards(drawn))


def _card(number: int, found: Distribution, day: MonitoredDay, alerting: Sequence[str], hiding: frozenset[str]) -> str:
    statistics = [statistic for statistic in day.drift if statistic.column == found.column]
    bins = shown_bins(found)
    said = [*_strongest(statistics, hiding), _patients(found, day)]
    told = any(cell.current is not None for cell in bins)
    content = _drawn(number, found, bins) if told else nothing(_why_empty(found))
    return card(name(found.column), content, badge="drifted" if found.column in alerting else "", said=said)


def _patients(found: Distribution, day: MonitoredDay) -> str:
    of_day = count_beside(sum(found.current), (day.predictions,))
    of_training = count_beside(sum(found.reference), (day.reference_patients,))
    unit = " Bins in US dollars." if found.ordered and found.column.endswith("charges") else ""
    return f"{of_day} patients against {of_training}.".capitalize() + unit


def _why_empty(found: Distribution) -> str:
    who, patients = "the day", sum(found.current)
    if shown_bins(found):
        return f"every category has fewer than {MINIMUM_CELL} patients, or would give such a one away"
    if patients >= MINIMUM_CELL:
        who, patients = "the training population", sum(found.reference)
    return f"{who} has {'no patient' if not patients else f'fewer than {MINIMUM_CELL} patients'} with a value"


def _strongest(statistics: Sequence[DriftStatistic], hiding: frozenset[str]) -> list[str]:
    """PSI, and the other statistic that is furthest from its limit, or beyond it."""
    psi = [found for found in statistics if found.statistic == "psi"]
    others = [
        found for found in statistics if found.statistic != "psi" and (found.alert or found.threshold is not None)
    ]
    strongest = sorted(others, key=_beyond, reverse=True)[:1]
    return [" · ".join(_said(found, hiding) for found in (*psi[:1], *strongest))] if psi or strongest else []


def _beyond(found: DriftStatistic) -> tuple[bool, float]:
    value, threshold = finite(found.value), finite(found.threshold)
    return found.alert, abs(value) / threshold if value is not None and threshold else 0.0


def _said(found: DriftStatistic, hiding: frozenset[str]) -> str:
    value, bound = statistic_value(found, hiding=hiding), limit(found)
    joint = f" of {bound}" if value in (_WITHIN, _BEYOND) else f" (limit {bound})"
    return f"{statistic_name(found.statistic)} {value}" + (joint if bound else "")


def _drawn(number: int, found: Distribution, bins: Sequence[Bin]) -> str:
    most = max((share for cell in bins for share in (cell.reference, cell.current) if share is not None), default=1.0)
    scale = svg.Scale(low=0.0, high=most, start=_BARS, end=240.0)
    marks = [
        svg.text("day", _DAY, 12, anchor="end"),
        svg.text("training", _TRAINING, 12, anchor="end"),
        svg.line(_BARS, _HEAD - 2, _BARS, _HEAD + _ROW * len(bins), look="axis"),
    ]
    for row, cell in enumerate(bins):
        marks += _row(cell, _HEAD + _ROW * row, scale)
    drawn = svg.chart(
        f"distribution-{number}",
        f"{name(found.column)}: the day against the training population",
        _described(bins),
        _HEAD + _ROW * len(bins) + 4,
        marks,
    )
    rows = ((cell.label, _share(cell.current), _share(cell.reference)) for cell in bins)
    return drawn + figures(f"Distribution of {name(found.column)}", ("bin", "day", "training population"), rows)


def _row(cell: Bin, y: float, scale: svg.Scale) -> list[str]:
    label = svg.text(svg.shortened(cell.label, _LABEL_CHARACTERS), _BARS - 6, y + 13.5, anchor="end", look="name")
    if cell.reference is None or cell.current is None:
        return [label, svg.text("not shown: too few patients", _BARS + 6, y + 13.5)]
    return [
        label,
        svg.rectangle(_BARS, y + 4, max(scale.at(cell.current) - _BARS, 0.5), 12, look="bar day"),
        svg.rectangle(_BARS, y + 1.5, max(scale.at(cell.reference) - _BARS, 0.5), 17, look="bar training"),
        svg.text(f"{cell.current:.1%}", _DAY, y + 13.5, anchor="end", look="value"),
        svg.text(f"{cell.reference:.1%}", _TRAINING, y + 13.5, anchor="end"),
    ]


def _described(bins: Sequence[Bin]) -> str:
    shown = [(cell.label, cell.current, cell.reference) for cell in bins if cell.current is not None]
    compared = [(label, current, reference) for label, current, reference in shown if reference is not None]
    label, current, reference = max(compared, key=lambda cell: abs(cell[1] - cell[2]))
    return (
        f"Horizontal bars of {len(bins)} bins, the day filled and the training population outlined. The largest "
        f"difference is in {label}: {percent(current)} on the day, {percent(reference)} in the training population."
    )


def _share(share: float | None) -> str:
    return NOT_SHOWN if share is None else percent(share)
