"""A row a level: a bar from zero, or a point with its interval, and what it is in words at the end of the row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from healthcare_assets.domain.figures.figure import NOBODY, WITHHELD
from healthcare_assets.domain.monitoring import svg

_ROW, _TOP, _AXIS = 21.0, 6.0, 20.0
_LEFT, _RIGHT = 96.0, 262.0
_LABEL_CHARACTERS, _ROOM = 15, 0.06


@dataclass(frozen=True, kw_only=True)
class Level:
    """A row of the chart."""

    label: str
    value: float | None
    """None: not to be shown, or of nobody."""
    lower: float | None = None
    upper: float | None = None
    """The bounds of its interval; None where it has none."""
    other: float | None = None
    """A second value, drawn hollow."""
    heading: str | None = None
    """What stands above it: it begins another group of rows."""
    withheld: bool = False
    """Whether a value that is None is one that may not be shown."""
    alert: bool = False


@dataclass(frozen=True, kw_only=True)
class Axis:
    """How values are drawn and written."""

    form: Callable[[float], str]
    tick: Callable[[float], str]
    """As `form`, short."""
    bars: bool = False
    """Bars from zero; else points on an axis that begins where the values do."""
    limit: float | None = None
    """A value that is marked across all rows."""


def drawn(levels: Sequence[Level], axis: Axis) -> tuple[float, list[str]]:
    """Height and marks of the chart."""
    scale = _scale(levels, axis)
    bottom = _TOP + _ROW * (len(levels) + sum(level.heading is not None for level in levels))
    marks = []
    for value in svg.ticks(scale.low, scale.high, most=3):
        marks.append(svg.line(scale.at(value), _TOP, scale.at(value), bottom, look="grid"))
        marks.append(svg.text(axis.tick(value), scale.at(value), bottom + 15, anchor="middle"))
    y = _TOP + _ROW / 2
    for level in levels:
        if level.heading is not None:
            marks.append(svg.text(level.heading, 0.0, y + 4, look="name heading"))
            y += _ROW
        marks += _row(level, y, scale, axis)
        y += _ROW
    if axis.limit is not None:
        marks.append(svg.line(scale.at(axis.limit), _TOP, scale.at(axis.limit), bottom, look="limit"))
    return bottom + _AXIS, marks


def described(levels: Sequence[Level], form: Callable[[float], str]) -> str:
    """Every row in words."""
    return "; ".join(f"{level.label} {written(level, form)}" for level in levels) + "."


def written(level: Level, form: Callable[[float], str]) -> str:
    """The row's value in words."""
    if level.value is None:
        return WITHHELD if level.withheld else NOBODY
    return form(level.value)


def _scale(levels: Sequence[Level], axis: Axis) -> svg.Scale:
    values = [
        value for level in levels for value in (level.value, level.lower, level.upper, level.other) if value is not None
    ]
    values += [] if axis.limit is None else [axis.limit]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = _ROOM * (high - low) or abs(high) / 2 or 1.0
    if axis.bars:
        return svg.Scale(low=min(low, 0.0), high=max(high, 0.0) + room, start=_LEFT, end=_RIGHT)
    return svg.Scale(low=low - room if low < 0 else max(low - room, 0.0), high=high + room, start=_LEFT, end=_RIGHT)


def _row(level: Level, y: float, scale: svg.Scale, axis: Axis) -> list[str]:
    label = svg.text(svg.shortened(level.label, _LABEL_CHARACTERS), 0.0, y + 4, look="name")
    said = svg.text(written(level, axis.form), svg.WIDTH - 2, y + 4, anchor="end", look="value")
    if level.value is None:
        return [label, said]
    zero, x = scale.at(max(scale.low, 0.0)), scale.at(level.value)
    if axis.bars:
        bar = svg.rectangle(min(zero, x), y - 6, max(abs(x - zero), 0.5), 12, look="bar day")
        return [label, bar, said] + ([svg.triangle(_RIGHT + 8, y, 4.5)] if level.alert else [])
    marks = [label]
    if level.lower is not None and level.upper is not None:
        marks.append(svg.line(scale.at(level.lower), y, scale.at(level.upper), y, look="interval"))
    if level.other is not None:
        marks.append(svg.dot(scale.at(level.other), y, 4, look="mark hollow"))
    marks.append(svg.triangle(x, y, 5.5) if level.alert else svg.dot(x, y, 3.5, look="mark"))
    return [*marks, said]
