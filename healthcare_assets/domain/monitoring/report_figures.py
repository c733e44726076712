"""Figures as a reader expects them, and as small cells allow them."""

import math
from collections.abc import Iterable
from datetime import date

from healthcare_assets.domain.small_cells import counted, is_small

UNKNOWN = "not known"
NOT_SHOWN = "not shown"

_EXACT_FROM = 1000.0
_SMALLEST = 0.001


def finite(value: float | None) -> float | None:
    """The value, or None where it is none."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None) -> str:
    """Three significant digits, whole numbers from 1,000 on."""
    value = finite(value)
    if value is None:
        return UNKNOWN
    if 0 < abs(value) < _SMALLEST:
        return "< 0.001" if value > 0 else "> −0.001"
    return _minus(f"{value:,.0f}" if abs(value) >= _EXACT_FROM else f"{value:.3g}")


def percent(share: float | None, *, signed: bool = False) -> str:
    """Of a share (0.1 is 10 %)."""
    if (share := finite(share)) is None:
        return UNKNOWN
    return f"{'+' if signed and share > 0 else ''}{number(100.0 * share)} %"


def dollars(amount: float | None) -> str:
    """Whole US dollars from a hundred on."""
    if (amount := finite(amount)) is None:
        return UNKNOWN
    return f"{'−' if amount < 0 else ''}${abs(amount):,.0f}"


def short_dollars(amount: float) -> str:
    """For an axis: thousands and millions by a letter."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(amount) >= unit:
            return f"{'−' if amount < 0 else ''}${abs(amount) / unit:g}{letter}"
    return f"{'−' if amount < 0 else ''}${abs(amount):g}"


def day_month(day: date) -> str:
    """Short, for an axis, and without what depends on a locale."""
    return f"{day.day} {_MONTHS[day.month - 1]}"


def month_year(day: date) -> str:
    """The month that the day lies in."""
    return f"{_MONTHS[day.month - 1]} {day.year}"


def name(column: str) -> str:
    """The column's name in words."""
    words = column.replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]}"


def count_beside(count: int, beside: Iterable[int]) -> str:
    """The count as it may stand next to others on the page: none of the differences may be 1 to 10 patients either."""
    near = next((other for other in beside if is_small(abs(count - other)) and not is_small(other)), None)
    return counted(count) if near is None or is_small(count) else f"about {near:,}"


def plural(count: int, what: str) -> str:
    """`1 day`, `2 days`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _minus(text: str) -> str:
    return text.replace("-", "−")


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
