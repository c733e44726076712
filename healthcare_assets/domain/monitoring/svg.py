"""Charts as inline SVG that say in words what they show: no script, no picture, a few kilobytes each.

Drawn for a width of 340 units, which is what a phone shows, so that text stays readable on it; colours and sizes of
text come from the page's style. A library that draws would cost seconds a day.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healthcare_assets.domain.page import escaped
from healthcare_assets.domain.small_cells import round_step

WIDTH = 340.0
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From values to units of the chart, linear, clipped to its ends."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)


def ticks(low: float, high: float, *, most: int) -> list[float]:
    """Round values from low to high, `most` or fewer."""
    if not high > low:
        return [low]
    step = round_step((high - low) / most)
    first, last = math.ceil(low / step - _ROUNDING), math.floor(high / step + _ROUNDING)
    return [number * step for number in range(first, last + 1)]


def element(name: str, *children: str, **attributes: float | str) -> str:
    """An element around children that are markup already; attributes are text, `_` stands for `-`."""
    said = "".join(f' {_attribute(key)}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{said}>{''.join(children)}</{name}>" if children else f"<{name}{said}/>"


def chart(  # noqa: PLR0913 - what a chart consists of
    identity: str, title: str, description: str, height: float, marks: Iterable[str], *, scale: float | None = None
) -> str:
    """The chart around its marks; `identity` is its own on the page.

    It is as wide as the page has room; with a `scale` it is a picture by itself, so many times as large as drawn.
    """
    size = {} if scale is None else {"width": WIDTH * scale, "height": height * scale}
    return element(
        "svg",
        element("title", escaped(title), id=f"{identity}-title"),
        element("desc", escaped(description), id=f"{identity}-desc"),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_labelledby=f"{identity}-title",
        aria_describedby=f"{identity}-desc",
        class_="chart",
        **size,
    )


def text(words: str, x: float, y: float, *, look: str = "label", anchor: str = "start") -> str:
    """A line of text; `y` is its base line."""
    return element("text", escaped(words), x=x, y=y, class_=look, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, *, look: str) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=look)


def rectangle(x: float, y: float, width: float, height: float, *, look: str) -> str:
    return element("rect", x=x, y=y, width=width, height=height, class_=look)


def polyline(points: Sequence[tuple[float, float]], *, look: str) -> str:
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=look)


def dot(x: float, y: float, radius: float, *, look: str) -> str:
    return element("circle", cx=x, cy=y, r=radius, class_=look)


def triangle(x: float, y: float, size: float, *, look: str = "alert") -> str:
    """Pointing up, around its middle: the shape of whatever asks for attention."""
    return _path([(x - size, y + size * 0.8), (x + size, y + size * 0.8), (x, y - size)], look=look)


def diamond(x: float, y: float, size: float, *, look: str) -> str:
    return _path([(x - size, y), (x, y - size), (x + size, y), (x, y + size)], look=look)


def arrow(x: float, y: float, *, right: bool, look: str) -> str:
    """Where something goes on beyond the chart."""
    tip = 5.0 if right else -5.0
    return _path([(x, y - 4.0), (x + tip, y), (x, y + 4.0)], look=look)


def shortened(words: str, most: int) -> str:
    """At most so many characters."""
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _path(points: Sequence[tuple[float, float]], *, look: str) -> str:
    return element("path", d=f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in points)}Z", class_=look)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: float | str) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, int | float) else escaped(value)
