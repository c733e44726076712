"""Text becomes numbers, dates and instants only where it is one."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_assets.domain import parsing
from healthcare_assets_tests.domain.frames import lazy, rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _parsed(text: str | None, how: str) -> dict[str, Any]:
    frame = lazy([{"x": text}], {"x": pl.String}).with_columns(parsing.text("x").alias("x"))
    if how == "number":
        return rows(parsing.with_numbers(frame, "x").rename({"x_number": "n"}))[0]
    return rows(parsing.with_instant(frame, "x"))[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12.0),
        (" 12.50 ", 12.5),
        ("+5", 5.0),
        ("-3", -3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e5", 1e5),
        ("1,234", 1234.0),
        ("1,234,567.89", 1234567.89),
        ("$1,234.50", 1234.5),
        ("16884.924", 16884.924),
    ],
)
def test_numbers_are_read_in_the_spellings_that_people_use(text: str, value: float) -> None:
    assert _parsed(text, "number")["n"] == value


@pytest.mark.parametrize(
    "text",
    [
        "1.234,50",
        "12,34",
        "1,2345",
        "abc",
        "1e400",
        "inf",
        "-inf",
        "12 34",
        "--1",
        "0x10",
        "१२",
        "12\n34",
        "1_000",
        "1$2",
        "12\u2028",
    ],
)
def test_what_is_no_number_is_null(text: str) -> None:
    assert _parsed(text, "number")["n"] is None


@pytest.mark.parametrize("text", ["", "  ", "NaN", "nan", "N/A", "null", "None", "-", "\u00a0"])
def test_words_for_nothing_are_null(text: str) -> None:
    assert _parsed(text, "number")["x"] is None


@settings(max_examples=40, deadline=None)
@given(st.floats(min_value=0, max_value=1e12, allow_nan=False))
def test_a_float_that_was_written_out_is_read_back_exactly(value: float) -> None:
    assert _parsed(repr(value), "number")["n"] == value or "e-" in repr(value)


@settings(max_examples=40, deadline=None)
@given(st.dates(min_value=date(1, 1, 1)))
def test_every_calendar_date_is_read_in_every_format(day: date) -> None:
    expected = (day - date(1970, 1, 1)).days
    formats = [f"{day:%m/%d/}{day.year:04}", f"{day.month}/{day.day}/{day.year:04}", day.isoformat().replace("-", "/")]
    for text in (day.isoformat(), *formats):
        assert _parsed(text, "instant")["x_days"] == expected, text


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30",
        "2025-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-01-00",
        "1900-02-29",
        "0000-01-01",
        "2026-1-1",
        "31/12/2026",
        "2026-01-01x",
        "yesterday",
        "20260101",
        "2026-01-01; Ada",
        "2026-01-01 Ada",
        "1/1/2026 Ada",
        "2026-01-01\u2028",
    ],
)
def test_what_is_no_calendar_date_is_null(text: str) -> None:
    assert _parsed(text, "instant")["x_days"] is None


@settings(max_examples=40, deadline=None)
@given(
    st.datetimes(),
    st.sampled_from([None, 0, 120, -330, 345]),
    st.sampled_from(["T", " "]),
)
def test_instants_are_microseconds_in_utc(naive: datetime, offset: int | None, separator: str) -> None:
    zone = UTC if offset is None else timezone(timedelta(minutes=offset))
    moment = naive.replace(tzinfo=zone)
    text = naive.isoformat(sep=separator) if offset is None else moment.isoformat(sep=separator)
    assert _parsed(text, "instant")["x_instant"] == (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T25:00",
        "2026-01-01T10:61",
        "2026-01-01T10",
        "10:00",
        "2026-02-30T10:00",
        "1/5/2026 8",
        "2026-01-01T10:00+99:99",
    ],
)
def test_an_impossible_time_is_null(text: str) -> None:
    assert _parsed(text, "instant")["x_instant"] is None


def test_a_date_without_a_time_is_its_midnight() -> None:
    midnight = (datetime(2026, 1, 5, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    assert _parsed("2026-01-05", "instant")["x_instant"] == midnight
    assert _parsed("1/5/2026", "instant")["x_instant"] == midnight
    assert _parsed("2026-01-05T00:00Z", "instant")["x_instant"] == midnight


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12))
@settings(max_examples=200)
def test_a_spelling_that_a_source_declares_is_found_however_it_is_written(text: str) -> None:
    frame = lazy([{"x": text}], {"x": pl.String}).with_columns(parsing.text("x").alias("x"))
    if rows(frame)[0]["x"] is None or not parsing.folded(text):
        return  # what means "no value" means it in every source
    found = rows(parsing.with_folded(frame, {"x": {"value": tuple(parsing.folded(text)), "other": ("other",)}}))
    assert found[0]["x_folded"] == "value"
