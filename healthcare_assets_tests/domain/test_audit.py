"""The audit trail: whatever is done to it afterwards is found."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.audit import (
    AUDIT_TRAIL,
    BEGINNING,
    EXPIRED_HASH,
    EXPIRED_THROUGH,
    Act,
    Head,
    entry_after,
    entry_hash,
    expired,
    tables_off_the_record,
    verify,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Rows = list[dict[str, Any]]


def _act(number: int, **more: Any) -> Act:
    fields = {"action": "materialized", "subject": "silver_patients", "day": date(2026, 3, 1), **more}
    return Act(who="schedule daily", run_id=f"run-{number}", code_version="abc", **fields)


def _trail(length: int, **more: Any) -> tuple[Rows, Head]:
    rows: Rows = []
    head = Head()
    for number in range(1, length + 1):
        row = entry_after(head, _act(number, **more), recorded_at=NOON + timedelta(minutes=number))
        head = Head(sequence=row["sequence"], entry_hash=row["entry_hash"])
        rows.append(row)
    return rows, head


def test_a_trail_that_nobody_touched_is_whole_in_whatever_order_it_is_read() -> None:
    rows, head = _trail(5)
    found = verify(reversed(rows), known_head=head)
    assert (found.entries, found.head, found.faults) == (5, head, ())
    assert rows[0]["previous_hash"] == BEGINNING
    assert all(set(row) == set(AUDIT_TRAIL.column_names) for row in rows)


def test_a_head_survives_being_written_down() -> None:
    _, head = _trail(3)
    assert Head.from_text(str(head)) == head


_OTHER = {
    "string": st.text(max_size=20),
    "integer": st.integers(1, 50),
    "date": st.none() | st.dates(),
    "timestamp": st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
}


@given(st.data())
def test_a_changed_field_is_found_whichever_it_is(data: st.DataObject) -> None:
    rows, head = _trail(4)
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from(AUDIT_TRAIL.columns))
    before = row[column.name]
    row[column.name] = data.draw(_OTHER[column.type].filter(lambda value: value != before))
    if column.name in ("read", "written", "detail"):
        row[column.name] = '{"changed":1}'
    assert verify(rows, known_head=head).faults


@given(st.integers(1, 6), st.sets(st.integers(1, 6), min_size=1))
def test_what_was_removed_is_found_and_named(length: int, removed: set[int]) -> None:
    rows, head = _trail(length)
    left = [row for row in rows if row["sequence"] not in removed]
    faults = verify(left, known_head=head).faults
    assert bool(faults) == bool(len(rows) - len(left))


def test_each_kind_of_fault_is_told_in_words() -> None:
    rows, head = _trail(6)
    assert verify(rows[:2] + rows[4:], known_head=head).faults == ("entries 3 to 4 are missing",)
    assert verify(rows[:4], known_head=head).faults == ("entries 5 to 6 are missing from the end",)
    assert verify([], known_head=head).faults == ("entries 1 to 6 are missing from the end",)
    assert verify([*rows, rows[3]], known_head=head).faults == ("entry 4 is there twice",)
    assert verify(rows, known_head=None).faults == (
        "the last entry is written down nowhere else, so that nobody can tell a missing end",
    )
    assert verify([], known_head=None).faults == ()
    rows[2]["who"] = "somebody else"
    assert verify(rows, known_head=head).faults == ("entry 3 was changed after it was written",)
    rows[2]["entry_hash"] = entry_hash(rows[2])
    assert verify(rows, known_head=head).faults == ("entry 4 does not follow entry 3",)


def test_a_trail_written_anew_with_hashes_of_its_own_is_not_the_one_that_was_written_down() -> None:
    _, head = _trail(4)
    forged, _ = _trail(4, subject="something else")
    assert verify(forged, known_head=head).faults == ("entry 4 is not the one that was written down elsewhere",)


def test_a_process_that_died_before_the_head_was_written_down_leaves_no_fault() -> None:
    rows, _ = _trail(4)
    earlier = Head(sequence=3, entry_hash=rows[2]["entry_hash"])
    assert verify(rows, known_head=earlier).faults == ()


def test_what_expired_may_be_missing_from_the_beginning_and_nothing_else_may() -> None:
    rows, head = _trail(5)
    assert expired(rows, before=NOON + timedelta(minutes=3)) == Head(sequence=2, entry_hash=rows[1]["entry_hash"])
    assert expired(rows, before=NOON) is None
    gone = expired(rows, before=NOON + timedelta(days=9))
    assert gone is not None
    assert gone.sequence == 4  # the chain goes on from the newest
    detail = {EXPIRED_THROUGH: 2, EXPIRED_HASH: rows[1]["entry_hash"]}
    rows.append(entry_after(head, _act(6, action="expired", detail=detail), recorded_at=NOON))
    head = Head(sequence=6, entry_hash=rows[-1]["entry_hash"])
    assert verify(rows[2:], known_head=head).faults == ()
    assert verify(rows, known_head=head).faults == ()  # killed before the deletion
    assert verify(rows[3:], known_head=head).faults == ("entry 3 is missing",)
    assert verify(rows[1:], known_head=head).faults == ("entry 1 is missing",)


@pytest.mark.parametrize(("version", "told"), [(3, []), (2, []), (None, [])])
def test_a_table_at_a_version_on_record_is_in_order(version: int | None, told: list[str]) -> None:
    rows, _ = _trail(1, written={"silver_patients": 3})
    assert tables_off_the_record(rows, {"silver_patients": version}) == told


def test_a_table_that_somebody_else_wrote_to_is_named() -> None:
    rows, _ = _trail(1, written={"silver_patients": 3})
    assert tables_off_the_record(rows, {"silver_patients": 4, "dim_patients": 0}) == [
        "version 4 of silver_patients is not on record: the last one that is, is 3",
        "version 0 of dim_patients is not on record: the last one that is, is none",
    ]
