"""Panels of values over days, one above the other on one axis of days: a line, its limits, its alerts, its gaps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from healthcare_assets.domain.monitoring import svg
from healthcare_assets.domain.monitoring.report_figures import day_month, month_year

_LEFT, _RIGHT = 42.0, svg.WIDTH - 8.0
_TITLE, _AXIS = 26.0, 20.0
_MONTH = 31


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value of a day with the limit that held then."""

    day: date
    value: float | None
    """None: known, and not to be shown."""
    limit: float | None
    alert: bool = False
    hollow: bool = False
    """Not final yet."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A statistic over days. A day without a point is a gap."""

    title: str
    points: Sequence[Point]
    form: Callable[[float], str]
    """How a value is written at the axis."""
    both_ways: bool = False
    """Whether the limit holds in either direction."""
    level: float | None = None
    """A limit that is the same on all days."""
    joined: bool = True
    height: float = 64.0


@dataclass(frozen=True, kw_only=True)
class Days:
    """The axis of days, both ends included."""

    first: date
    last: date
    monthly: bool = False
    """Whether there is a value a month, on its first day."""

    @property
    def apart(self) -> timedelta:
        """At most, of two values between which there is no gap."""
        return timedelta(days=_MONTH if self.monthly else 1)

    def label(self, day: date) -> str:
        return month_year(day) if self.monthly else day_month(day)

    def at(self, day: date) -> float:
        """With half a day of room at either end, so that a single day lies in the middle."""
        days = (self.last - self.first).days + 1
        return _LEFT + (_RIGHT - _LEFT) * ((day - self.first).days + 0.5) / days

    @property
    def width(self) -> float:
        """Of a day."""
        return (_RIGHT - _LEFT) / ((self.last - self.first).days + 1)


def trend(  # noqa: PLR0913 - what a chart consists of
    identity: str, title: str, description: str, shown: Sequence[Panel], *, days: Days, versions: Mapping[date, str]
) -> str:
    """The chart; `versions` names the model of each day on which another one took over."""
    height, marks = panels(shown, days=days, versions=versions)
    return svg.chart(identity, title, description, height, marks)


def panels(shown: Sequence[Panel], *, days: Days, versions: Mapping[date, str]) -> tuple[float, list[str]]:
    """Height and marks of the chart."""
    top = 14.0 if versions else 0.0
    bottom = top + sum(_TITLE + panel.height for panel in shown)
    marks = _version_lines(versions, days, top, bottom)
    for panel in shown:
        marks += _panel(panel, days, top + _TITLE)
        top += _TITLE + panel.height
    return bottom + _AXIS, [*marks, *_day_labels(days, bottom)]


def _panel(panel: Panel, days: Days, top: float) -> list[str]:
    bottom = top + panel.height
    scale = _scale(panel, top, bottom)
    marks = [svg.text(panel.title, _LEFT, top - 7, look="name")]
    for value in svg.ticks(scale.low, scale.high, most=3):
        y = scale.at(value)
        marks += [svg.line(_LEFT, y, _RIGHT, y, look="grid")]
        marks += [svg.text(panel.form(value), _LEFT - 5, y + 4, anchor="end")]
    if scale.low < 0 < scale.high:
        marks += [svg.line(_LEFT, scale.at(0.0), _RIGHT, scale.at(0.0), look="axis")]
    if panel.level is not None:
        marks += [svg.line(_LEFT, scale.at(panel.level), _RIGHT, scale.at(panel.level), look="limit")]
    for sign in (1.0, -1.0) if panel.both_ways else (1.0,):
        marks += _limit(panel, days, scale, sign)
    return marks + _line(panel, days, scale)


def _scale(panel: Panel, top: float, bottom: float) -> svg.Scale:
    values = [point.value for point in panel.points if point.value is not None]
    limits = [limit for limit in (panel.level, *(point.limit for point in panel.points)) if limit is not None]
    low = min([0.0, *values, *(-limit for limit in limits if panel.both_ways)])
    high = max([0.0, *values, *limits])
    room = 0.08 * (high - low) or 1.0
    return svg.Scale(low=low - room if low < 0 else low, high=high + room, start=bottom, end=top)


def _limit(panel: Panel, days: Days, scale: svg.Scale, sign: float) -> list[str]:
    """A step line, since the limit of a day depends on its number of patients."""
    known = [point for point in panel.points if point.limit is not None]
    steps = []
    for run in _runs(known, days):
        ends = [
            (days.at(point.day) + side * days.width / 2, scale.at(sign * point.limit))
            for point in run
            for side in (-1, 1)
            if point.limit is not None
        ]
        steps.append(svg.polyline(ends, look="limit"))
    return steps


def _line(panel: Panel, days: Days, scale: svg.Scale) -> list[str]:
    shown = [point for point in panel.points if point.value is not None]
    joined = [run for run in _runs(shown, days) if len(run) > 1] if panel.joined else []
    marks = [
        svg.polyline([(days.at(point.day), scale.at(point.value or 0.0)) for point in run], look="line")
        for run in joined
    ]
    size = 2.0 if panel.joined else 3.0
    for point in sorted(panel.points, key=lambda point: point.alert):
        x = days.at(point.day)
        if point.value is None:
            # Its alert is no secret, its height is.
            marks.append(
                svg.triangle(x, scale.start - 5, 4.5)
                if point.alert
                else svg.diamond(x, scale.start - 4, 3, look="untold")
            )
        elif point.alert:
            marks.append(svg.triangle(x, scale.at(point.value), 4.5, look="alert hollow" if point.hollow else "alert"))
        else:
            marks.append(svg.dot(x, scale.at(point.value), size, look="mark hollow" if point.hollow else "mark"))
    return marks


def _runs(points: Sequence[Point], days: Days) -> list[list[Point]]:
    """The points of consecutive days, or months, together."""
    runs: list[list[Point]] = []
    for point in points:
        if runs and point.day - runs[-1][-1].day <= days.apart:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _version_lines(versions: Mapping[date, str], days: Days, top: float, bottom: float) -> list[str]:
    marks: list[str] = []
    free_from = 0.0
    for day, version in sorted(versions.items()):
        x = days.at(day) - days.width / 2
        marks.append(svg.line(x, top - 2, x, bottom, look="version"))
        words = svg.shortened(f"v{version}", 8)
        width = 7.0 * len(words)
        if x >= free_from:
            at_the_end = x + width > _RIGHT
            marks.append(
                svg.text(words, x - 3 if at_the_end else x + 3, top - 3, anchor="end" if at_the_end else "start")
            )
            free_from = x + width + 6
    return marks


def _day_labels(days: Days, bottom: float) -> list[str]:
    """The last day always, and others as far as there is room."""
    span = days.last - days.first
    marks = []
    for part in (0, 1, 2) if span > 3 * days.apart else (0, 2) if span else (2,):
        day = days.first + timedelta(days=span.days * part // 2)
        anchor = ("start", "middle", "end")[part]
        x = (_LEFT, days.at(day), _RIGHT)[part]
        marks.append(svg.text(days.label(day), x, bottom + 15, anchor=anchor))
        marks.append(svg.line(days.at(day), bottom, days.at(day), bottom + 3, look="axis"))
    return marks
