"""Predicted charges by group, as the site and an asset's materialisation show them."""

from collections.abc import Sequence

import narwhals as nw

from healthcare_assets.domain.figures.costs import ChargesOf
from healthcare_assets.resources.lakehouse import Frame, Lakehouse

_MEANS = {"predicted": "predicted_charges", "lower": "charges_lower", "upper": "charges_upper"}


def charges_by(lakehouse: Lakehouse, predicted: Frame, column: str, labels: Sequence[str]) -> list[ChargesOf]:
    """A group a label, in their order: the patients whose `column` has it, and the means of what they are predicted."""
    grouped = predicted.group_by(column).agg(
        nw.len().cast(nw.Int64).alias("patients"), *(nw.col(of).mean().alias(name) for name, of in _MEANS.items())
    )
    found = {row.pop(column): row for row in lakehouse.collect(grouped).to_pylist()}
    return [ChargesOf(label=label, **found.get(label, {"patients": 0})) for label in labels]
