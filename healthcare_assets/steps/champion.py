"""The moves of the champion alias: each is written down before it happens; and the way back to the previous one."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.tables import CHAMPION_HISTORY
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.steps.patient_tables import versions
from healthcare_assets.steps.recording import record
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime, row_count


def append_move(  # noqa: PLR0913 - what the record of a move consists of
    runtime: Runtime,
    *,
    action: Literal["promotion", "rollback"],
    to: ModelVersion,
    instead_of: ModelVersion | None,
    who: str,
    why: str,
    verdict_id: str | None = None,
) -> None:
    """Write down a move that is about to happen."""
    lakehouse = runtime.lakehouse
    before = lakehouse.collect(lakehouse.scan(CHAMPION_HISTORY).select(nw.col("moved_at").max())).to_pylist()
    row = {
        "move_id": str(uuid4()),
        "action": action,
        "model_name": to.name,
        "model_version": to.version,
        "replaced_version": instead_of.version if instead_of else None,
        "who": who,
        "why": why,
        "verdict_id": verdict_id,
        "dagster_run_id": runtime.run_id,
        # Not the run's beginning: of two moves the one that waited for the other has to come second.
        "moved_at": after(before[0]["moved_at"] if before else None, datetime.now(UTC)),
    }
    batch = pa.RecordBatch.from_pylist([row], schema=arrow_schema(CHAMPION_HISTORY.columns))
    lakehouse.append(CHAMPION_HISTORY, lakehouse.from_batches([batch], columns=CHAMPION_HISTORY.columns))
    record(
        runtime,
        "promoted" if action == "promotion" else "rolled back",
        f"version {to.version} of {to.name}",
        who=who,
        why=why,
        written=versions(lakehouse, [CHAMPION_HISTORY]),
        detail={"move_id": row["move_id"], "replaced_version": row["replaced_version"], "verdict_id": verdict_id},
    )


def after(last: datetime | None, now: datetime) -> datetime:
    """Now, or just after the last one where a clock was set back: the order of moves says who is champion, and that of
    verdicts which one holds."""
    return now if last is None else max(now, last.astimezone(UTC) + timedelta(microseconds=1))


def operate(runtime: Runtime, *, who: str, why: str) -> StepReport:
    """Roll back: the previous champion is champion again; scoring follows with its next run. Nothing is scored anew.

    Raises RegistryError when there is no previous champion.
    """
    registry, lakehouse = runtime.registry, runtime.lakehouse

    def write_down(champion: ModelVersion, previous: ModelVersion) -> None:
        append_move(runtime, action="rollback", to=previous, instead_of=champion, who=who, why=why)

    gone, back = registry.roll_back(write_down)
    registry.describe(
        gone, tags={"compliance_status": "rolled back", "rolled_back_by": who, "rolled_back_because": why}
    )
    runtime.log(f"Version {back.version} is champion again, instead of version {gone.version}.")
    return (
        AssetReport(
            asset=CHAMPION_HISTORY.name,
            location=lakehouse.location(CHAMPION_HISTORY),
            rows_in_table=row_count(lakehouse, lakehouse.scan(CHAMPION_HISTORY)),
            metadata={"champion": back.version, "replaced": gone.version, "who": who, "why": why},
        ),
    )
