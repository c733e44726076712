"""A new key on top of the pseudonyms: every table is re-keyed, and history stays joined, without any patient's id."""

from collections.abc import Iterator
from datetime import date
from functools import partial

from healthcare_assets.domain.audit import KEYS
from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import PATIENT_KEY, Table
from healthcare_assets.domain.deidentification import pseudonymiser
from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.audit_rows import RecordedKeys, recorded_keys
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.pseudonym_key import (
    Keys,
    adopt_next_key,
    configured_keys,
    fingerprints,
    next_key,
)
from healthcare_assets.steps.care_exports import delete_page, exports_of
from healthcare_assets.steps.patient_tables import PATIENT_TABLES, rewrite, versions
from healthcare_assets.steps.recording import operation_report, record
from healthcare_assets.steps.report import MetadataEntry, StepReport
from healthcare_assets.steps.runtime import Runtime, content_of


def operate(runtime: Runtime, *, who: str, why: str) -> StepReport:
    """Re-key every table, and make the past with the old pseudonyms unreadable.

    While it is unfinished no step runs; begun again, it goes on where it ended. SettingsError when there is no next
    key, or nothing to re-key.
    """
    lakehouse = runtime.lakehouse
    state = recorded_keys(lakehouse)
    if state is None:
        raise SettingsError(
            "No pseudonym has been made yet, so that there is nothing to re-key: to begin with another key, put it in "
            "the place of the present one."
        )
    old, new = _keys(runtime, state)
    *_, mark = fingerprints(new)
    if not state.rotation_unfinished:
        detail = {KEYS: fingerprints(new), "instead_of": fingerprints(old)}
        record(runtime, "re-keying", _subject(), who=who, why=why, detail=detail)
    rows = sum(_re_keyed(runtime, table, key=new[-1], mark=mark) for table in PATIENT_TABLES)
    for table in PATIENT_TABLES:
        lakehouse.forget_past(table)
    exports = exports_of(runtime)
    outdated = exports.all()
    exports.delete(outdated)
    delete_page(runtime)
    left_to_do = adopt_next_key(runtime.settings, new)
    head = record(
        runtime,
        "re-keyed",
        _subject(),
        who=who,
        why=why,
        written=versions(lakehouse),
        detail={KEYS: fingerprints(new), "rows": rows, "exports_deleted": len(outdated)},
    )
    runtime.log(f"{rows} rows are re-keyed. {left_to_do}".strip())
    if outdated:
        runtime.log(
            f"{len(outdated)} files of the care team, whose keys mean nothing any more, are deleted: materialise "
            f"{CARE_MANAGEMENT.name} for a day whose file is still wanted."
        )
    metadata: dict[str, MetadataEntry] = {
        "rows_re_keyed": rows,
        "exports_deleted": len(outdated),
        "to_do": left_to_do,
    }
    return operation_report(runtime, head, who=who, why=why, metadata=metadata)


def _keys(runtime: Runtime, state: RecordedKeys) -> tuple[Keys, Keys]:
    """The keys before and after; those of a rotation that is under way are on record."""
    settings = runtime.settings
    if not state.rotation_unfinished:
        old, following = runtime.pseudonym_keys, next_key(settings)
        if following == old[-1]:
            raise SettingsError(
                f"The next pseudonym key is in use already, so that there is nothing to re-key. "
                f"{adopt_next_key(settings, old)} To rotate once more, set another next key then."
            )
        return old, (*old, following)
    configured = configured_keys(settings, made=False)
    # Killed after the new key was put beside the others, it is not the next one any more.
    new = configured if fingerprints(configured) == state.fingerprints else (*configured, next_key(settings))
    if fingerprints(new) != state.fingerprints:
        raise SettingsError(
            "The unfinished rotation of the pseudonym key was begun with another next key: put that one back "
            f"(fingerprint {state.fingerprints[-1]}), and run it again."
        )
    return new[:-1], new


def _re_keyed(runtime: Runtime, table: Table, *, key: bytes, mark: str) -> int:
    """Re-key what has not been; a commit of each part bears a note, so that none is re-keyed twice."""
    lakehouse = runtime.lakehouse
    done = set(lakehouse.notes(table))
    change = partial(_with_new_keys, lakehouse, table, key)
    rows = 0
    for day in _parts(lakehouse, table):
        note = f"re-keyed {mark}" if day is None else f"re-keyed {mark} {day.isoformat()}"
        if note not in done:
            rows += rewrite(lakehouse, table, change, day=day, note=note)
    runtime.log(f"{table.name} is re-keyed: {rows} rows.")
    return rows


def _with_new_keys(lakehouse: Lakehouse, table: Table, key: bytes, frame: Frame) -> Frame:
    return lakehouse.map_batches(
        content_of(table, frame), pseudonymiser(key, column=PATIENT_KEY.name), columns=table.content_columns
    )


def _parts(lakehouse: Lakehouse, table: Table) -> Iterator[date | None]:
    if table.daily:
        yield from lakehouse.days(table)
    elif lakehouse.version(table) is not None:
        yield None


def _subject() -> str:
    return ", ".join(table.name for table in PATIENT_TABLES)
