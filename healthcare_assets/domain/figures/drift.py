"""What a monitored day says: how near each column is to its limits, and how the days before were."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from healthcare_assets.domain.figures import levels
from healthcare_assets.domain.figures.figure import Figure
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.monitoring.findings import ALL, DriftStatistic, HistoryPoint, MonitoredDay
from healthcare_assets.domain.monitoring.report_cells import value_may_be_shown
from healthcare_assets.domain.monitoring.report_distributions import (
    alerting_columns,
    hiding_columns,
    limit,
    statistic_name,
    statistic_value,
)
from healthcare_assets.domain.monitoring.report_figures import finite, name, number
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, panels
from healthcare_assets.domain.small_cells import is_small


def drifted(day: MonitoredDay) -> list[str]:
    """The columns that ask for attention; not the day as a whole."""
    return [column for column in alerting_columns(day.drift) if column != ALL]


def drift_figure(day: MonitoredDay) -> Figure | None:
    """Of each column the statistic that is nearest to its limit, or furthest beyond it; None without a reference."""
    by_column: dict[str, DriftStatistic] = {}
    for found in day.drift:
        if found.column != ALL and (found.alert or finite(found.threshold)):
            nearest = by_column.get(found.column)
            by_column[found.column] = found if nearest is None else max(nearest, found, key=_nearness)
    if not by_column:
        return None
    hiding = hiding_columns(day)
    ordered = sorted(by_column.values(), key=_nearness, reverse=True)
    shown = [_level(found, hiding) for found in ordered]
    height, marks = levels.drawn(shown, Axis(form=number, tick=number, bars=True, limit=1.0))
    asks = drifted(day)
    return Figure(
        identity="drift",
        title="How near each column is to its limit",
        description=f"Horizontal bars: the statistic nearest to its limit, as a share of the limit. "
        f"{levels.described(shown, number)} Beyond a limit: {', '.join(map(name, asks)) or 'none'}.",
        height=height,
        marks=marks,
        head=("column", "share of the limit", "statistic", "value", "limit", "alert"),
        rows=[
            (
                level.label,
                levels.written(level, number),
                statistic_name(found.statistic),
                statistic_value(found, hiding=hiding),
                limit(found),
                "alert" if found.column in asks else "",
            )
            for level, found in zip(shown, ordered, strict=True)
        ],
        legend=(("day", "value ÷ limit"), ("limit", "limit"), ("alert", "alert")),
    )


def days_figure(day: MonitoredDay) -> Figure | None:
    """Patients scored and columns that drifted, by day, as far back as the reports are looked at."""
    scored = [point for point in day.history if point.column == ALL and point.statistic == "predictions"]
    if not scored:
        return None
    asks = Counter(point.day for point in _asking(day.history))
    days = Days(first=scored[0].day, last=scored[-1].day)
    drawn = [
        Panel(title="Patients scored", points=[_predictions(point) for point in scored], form=_count),
        Panel(title="Columns that drifted", points=[_asks(point.day, asks) for point in scored], form=_count),
    ]
    height, marks = panels(drawn, days=days, versions={})
    newest = scored[-1]
    return Figure(
        identity="days",
        title="The days up to this one",
        description=f"Two lines from {days.first} to {days.last}. On {newest.day} {_scored(newest)} patients were "
        f"scored and {asks[newest.day]} columns drifted.",
        height=height,
        marks=marks,
        head=("day", "patients scored", "columns that drifted"),
        rows=[(str(point.day), _scored(point), f"{asks[point.day]:,}") for point in reversed(scored)],
        legend=(("alert", "alert"),),
    )


def _nearness(found: DriftStatistic) -> tuple[bool, float]:
    value, threshold = finite(found.value), finite(found.threshold)
    return found.alert, abs(value) / threshold if value is not None and threshold else 0.0


def _level(found: DriftStatistic, hiding: frozenset[str]) -> Level:
    share = _nearness(found)[1] if finite(found.value) is not None and finite(found.threshold) else None
    told = value_may_be_shown(found, hiding=hiding)
    return Level(label=name(found.column), value=share if told else None, withheld=not told, alert=found.alert)


def _asking(history: Sequence[HistoryPoint]) -> list[HistoryPoint]:
    """One a day and column."""
    found = {(point.day, point.column): point for point in history if point.alert and point.column != ALL}
    return list(found.values())


def _predictions(point: HistoryPoint) -> Point:
    value = None if is_small(point.n_current) else finite(point.value)
    return Point(day=point.day, value=value, limit=None, alert=point.alert)


def _asks(day: date, asks: Counter[date]) -> Point:
    return Point(day=day, value=float(asks[day]), limit=None, alert=asks[day] > 0)


def _scored(point: HistoryPoint) -> str:
    value = _predictions(point).value
    return "not shown" if value is None else _count(value)


def _count(value: float) -> str:
    return f"{value:,.0f}"
