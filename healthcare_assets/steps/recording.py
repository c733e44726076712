"""Writing to the audit trail: each entry after the last one, whoever else writes at the same moment."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from healthcare_assets.domain.audit import AUDIT_TRAIL, Act, Action, Head, entry_after
from healthcare_assets.environments import Settings, made_folder
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.audit_rows import last_entry
from healthcare_assets.resources.lakehouse import Frame
from healthcare_assets.steps.report import AssetReport, MetadataEntry, StepReport
from healthcare_assets.steps.runtime import Runtime, row_count

_HEAD_FILE = "audit_head.txt"


def record(  # noqa: PLR0913 - what an entry consists of
    runtime: Runtime,
    action: Action,
    subject: str,
    *,
    day: date | None = None,
    who: str | None = None,
    why: str | None = None,
    read: Mapping[str, int] | None = None,
    written: Mapping[str, int] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Head:
    """Append an entry to the audit trail; the entry as the trail's head.

    `who` is who ordered the run unless it is given. LakehouseError when it cannot be written.
    """
    act = Act(
        action=action,
        subject=subject,
        day=day,
        who=who or runtime.ordered_by,
        why=why,
        run_id=runtime.run_id,
        code_version=runtime.code_version,
        read=read or {},
        written=written or {},
        detail=detail or {},
    )
    lakehouse, written_as = runtime.lakehouse, Head()

    def stage() -> tuple[Frame, int]:
        nonlocal written_as
        # Not the run's beginning: of two entries the one that waited for the other comes second.
        row = entry_after(last_entry(lakehouse), act, recorded_at=datetime.now(UTC))
        written_as = Head(sequence=row["sequence"], entry_hash=row["entry_hash"])
        batch = pa.RecordBatch.from_pylist([row], schema=arrow_schema(AUDIT_TRAIL.columns))
        return lakehouse.from_batches([batch], columns=AUDIT_TRAIL.columns), written_as.sequence

    lakehouse.append_next(AUDIT_TRAIL, stage)
    _keep_head(runtime.settings, written_as)
    return written_as


def operation_report(
    runtime: Runtime, head: Head, *, who: str, why: str, metadata: Mapping[str, MetadataEntry]
) -> StepReport:
    """What is shown of an operation that the entry `head` records: at the trail, whose asset it belongs to."""
    return (
        AssetReport(
            asset=AUDIT_TRAIL.name,
            location=runtime.lakehouse.location(AUDIT_TRAIL),
            rows_in_table=row_count(runtime.lakehouse, runtime.lakehouse.scan(AUDIT_TRAIL)),
            metadata={**metadata, "who": who, "why": why, "audit_entry": str(head)},
        ),
    )


def kept_head(settings: Settings) -> Head | None:
    """The last entry as it was written down beside the tables; None where nothing readable is."""
    with suppress(OSError, ValueError):
        return Head.from_text(_head_file(settings).read_text(encoding="ascii"))
    return None


def _keep_head(settings: Settings, head: Head) -> None:
    """Write the last entry down beside the tables, so that a trail whose end was cut off is found to be short."""
    kept = kept_head(settings)
    if kept is not None and kept.sequence >= head.sequence:
        return
    path = _head_file(settings)
    draft = path.with_name(f"{path.name}.{head.sequence}")
    try:
        made_folder(path.parent)
        draft.write_text(str(head), encoding="ascii")
        draft.replace(path)
    except OSError as error:
        raise LakehouseError(
            f"The last entry of the audit trail cannot be written down in {path} ({error.strerror}): "
            "make the folder writable, and run the step again."
        ) from error


def _head_file(settings: Settings) -> Path:
    return settings.home / _HEAD_FILE
