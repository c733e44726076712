"""The care team's list as cells of a CSV file, of which no spreadsheet makes a formula."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.care_words import SEPARATOR
from healthcare_assets.domain.columns import Column

COLUMNS = tuple(column for column in CARE_MANAGEMENT.columns if column.name != "within_capacity")
"""All but whether the team can call them, which all those who are exported can be."""
HEADER = tuple(column.name for column in COLUMNS)

_DECIMALS: Mapping[str, int] = {"predicted_charges": 2, "charges_lower": 2, "charges_upper": 2}
_SCORE_DECIMALS = 3
"""As fine as a percentile among 50,000."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula."""


def cells(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Each row as text: amounts to the cent, days as ISO has them, nothing for null."""
    return ([_cell(column, row[column.name]) for column in COLUMNS] for row in rows)


def _cell(column: Column, value: Any) -> str:  # noqa: ANN401 - a value of the column's type
    if value is None:
        return ""
    if column.type == "float":
        return f"{value:.{_DECIMALS.get(column.name, _SCORE_DECIMALS)}f}"
    if column.type in ("integer", "date"):
        return str(value)
    text = SEPARATOR.join(reason["text"] for reason in value) if column.type == "reason_codes" else str(value)
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text
