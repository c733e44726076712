"""What both lakehouses say and do when a table cannot be used, or when another writer's commit comes first."""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from healthcare_assets.domain.columns import Table
from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.arrow_types import arrow_schema, plain_schema

Result = TypeVar("Result")

_ATTEMPTS = 12
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 5.0


class CommitConflictError(Exception):
    """Another writer's commit came between the reading of a table and our own commit, which is not done."""


def retry_on_conflict(table: Table, location: str, attempt: Callable[[], Result]) -> Result:
    """The attempt's result; it is made again, after a growing random wait, as long as other writers come first.

    LakehouseError after twelve attempts, about twenty seconds of waiting.
    """
    random = secrets.SystemRandom()
    for number in range(_ATTEMPTS):
        try:
            return attempt()
        except CommitConflictError as error:
            last = error
        time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**number)))
    raise LakehouseError(
        f"Table {table.name} at {location} was written by others {_ATTEMPTS} times before our commit; nothing was "
        "changed. Run the step again when fewer writers are at work on the same rows."
    ) from last


def check_dated(table: Table, *, daily: bool, operation: str) -> None:
    """LakehouseError when an operation for daily tables is asked of an undated one, or the other way round."""
    if table.daily != daily:
        kinds = ("daily", "undated") if daily else ("undated", "daily")
        raise LakehouseError(f"{operation} is for {kinds[0]} tables, and {table.name} is {kinds[1]}.")


def check_stored_columns(table: Table, location: str, stored: pa.Schema) -> None:
    """LakehouseError when the stored table's columns or types are not the declared ones."""
    declared = {field.name: field.type for field in arrow_schema(table.columns)}
    found = {field.name: field.type for field in plain_schema(stored)}
    differing = sorted(name for name in declared.keys() | found.keys() if declared.get(name) != found.get(name))
    if differing:
        raise LakehouseError(
            f"Table {table.name} at {location} was made with other columns than this version declares "
            f"({', '.join(differing)}). Move it away and materialise it again."
        )


def repeated_keys(table: Table) -> LakehouseError:
    """The error for an update that names a key more than once, so that its outcome would be anybody's guess."""
    return LakehouseError(
        f"The update of {table.name} stages a key ({', '.join(table.key)}) more than once: stage one row a key, "
        "to upsert or to delete."
    )


def unreadable(name: str, location: str, reason: str, *, day: date | None = None) -> LakehouseError:
    """The error for a table that is there and cannot be read."""
    what = f"day {day.isoformat()} of it" if day else "it"
    return LakehouseError(
        f"Table {name} at {location} cannot be read: {_first_line(reason)}. "
        f"Restore the folder from a backup, or move it away and materialise {what} again."
    )


def check_no_data_without_log(table: Table, folder: Path) -> None:
    """LakehouseError when a folder without a Delta log holds data: an absent table reads as empty, a broken one not."""
    # The log is looked for last: another process may be making the table, and its log is there before its data is.
    if any(folder.rglob("*.parquet")) and not any(folder.glob("_delta_log/*.json")):
        raise unreadable(table.name, str(folder), "it has data files and no transaction log")


def check_log_is_whole(table: Table, folder: Path) -> None:
    """LakehouseError when an entry of the log is empty, as a machine that lost its power leaves it, or missing.

    Readers take an empty one for a commit that changed nothing, and the table for one that lacks what the commit added.
    Of a missing one they say much, and not which it is. That the newest is missing no log can tell.
    """
    log = folder / "_delta_log"
    # Of what others commit or delete while a folder is listed any part may be seen: a gap has to be there twice.
    fault = _fault_of(log) and _fault_of(log)
    if fault:
        raise unreadable(table.name, str(folder), fault)


def _fault_of(log: Path) -> str | None:
    commits, checkpoint = set[int](), -1
    with suppress(FileNotFoundError), os.scandir(log) as found:
        for entry in found:
            number, _, ending = entry.name.partition(".")
            if not number.isdecimal():
                continue
            if ending == "json":
                if not entry.stat().st_size:
                    return f"{entry.name} of its transaction log is empty"
                commits.add(int(number))
            elif ending.startswith("checkpoint"):  # holds all that came before
                checkpoint = max(checkpoint, int(number))
    following = range(checkpoint + 1, max(commits, default=-1))
    missing = next((number for number in following if number not in commits), None)
    return None if missing is None else f"{missing:020}.json of its transaction log is missing"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(".")
