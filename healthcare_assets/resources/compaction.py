"""What looking after a table's files consists of, and what comes of it, whichever engine does it."""

from dataclasses import dataclass

from healthcare_assets.errors import LakehouseError
from healthcare_assets.policy import MaintenanceRules

_LEAST_RETENTION_DAYS = 7
"""Delta's own least: a reader or writer that began before may still need a file that is no longer the table's."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The files that a table consists of."""

    files: int
    size: int
    """In bytes."""


@dataclass(frozen=True, kw_only=True)
class Compaction:
    """A table's files before and after; its rows are the same."""

    before: Stored
    after: Stored
    deleted: int
    """Files that no version of the retained past consists of, and that are gone from the disk."""


def check_rules(rules: MaintenanceRules) -> None:
    """LakehouseError for a retention under which files would vanish that others are reading."""
    if rules.retention_days < _LEAST_RETENTION_DAYS:
        raise LakehouseError(
            f"The policy retains {rules.retention_days} days of replaced files, and Delta demands "
            f"{_LEAST_RETENTION_DAYS}: readers and writers that began earlier need them. Raise retention_days."
        )
