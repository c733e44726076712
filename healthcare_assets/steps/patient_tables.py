"""What has to be done to every table that has a row a patient: days and undated tables written anew, range by range."""

from collections.abc import Callable, Iterable
from datetime import date

from healthcare_assets.domain.columns import PATIENT_KEY, Table
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.steps.runtime import content_of, ranges_of

PATIENT_TABLES: tuple[Table, ...] = tuple(table for table in TABLES.values() if PATIENT_KEY.name in table.column_names)
"""The tables that bear pseudonyms. Bronze, which bears ids, is not among them."""


def versions(lakehouse: Lakehouse, tables: Iterable[Table] = PATIENT_TABLES) -> dict[str, int]:
    """The tables that are there, with their versions: what goes on record of a work that was done in several goes."""
    found = {table.name: lakehouse.version(table) for table in tables}
    return {name: version for name, version in found.items() if version is not None}


def rewrite(
    lakehouse: Lakehouse, table: Table, change: Callable[[Frame], Frame], *, day: date | None, note: str
) -> int:
    """Replace the day, or the whole of an undated table, with what `change` makes of it; returns the rows written."""
    changed = change(lakehouse.scan(table, day=day))
    parts = lakehouse.divided(changed, ranges_of(lakehouse, lakehouse.scan(table, day=day)))
    if day is None:
        return lakehouse.replace(table, *parts, note=note)
    return lakehouse.replace_day(table, day, *(content_of(table, part) for part in parts), note=note)
