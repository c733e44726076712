"""What an AI/BI dashboard's page is made of, as the dashboard's JSON wants it (widgets, their place, their fields).

The format is that of a dashboard that was exported from a workspace (`.lvdash.json`); each kind of widget has a version
of its own, and a field of a widget's query is known by its name in the encodings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from databricks_steps.clusters import Json

COLUMNS = 6
"""Of a page's grid."""

_COUNTER, _TABLE, _CHART = 2, 2, 3
"""Versions of the widgets' specifications."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column of a dataset, as a widget shows it."""

    column: str
    title: str
    format: str | None = None
    """`usd`, `percent`, `count` or `number`; None leaves it as it is."""


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A widget without its place."""

    width: int
    height: int
    content: Json


def text(name: str, markdown: str, *, height: int = 1) -> Widget:
    """A heading or a paragraph over the whole width."""
    return Widget(width=COLUMNS, height=height, content={"name": name, "multilineTextboxSpec": {"lines": [markdown]}})


def counter(name: str, title: str, dataset: str, value: Field, *, width: int = 2) -> Widget:
    """One number of a dataset with one row."""
    return _widget(
        name, title, dataset, [value], version=_COUNTER, kind="counter", encodings={"value": _shown(value)}, width=width
    )


def table(name: str, title: str, dataset: str, columns: Sequence[Field], *, height: int = 8) -> Widget:
    """The rows of a dataset in its order, over the whole width."""
    return _widget(
        name,
        title,
        dataset,
        columns,
        version=_TABLE,
        kind="table",
        encodings={"columns": [_shown(column) for column in columns]},
        width=COLUMNS,
        height=height,
    )


def bars(  # noqa: PLR0913 - what a chart needs
    name: str,
    title: str,
    dataset: str,
    *,
    by: Field,
    value: Field,
    split: Field | None = None,
    scale: str = "categorical",
    width: int = 3,
) -> Widget:
    """A bar for each value of `by`, side by side where `split` tells several apart."""
    widget = _chart("bar", name, title, dataset, along=by, value=value, split=split, scale=scale, width=width)
    if split is not None:
        widget.content["spec"]["mark"] = {"layout": "group"}
    return widget


def line(  # noqa: PLR0913 - what a chart needs
    name: str,
    title: str,
    dataset: str,
    *,
    over: Field,
    value: Field,
    split: Field | None = None,
    scale: str = "temporal",
    width: int = 3,
) -> Widget:
    """A line over time, or along a number; a line each where `split` tells several apart."""
    return _chart("line", name, title, dataset, along=over, value=value, split=split, scale=scale, width=width)


def placed(widgets: Sequence[Widget]) -> list[Json]:
    """The widgets from left to right, in rows as high as their highest widget."""
    layout: list[Json] = []
    x = y = row = 0
    for widget in widgets:
        if x + widget.width > COLUMNS:
            x, y, row = 0, y + row, 0
        position = {"x": x, "y": y, "width": widget.width, "height": widget.height}
        layout.append({"widget": widget.content, "position": position})
        x, row = x + widget.width, max(row, widget.height)
    return layout


def _chart(  # noqa: PLR0913 - what a chart needs
    kind: str,
    name: str,
    title: str,
    dataset: str,
    *,
    along: Field,
    value: Field,
    split: Field | None,
    scale: str,
    width: int,
) -> Widget:
    encodings: Json = {
        "x": _shown(along) | {"scale": {"type": scale}},
        "y": _shown(value) | {"scale": {"type": "quantitative"}},
    }
    if split is not None:
        encodings["color"] = _shown(split) | {"scale": {"type": "categorical"}}
    fields = [along, value, *([split] if split else [])]
    return _widget(name, title, dataset, fields, version=_CHART, kind=kind, encodings=encodings, width=width, height=6)


def _widget(  # noqa: PLR0913 - what a widget needs
    name: str,
    title: str,
    dataset: str,
    fields: Sequence[Field],
    *,
    version: int,
    kind: str,
    encodings: Json,
    width: int,
    height: int = 3,
) -> Widget:
    query = {
        "datasetName": dataset,
        "fields": [{"name": field.column, "expression": f"`{field.column}`"} for field in fields],
        # The datasets are the sums that are shown: a widget adds nothing up.
        "disaggregated": True,
    }
    return Widget(
        width=width,
        height=height,
        content={
            "name": name,
            "queries": [{"name": "main_query", "query": query}],
            "spec": {
                "version": version,
                "widgetType": kind,
                "encodings": encodings,
                "frame": {"showTitle": True, "title": title},
            },
        },
    )


def _shown(field: Field) -> Json:
    shown: Json = {"fieldName": field.column, "displayName": field.title}
    return shown if field.format is None else shown | {"format": _FORMATS[field.format]}


_FORMATS: Json = {
    "usd": {"type": "number-currency", "currencyCode": "USD", "decimalPlaces": {"type": "exact", "places": 0}},
    "percent": {"type": "number-percent", "decimalPlaces": {"type": "max", "places": 1}},
    "count": {"type": "number", "decimalPlaces": {"type": "exact", "places": 0}},
    "number": {"type": "number", "decimalPlaces": {"type": "max", "places": 3}},
}
