"""What a step says of its work, in values that travel: a launcher turns them into Dagster's events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # A launcher reads reports, and is loaded with the definitions, which import no engine.
    from healthcare_assets.domain.checks import CheckOutcome


@dataclass(frozen=True)
class Markdown:
    """A text that is shown formatted."""

    text: str


@dataclass(frozen=True)
class Link:
    """A page or file that can be opened."""

    url: str


MetadataEntry = str | int | float | bool | Markdown | Link


@dataclass(frozen=True, kw_only=True)
class AssetReport:
    """What became of one asset."""

    asset: str
    location: str
    """Where it lies: a path, a table name or a model URI."""
    rows: int | None = None
    """Rows written for the day, where the asset is a table with days."""
    rows_in_table: int | None = None
    """Rows of the whole table, where it has no days."""
    metadata: Mapping[str, MetadataEntry] = field(default_factory=dict)
    checks: "tuple[CheckOutcome, ...]" = ()
    data_version: str | None = None


StepReport = tuple[AssetReport, ...]
"""One entry an asset, in the order in which they were written."""
