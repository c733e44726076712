"""A step's runtime for tests: real tables, a real registry, a fixed clock and key."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from healthcare_assets.environments import settings_from
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps.runtime import Runtime

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = "a secret of the tests, long enough"


def runtime_at(  # noqa: PLR0913 - each names a place
    home: Path,
    *,
    lakehouse: Lakehouse | None = None,
    source: str | None = None,
    source_columns: Path | None = None,
    outcomes: str | None = None,
    log: Callable[[str], None] = lambda _: None,
    key: str | None = KEY,
    next_key: str = "",
    care_capacity: int | None = None,
) -> Runtime:
    """A runtime whose everything lies in `home`; with a lakehouse of its own when one is given."""
    variables: Mapping[str, str] = {
        "HEALTHCARE_HOME": str(home),
        "HEALTHCARE_SOURCE": source or "",
        "HEALTHCARE_SOURCE_COLUMNS": str(source_columns or ""),
        "HEALTHCARE_OUTCOMES": outcomes or "",
        "HEALTHCARE_PSEUDONYM_KEY": key or "",
        "HEALTHCARE_PSEUDONYM_KEY_NEXT": next_key,
        "HEALTHCARE_CARE_CAPACITY": str(care_capacity or ""),
    }
    runtime = Runtime(settings=settings_from(variables), now=NOW, run_id="test-run", log=log, code_version="test")
    if lakehouse is not None:
        runtime.__dict__["lakehouse"] = lakehouse  # a cached property, filled before it is first asked
    return runtime
