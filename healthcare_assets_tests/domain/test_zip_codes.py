"""ZIP codes leave as three digits, and as 000 where too few people live."""

import narwhals as nw
import polars as pl
import pytest

from healthcare_assets.domain.zip_codes import RESTRICTED_PREFIXES, zip3


def _zip3(text: str | None) -> str | None:
    frame = nw.from_native(pl.LazyFrame({"zip_code": [text]}, schema={"zip_code": pl.String}))
    found: str | None = frame.select(zip3("zip_code").alias("zip3")).collect().to_native()["zip3"].item()
    return found


@pytest.mark.parametrize("text", ["02143", "02143-0017", "021430017", "02143 0017", "021", "021**", "021XX"])
def test_three_digits_are_kept(text: str) -> None:
    assert _zip3(text) == "021"


@pytest.mark.parametrize("prefix", RESTRICTED_PREFIXES.prefixes)
def test_a_prefix_of_too_few_people_is_not(prefix: str) -> None:
    assert _zip3(f"{prefix}01") == "000"
    assert _zip3(prefix) == "000"


@pytest.mark.parametrize(
    "text", [None, "", "2143", "0214", "021430", "02143-001", "999-73-5361", "K1A 0B1", "02143\n", "٠٢١٤٣", "02143.0"]
)
def test_what_is_no_zip_code_is_nothing(text: str | None) -> None:
    assert _zip3(text) is None


def test_the_table_says_by_which_census_and_holds_each_prefix_once() -> None:
    assert RESTRICTED_PREFIXES.version == "Census 2000 and 2010"
    assert len(set(RESTRICTED_PREFIXES.prefixes)) == len(RESTRICTED_PREFIXES.prefixes) == 19
    assert all(len(prefix) == 3 and prefix.isdecimal() for prefix in RESTRICTED_PREFIXES.prefixes)
