"""Values over levels that follow one another, as ages do: a line, intervals, and gaps where nothing may be shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from healthcare_assets.domain.monitoring import svg

_LEFT, _RIGHT = 46.0, svg.WIDTH - 8.0
_TOP, _AXIS = 8.0, 20.0
_ROOM = 0.06


@dataclass(frozen=True, kw_only=True)
class Place:
    """A level of the curve."""

    label: str
    value: float | None
    """None: not to be shown, or of nobody."""
    lower: float | None = None
    upper: float | None = None
    other: float | None = None
    """A second value, drawn hollow."""


def drawn(places: Sequence[Place], form: Callable[[float], str], *, height: float = 150.0) -> tuple[float, list[str]]:
    """Height and marks of the chart; about five of the levels are written at the axis."""
    bottom = _TOP + height
    values = [v for place in places for v in (place.value, place.lower, place.upper, place.other) if v is not None]
    high = max(values, default=1.0)
    scale = svg.Scale(low=min([0.0, *values]), high=high * (1.0 + _ROOM) or 1.0, start=bottom, end=_TOP)
    marks = []
    for value in svg.ticks(scale.low, scale.high, most=4):
        marks.append(svg.line(_LEFT, scale.at(value), _RIGHT, scale.at(value), look="grid"))
        marks.append(svg.text(form(value), _LEFT - 5, scale.at(value) + 4, anchor="end"))
    marks += _labels(places, bottom)
    return bottom + _AXIS, [*marks, *_values(places, scale)]


def _values(places: Sequence[Place], scale: svg.Scale) -> list[str]:
    across = _across(places)
    marks = [
        svg.line(x, scale.at(place.lower), x, scale.at(place.upper), look="interval")
        for x, place in zip(across, places, strict=True)
        if place.lower is not None and place.upper is not None
    ]
    run: list[tuple[float, float]] = []
    for x, place in zip([*across, 0.0], [*places, None], strict=True):
        if place is not None and place.value is not None:
            run.append((x, scale.at(place.value)))
            continue
        marks += [svg.polyline(run, look="line")] if len(run) > 1 else []
        marks += [svg.dot(*run[0], 1.6, look="mark")] if len(run) == 1 else []
        run = []
    marks += [
        svg.dot(x, scale.at(place.other), 1.8, look="mark hollow")
        for x, place in zip(across, places, strict=True)
        if place.other is not None
    ]
    return marks


def _across(places: Sequence[Place]) -> list[float]:
    step = (_RIGHT - _LEFT) / max(len(places), 1)
    return [_LEFT + step * (number + 0.5) for number in range(len(places))]


def _labels(places: Sequence[Place], bottom: float) -> list[str]:
    marks = []
    last = len(places) - 1
    for part in range(5) if last >= 4 else range(0):  # noqa: PLR2004
        number = last * part // 4
        x = _across(places)[number]
        anchor = "start" if part == 0 else "end" if number == last else "middle"
        marks.append(svg.line(x, bottom, x, bottom + 3, look="axis"))
        marks.append(svg.text(places[number].label, x, bottom + 15, anchor=anchor))
    return marks
