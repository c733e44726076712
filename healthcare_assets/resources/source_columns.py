"""Which of a source's columns are the declared ones, and what is wrong with a header that does not do."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthcare_assets.domain.tables import REQUIRED_SOURCE_COLUMNS, SOURCE_COLUMNS
from healthcare_assets.errors import SourceError

_BARE_NAMES = {name.replace("_", ""): name for name in SOURCE_COLUMNS}
_LISTED_NAMES = 30
_LISTED_CHARACTERS = 40

_EXPECTED = ", ".join(" or ".join(group) for group in REQUIRED_SOURCE_COLUMNS)
EXPECTED_COLUMNS = f"expected are at least the columns {_EXPECTED}"
"""End of a sentence that tells what a source must carry."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a source by position: the declared ones by their declared name, the others by their own."""

    width: int
    declared: Mapping[str, int]
    undeclared: Mapping[str, int]

    @property
    def has_ids(self) -> bool:
        return "patient_id" in self.declared


def folded_name(name: str) -> str:
    """The name as it is matched: `Patient ID`, `patient-id` and `PatientID` are `patient_id`."""
    folded = re.sub(r"[\s\-]+", "_", name.strip().casefold())
    return _BARE_NAMES.get(folded.replace("_", ""), folded)


def match_header(names: Sequence[str], *, place: str) -> Header:
    """Match a source's column names to the declared ones.

    Raises SourceError, naming the place, when no name is a declared one, when one occurs twice or when a required one
    is missing. A header without any declared name is not quoted: it may be the first patient's record.
    """
    labels = [name.strip() or f"column_{position}" for position, name in enumerate(names, start=1)]
    folded = [folded_name(label) for label in labels]
    if not set(folded) & set(SOURCE_COLUMNS):
        raise SourceError(f"{place} names none of the known columns in its header: {EXPECTED_COLUMNS}.")
    twice = [name for name, count in Counter(folded).items() if count > 1]
    if twice:
        raise SourceError(f"{place} has the column {_listed(twice)} twice: rename or remove one of them.")
    missing = [" or ".join(group) for group in REQUIRED_SOURCE_COLUMNS if not set(group) & set(folded)]
    if missing:
        raise SourceError(
            f"{place} has no column {', '.join(missing)}: add or rename it; found were {_listed(labels)}."
        )
    positions = dict(zip(folded, range(len(folded)), strict=True))
    return Header(
        width=len(labels),
        declared={name: positions[name] for name in SOURCE_COLUMNS if name in positions},
        undeclared={label: position for position, label in enumerate(labels) if folded[position] not in SOURCE_COLUMNS},
    )


def declared_matches(names: Sequence[str]) -> int:
    """How many of the names are declared columns."""
    return len({folded_name(name) for name in names} & set(SOURCE_COLUMNS))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:_LISTED_CHARACTERS] for name in names[:_LISTED_NAMES])
    return shown if len(names) <= _LISTED_NAMES else f"{shown} and {len(names) - _LISTED_NAMES} more"
