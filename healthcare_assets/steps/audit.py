"""`audit_trail` → whether it is whole, and whether the tables are as it says."""

from typing import Any

from healthcare_assets.domain.audit import (
    AUDIT_TRAIL,
    Verification,
    tables_behind_the_record,
    tables_off_the_record,
    verify,
)
from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.steps.recording import kept_head
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime

CHAIN, ON_RECORD = "audit_chain_whole", "tables_on_record"


def run(runtime: Runtime) -> StepReport:
    found, unrecorded = examine(runtime)
    return (
        AssetReport(
            asset=AUDIT_TRAIL.name,
            location=runtime.lakehouse.location(AUDIT_TRAIL),
            rows_in_table=found.entries,
            metadata={"verified_through": str(found.head)},
            checks=(
                CheckOutcome(
                    name=CHAIN,
                    passed=not found.faults,
                    description=_told(found.faults) or f"All {found.entries} entries follow each other unchanged.",
                    metadata={"entries": found.entries, "faults": len(found.faults)},
                ),
                CheckOutcome(
                    name=ON_RECORD,
                    passed=not unrecorded,
                    severity="warning",
                    description=_told(unrecorded) or "Every table's present version is on record.",
                    metadata={"tables_off_the_record": len(unrecorded)},
                ),
            ),
        ),
    )


def examine(runtime: Runtime) -> tuple[Verification, list[str]]:
    """What the trail says of itself, and where the tables are not as it says: written to without an entry, or without
    what an entry says was written."""
    found, differing, _ = examined(runtime)
    return found, differing


def examined(runtime: Runtime) -> tuple[Verification, list[str], list[dict[str, Any]]]:
    """As `examine`, with the entries that were read for it."""
    lakehouse = runtime.lakehouse
    # Before the trail is read: what a step writes meanwhile is on record by the time that it is asked for.
    before = _versions(lakehouse)
    known_head = kept_head(runtime.settings)
    rows = entries(lakehouse)
    # And after it: what is on record by then has long been written.
    differing = [*tables_off_the_record(rows, before), *tables_behind_the_record(rows, _versions(lakehouse))]
    return verify(rows, known_head=known_head), differing, rows


def _versions(lakehouse: Lakehouse) -> dict[str, int | None]:
    return {table.name: lakehouse.version(table) for table in TABLES.values() if table is not AUDIT_TRAIL}


def _told(faults: tuple[str, ...] | list[str]) -> str:
    return " ".join(f"{fault[0].upper()}{fault[1:]}." for fault in faults)
