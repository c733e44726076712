"""A chart with what it says in words and in numbers: on a page as markup, in Markdown as a picture beside a table."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from healthcare_assets.domain.markdown import one_line, table
from healthcare_assets.domain.monitoring import svg
from healthcare_assets.domain.monitoring.report_parts import card, key
from healthcare_assets.domain.monitoring.report_parts import figures as as_figures
from healthcare_assets.domain.monitoring.report_style import PICTURE_STYLE
from healthcare_assets.domain.page import table as html_table

WITHHELD = "withheld"
"""Of a figure that would tell of 1 to 10 persons."""
NOBODY = "–"
"""Of a figure that stands for nobody."""

_INLINE_SVG = "data:image/svg+xml;base64,"
_MOST_ROWS = 31
"""Of a table in Markdown, which is stored with every materialisation."""
_SCALE = 1.6
"""Of a picture, whose text would otherwise be smaller than that around it."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart and its table, which has every number of the chart."""

    identity: str
    """Its own on a page."""
    title: str
    description: str
    """What is to be seen, for whoever does not see it."""
    height: float
    marks: Sequence[str]
    """Of `svg`, for a chart that is `svg.WIDTH` wide."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[int] = ()
    """Positions of columns that hold words, beside the first."""
    said: Sequence[str] = ()
    """Sentences above the chart."""
    legend: Sequence[tuple[str, str]] = ()
    """Looks (see `report_style`) and what they stand for."""
    every: int = 1
    """Of the rows of a long table, which ones are enough beside the picture: the first of so many."""

    @property
    def chart(self) -> str:
        """The chart as an element of a page."""
        return svg.chart(self.identity, self.title, self.description, self.height, self.marks)


def beside(figure: Figure) -> str:
    """The chart in a card, and the table beside it, or below it where there is no room."""
    found = html_table(figure.title, figure.head, figure.rows, words=figure.words)
    return f'<div class="beside">\n{_card(figure)}{found}</div>\n'


def framed(figure: Figure) -> str:
    """The chart in a card, with its table for whoever opens it."""
    return _card(figure, as_figures(figure.title, figure.head, figure.rows, words=figure.words))


def picture(figure: Figure) -> str:
    """The chart as a picture in Markdown: what Dagster's UI shows of it, where inline SVG is thrown away."""
    marks = [
        svg.element("style", PICTURE_STYLE),
        svg.element("rect", width=svg.WIDTH, height=figure.height, style="fill: var(--card)"),
        *figure.marks,
    ]
    drawn = svg.chart(figure.identity, figure.title, figure.description, figure.height, marks, scale=_SCALE)
    words = one_line(f"{figure.title}. {figure.description}").replace("[", "(").replace("]", ")")
    return f"![{words}]({_INLINE_SVG}{base64.b64encode(drawn.encode()).decode('ascii')})"


def in_markdown(figure: Figure) -> str:
    """The picture, what is said of it, and its table."""
    legend = ", ".join(f"{_MARKS[look]} {words}" for look, words in figure.legend if look in _MARKS)
    rows = figure.rows[:: figure.every][:_MOST_ROWS]
    left = f"{len(rows)} of {len(figure.rows)} rows are shown." if len(rows) < len(figure.rows) else ""
    parts = (figure.title, legend, picture(figure), *figure.said, table(figure.head, rows), left)
    return "\n\n".join(part for part in parts if part)


_MARKS = {
    "dot": "●",
    "dot hollow": "○",
    "alert": "▲",
    "line": "━",
    "day": "■",
    "limit": "┅",
}
"""The looks of a legend where there is no style."""


def _card(figure: Figure, more: str = "") -> str:
    legend = key(*figure.legend) if figure.legend else ""
    return card(figure.title, legend + figure.chart + more, said=figure.said)
