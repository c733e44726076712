"""Running a step, or what a person asks for, so that it goes on record: the one way in which either is run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from importlib import import_module
from typing import Any

from healthcare_assets.domain.audit import AUDIT_TRAIL, KEYS, Action, Head
from healthcare_assets.environments import made_folder
from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.at_work import alone, beside_others
from healthcare_assets.resources.audit_rows import recorded_keys
from healthcare_assets.resources.disk_faults import telling_of_the_disk
from healthcare_assets.resources.fault import is_fault
from healthcare_assets.resources.pseudonym_key import fingerprints
from healthcare_assets.steps.catalogue import OPERATIONS, STEPS, Step
from healthcare_assets.steps.recording import record
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime

_VERIFICATION = "audit"


def run_step(name: str, runtime: Runtime, *, day: date | None) -> StepReport:
    """Run the step, and record it with the versions of the tables that it read and wrote.

    A step that fails is recorded too where that is possible: it may have written some of its tables. Raises what the
    step raises, and LakehouseError when it cannot be recorded; it is repeated then, and replaces what it wrote.
    """
    with telling_of_the_disk(runtime.settings.home), _at_work(runtime, needs_all=False):
        return _run_step(STEPS[name], runtime, day=day)


def _run_step(step: Step, runtime: Runtime, *, day: date | None) -> StepReport:
    _check_no_rotation(runtime, step)
    run: Callable[..., StepReport] = import_module(step.module).run
    journal = runtime.lakehouse.journal
    journal.begin()

    def recorded(action: Action, detail: Mapping[str, Any]) -> Head:
        read, written = _but_the_trail(journal.read), _but_the_trail(journal.written)
        return record(runtime, action, ", ".join(step.assets), day=day, read=read, written=written, detail=detail)

    try:
        with telling_of_the_disk(runtime.settings.home):
            report = run(runtime, day) if step.daily else run(runtime)
    except BaseException as error:
        if not is_fault(error):
            raise
        # The first fault is told, whatever becomes of its entry.
        with suppress(Exception):
            # Not the sentence: what others raise may quote a record.
            recorded("failed", {"error": type(error).__name__})
        raise
    rows = {asset.asset: asset.rows for asset in report if asset.rows is not None}
    made_with = {KEYS: fingerprints(runtime.pseudonym_keys)} if step.pseudonymises else {}
    head = recorded("materialized", {"rows": rows, **made_with})
    return tuple(_with_entry(asset, head) for asset in report)


def run_operation(name: str, runtime: Runtime, *, who: str, why: str) -> StepReport:
    """Do what a person asks for; the operation itself puts it on record.

    SettingsError without a name and a reason, LakehouseError while steps are under way that it must not meet.
    """
    operation = OPERATIONS[name]
    who, why = who.strip(), why.strip()
    if not who or not why:
        raise SettingsError(
            f"{operation.title} goes on record with who asked for it and why: give both, and run it again."
        )
    operate: Callable[..., StepReport] = import_module(operation.module).operate
    with telling_of_the_disk(runtime.settings.home), _at_work(runtime, needs_all=operation.alone):
        runtime.lakehouse.journal.begin()
        return operate(runtime, who=who, why=why)


@contextmanager
def _at_work(runtime: Runtime, *, needs_all: bool) -> Iterator[None]:
    """Where the tables are on this machine: what runs in a workspace is kept apart by who launches it."""
    if runtime.settings.environment.workspace is not None:
        yield
        return
    home = made_folder(runtime.settings.home)

    def waits() -> None:
        runtime.log(f"An erasure or a rotation of the pseudonym key is under way in {home}: this waits for its end.")

    with alone(home) if needs_all else beside_others(home, waits=waits):
        yield


def _check_no_rotation(runtime: Runtime, step: Step) -> None:
    """Half of the tables have other pseudonyms meanwhile: what is joined now would be lost."""
    keys = None if step.name == _VERIFICATION else recorded_keys(runtime.lakehouse)
    if keys is not None and keys.rotation_unfinished:
        raise SettingsError(
            "A rotation of the pseudonym key is unfinished, and some tables have other pseudonyms than others: run the "
            "job rotate_pseudonym_key until it succeeds (it goes on where it ended), then run this step again."
        )


def _but_the_trail(versions: Mapping[str, int]) -> dict[str, int]:
    return {name: version for name, version in versions.items() if name != AUDIT_TRAIL.name}


def _with_entry(asset: AssetReport, head: Head) -> AssetReport:
    return replace(asset, metadata={**asset.metadata, "audit_entry": str(head)})
