"""However many ranges there are, each key lies in one of them, and they are as many as the rows need."""

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.key_ranges import EVERY_KEY, KEY, key_ranges, range_number

_KEYS = st.lists(st.text(st.sampled_from("0123456789abcdef~Zé"), max_size=6) | st.none(), max_size=30)


@given(_KEYS, st.integers(0, 5_000), st.integers(1, 40))
def test_each_key_is_in_one_range_and_a_row_without_a_key_is_counted_to_the_first(
    keys: list[str | None], rows: int, at_a_time: int
) -> None:
    ranges = key_ranges(rows, at_a_time=at_a_time)
    frame = nw.from_native(pl.LazyFrame({KEY: keys}, schema={KEY: pl.String}))
    numbered = frame.with_columns(range_number(ranges).alias("range")).collect().rows()
    if len(ranges) == 1:
        assert EVERY_KEY.of(frame).collect().rows() == [(key,) for key in keys]
    else:
        found = [[key for (key,) in each.of(frame).collect().rows()] for each in ranges]
        assert sorted(key for some in found for key in some) == sorted(key for key in keys if key is not None)
        assert all(key is None or key in found[number] for key, number in numbered)
    assert all(number == 0 for key, number in numbered if key is None)


@pytest.mark.parametrize(
    ("rows", "at_a_time", "count"), [(0, 10, 1), (10, 10, 1), (11, 10, 2), (21, 10, 4), (50, 10, 8), (10**9, None, 1)]
)
def test_there_is_a_power_of_two_of_ranges_that_hold_no_more_rows_than_are_held_at_a_time(
    rows: int, at_a_time: int | None, count: int
) -> None:
    assert len(key_ranges(rows, at_a_time=at_a_time)) == count


def test_the_ranges_of_a_larger_table_lie_within_those_of_a_smaller() -> None:
    bounds = [{each.low for each in key_ranges(rows, at_a_time=1)} for rows in (2, 4, 256)]
    assert bounds[0] < bounds[1] < bounds[2]
