"""Looking after the files of a Delta table on this machine's disk, through deltalake.

A day or a table that has collected small files is rewritten into few; the rows are the same, in the same order, and
the commit says so to whoever follows the table's changes. Then the files are deleted that no version of the retained
past consists of, with those that a writer left which died.
"""

import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.errors import LakehouseError
from healthcare_assets.policy import MaintenanceRules
from healthcare_assets.resources.compaction import Compaction, Stored, check_rules
from healthcare_assets.resources.delta_files import ROWS_PER_GROUP, DataFile, stored_files
from healthcare_assets.resources.table_faults import CommitConflictError

# As the writers of days and updates do it.
_WRITTEN = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=ROWS_PER_GROUP)


_STAGED = re.compile(r".+#\d+")
_SECONDS_A_DAY = 86_400


def compact(delta: DeltaTable, folder: Path, *, rules: MaintenanceRules) -> Compaction:
    """Compact what is worth it of the table at `folder`, as `delta` has it open, and delete what is no longer needed.

    A table in order is left as it is, its version too. CommitConflictError when another writer replaced files that were
    being compacted: what was done before stays, and nothing is lost. LakehouseError when the disk fails.
    """
    check_rules(rules)
    before = stored_files(delta)
    try:
        for day in _crowded(before, rules):
            _compact_part(delta, day, rules)
        deleted = _delete_unneeded(delta, rules) + delete_staged(folder, older_than_days=rules.retention_days)
    except CommitFailedError as error:
        raise CommitConflictError(str(error)) from error
    except DeltaError as error:
        raise LakehouseError(
            f"The files of the table at {delta.table_uri} cannot be compacted: {error}. Check that the disk has room "
            "and is writable; the table itself is as it was."
        ) from error
    return Compaction(before=_total(before), after=_total(stored_files(delta)), deleted=deleted)


def _crowded(files: Sequence[DataFile], rules: MaintenanceRules) -> list[date | None]:
    """The days, or None for an undated table, with several small files. One small file is all that some days have."""
    small = Counter(file.day for file in files if file.size < rules.small_file_bytes)
    return [day for day, number in small.items() if number > 1]


def _compact_part(delta: DeltaTable, day: date | None, rules: MaintenanceRules) -> None:
    """A commit a day: what another writer makes vain is that day's work alone.

    Again as long as it helps: compressed together, files may be so much smaller that they fit into one once more.
    """
    part = None if day is None else [(PARTITION_COLUMN, "=", day.isoformat())]
    while delta.optimize.compact(
        partition_filters=part,
        target_size=rules.file_bytes,
        max_concurrent_tasks=1,  # each holds the rows of a file, and the machine has other work
        writer_properties=_WRITTEN,
    )["numFilesRemoved"]:
        pass


def _delete_unneeded(delta: DeltaTable, rules: MaintenanceRules) -> int:
    def vacuum(*, dry_run: bool) -> list[str]:
        return delta.vacuum(retention_hours=rules.retention_days * 24, dry_run=dry_run, full=True)

    # It would put two versions on record for nothing.
    return len(vacuum(dry_run=False)) if vacuum(dry_run=True) else 0


def forget_past(delta: DeltaTable, folder: Path) -> None:
    """Delete every file that the present version does not consist of: no earlier version can be read from then on.

    Who reads an earlier version or writes at this moment fails. LakehouseError when the disk fails.
    """
    try:
        # Two versions each time, so that a repetition has nothing on record that did not happen.
        if delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=True, full=True):
            delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
        delete_staged(folder, older_than_days=0)
    except DeltaError as error:
        raise LakehouseError(
            f"Files of the past of the table at {delta.table_uri} cannot be deleted: {error}. Check that the disk is "
            "writable, and run this again: it goes on where it ended."
        ) from error


def delete_staged(folder: Path, *, older_than_days: float) -> int:
    """Delete what a writer left in the making that died so long ago; returns how many files it was.

    delta-rs writes a file of the log, or of a compaction, under its name with a number (`….json#1`), and then renames
    it. What is left so is no reader's, and VACUUM does not see it.
    """
    until, deleted = time.time() - older_than_days * _SECONDS_A_DAY, 0
    for path in folder.rglob("*#*"):
        with suppress(FileNotFoundError):  # its writer is alive, and has renamed it
            if _STAGED.fullmatch(path.name) and path.stat().st_mtime <= until:
                path.unlink()
                deleted += 1
    return deleted


def _total(files: Sequence[DataFile]) -> Stored:
    return Stored(files=len(files), size=sum(file.size for file in files))
