"""Figures as Dagster's UI shows them: a picture and a table in Markdown, and numbers that it draws over partitions."""

from collections.abc import Mapping, Sequence
from typing import Any

from healthcare_assets.domain.figures.figure import Figure, in_markdown
from healthcare_assets.domain.small_cells import counted, is_small
from healthcare_assets.steps.report import Markdown, MetadataEntry


def shown(figures: Mapping[str, Figure]) -> dict[str, Markdown]:
    """A metadata entry a figure, by its name."""
    return {name: Markdown(in_markdown(figure)) for name, figure in figures.items()}


def numbers(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, MetadataEntry]:
    """Figures of a published row as numbers; what is withheld, or not known, is left out."""
    return {name: row[name] for name in names if row.get(name) is not None}


def told(count: int) -> int | str:
    """The count as it may be told: a number, or that it is few."""
    return counted(count) if is_small(count) else count
