"""Which of a source's columns are the declared ones, and what is wrong with a header that does not do."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from healthcare_assets.domain.monitoring.outcomes import OUTCOME_SOURCE_COLUMNS, REQUIRED_OUTCOME_COLUMNS
from healthcare_assets.domain.tables import REQUIRED_SOURCE_COLUMNS, SOURCE_COLUMNS
from healthcare_assets.errors import SourceError

_LISTED_NAMES = 30
_LISTED_CHARACTERS = 40


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The columns that a kind of source may carry."""

    names: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]
    """Each group needs at least one of its columns."""
    dated_by: tuple[str, ...]
    """The columns that can say to which day a record belongs: the first of them that a source has does."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where a source has its own names: these, as `plain` makes them, with ours. Then no other column is ours."""

    @property
    def expected(self) -> str:
        """End of a sentence that tells what a source must carry."""
        return f"expected are at least the columns {', '.join(' or '.join(group) for group in self.required)}"

    def ours(self, name: str) -> str | None:
        """The declared column that a source's is: `Patient ID`, `patient-id` and `PatientID` are `patient_id`."""
        if self.sources:
            return self.sources.get(plain(name))
        return next((known for known in self.names if plain(known) == plain(name)), None)

    def matches(self, names: Sequence[str]) -> int:
        """How many declared columns are among the names."""
        return len({self.ours(name) for name in names} - {None})


def plain(name: str) -> str:
    """A column's name without regard to case, blanks, hyphens and underscores."""
    return re.sub(r"[\s\-_]+", "", name.casefold())


PATIENT_COLUMNS = Declared(names=SOURCE_COLUMNS, required=REQUIRED_SOURCE_COLUMNS, dated_by=("timestamp",))
"""Of patient records."""

OUTCOME_COLUMNS = Declared(
    names=OUTCOME_SOURCE_COLUMNS,
    required=tuple((name,) for name in REQUIRED_OUTCOME_COLUMNS),
    dated_by=("known_date", "service_date"),
)
"""Of costs as they become known."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a source by position: the declared ones by their declared name, the others by their own."""

    width: int
    declared: Mapping[str, int]
    undeclared: Mapping[str, int]

    @property
    def has_ids(self) -> bool:
        return "patient_id" in self.declared


def match_header(names: Sequence[str], *, place: str, declared: Declared = PATIENT_COLUMNS) -> Header:
    """Match a source's column names to the declared ones.

    Raises SourceError, naming the place, when no name is a declared one, when one occurs twice or when a required one
    is missing. A header that lacks half of what is required is not quoted: it may be the first patient's record, of
    which a cell happens to be called like a column (`smoker` is what some sources write for yes).
    """
    labels = [name.strip() or f"column_{position}" for position, name in enumerate(names, start=1)]
    found = [declared.ours(label) for label in labels]
    if not any(found):
        raise SourceError(f"{place} names none of the known columns in its header: {declared.expected}.")
    missing = [" or ".join(group) for group in declared.required if not set(group) & set(found)]
    is_header = not missing or 2 * len(missing) < len(declared.required)
    quotable = labels if is_header else [name for name in found if name]
    twice = [name for name, count in Counter(map(_matched, labels, found)).items() if count > 1]
    if twice and is_header:
        raise SourceError(f"{place} has the column {_listed(twice)} twice: rename or remove one of them.")
    if missing:
        raise SourceError(
            f"{place} has no column {', '.join(missing)}: add or rename it; found were {_listed(quotable)}."
        )
    positions = {name: position for position, name in enumerate(found)}
    return Header(
        width=len(labels),
        declared={name: positions[name] for name in declared.names if name in positions},
        undeclared={label: position for position, label in enumerate(labels) if found[position] is None},
    )


def _matched(label: str, ours: str | None) -> str:
    """What may be there once: a column of ours, else the label, blanks and hyphens being underscores."""
    return ours or re.sub(r"[\s\-]+", "_", label.strip().casefold())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(" ".join(name.split())[:_LISTED_CHARACTERS] for name in names[:_LISTED_NAMES])
    return shown if len(names) <= _LISTED_NAMES else f"{shown} and {len(names) - _LISTED_NAMES} more"
