r"""Reading text as numbers, dates and instants, in expressions that mean the same on every engine.

Casting text straight to a number or a date either raises or gives null, depending on the engine and its mode. So the
shape is tested first, by a regular expression that Rust and Java read alike, and only what fits is cast: `[0-9]`, since
Rust's `\d` takes Devanagari digits too; `\z`, since Java's `$` also lets a last U+2028 pass. Dates are kept as
whole numbers (year, month, day, days since 1970-01-01): integer arithmetic has no engine-specific corner.

What nearly every text looks like is recognised by one cheap test; what is left over is put into a column of its own,
null for all the others, and only there is it taken apart: an engine passes over nulls in no time.
"""

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import narwhals as nw

Frame = nw.LazyFrame[Any]
Spellings = Mapping[str, tuple[str, ...]]
"""Canonical values, each with the spellings that mean it."""

WHITE_SPACE = " \t\r\n\v\f\u00a0\ufeff"
"""What is trimmed. Named because the engines' default sets differ."""

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none", "nil", "-")
"""Texts that mean "no value", in lower case."""

_MISSING_AS_WRITTEN = tuple(
    sorted({"".join(letters) for word in MISSING_WORDS for letters in product(*zip(word, word.upper(), strict=True))})
)
"""In every mixture of cases: looking for one of 58 texts takes a fifth of the time of lowering the case of each."""

_POINT_ZERO = r"\.0*\z"
_WITH_POINT_ZERO = rf"^[0-9]+{_POINT_ZERO}"
_SIGNS_WITHOUT_DIGITS = r"^[^0-9]*[^a-z0-9][^0-9]*\z"

_BARE_NUMBER = r"^[0-9]{1,15}(\.[0-9]*)?\z"
_PLAIN_NUMBER = r"^[+-]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?\z"
_GROUPED_NUMBER = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?\z"
_WHOLE_NUMBER_LIMIT = 1e15
"""Above it a double no longer holds every whole number, and a cast to an integer may overflow."""

_BARE_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
_TIME_BEHIND = r"( [0-9]{1,2}:[0-9]{2}[0-9:.APMZUTC +-]*)?\z"
_ZONE = r"(Z|UTC|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
_ISO_DATE = rf"^[0-9]{{4}}[-/][0-9]{{2}}[-/][0-9]{{2}}{_TIME_BEHIND}"
_ISO_TIME = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,9}})?)?( ?{_ZONE})?\z"
_ANY_ZONE = rf" ?{_ZONE}\z"
_US_DATE = rf"^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}{_TIME_BEHIND}"
_ENDS_OF_ZONES = "[ZC+-]"
_OFFSET = r"[+-][0-9]{2}:?[0-9]{2}\z"

MICROSECONDS_PER_DAY = 86_400_000_000


def text(column: str) -> nw.Expr:
    """The column trimmed; null where it holds one of `MISSING_WORDS`."""
    trimmed = nw.col(column).str.strip_chars(WHITE_SPACE)
    return nw.when(~trimmed.is_in(_MISSING_AS_WRITTEN)).then(trimmed)


def with_numbers(frame: Frame, *columns: str) -> Frame:
    """Adds `<column>_number` of trimmed text columns: a double, null where the text is not a finite number.

    `1,234.50` and `$1,234.50` are read; `1.234,50` is not, because it cannot be told from a slip. -0 is 0.
    """
    # Step by step, as in `with_date`: an expression that stands twice in another one is evaluated twice.
    bare, odd, grouped, plain = (
        {name: f"{name}_{part}" for name in columns} for part in ("bare", "odd", "grouped", "plain")
    )
    frame = frame.with_columns(_where(_BARE_NUMBER, nw.col(name)).alias(bare[name]) for name in columns)
    frame = frame.with_columns(_left_over(name, bare[name]).alias(odd[name]) for name in columns)
    frame = frame.with_columns(
        nw.col(odd[name]).str.strip_chars(f"${WHITE_SPACE}").alias(odd[name]) for name in columns
    )
    frame = frame.with_columns(_where(_GROUPED_NUMBER, nw.col(odd[name])).alias(grouped[name]) for name in columns)
    frame = frame.with_columns(_where(_PLAIN_NUMBER, nw.col(odd[name])).alias(plain[name]) for name in columns)
    frame = frame.with_columns(
        nw.coalesce(
            nw.col(bare[name]),
            nw.col(plain[name]).str.replace_all("+", "", literal=True),
            nw.col(grouped[name]).str.replace_all(",", "", literal=True).str.replace_all("+", "", literal=True),
        )
        .cast(nw.Float64)
        .alias(f"{name}_number")
        for name in columns
    )
    return frame.with_columns(
        nw.coalesce(nw.when(nw.col(f"{name}_number") == 0).then(nw.lit(0.0)), nw.col(f"{name}_number")).alias(
            f"{name}_number"
        )
        for name in columns
    ).drop(part[name] for part in (bare, odd, grouped, plain) for name in columns)


def amount(column: str) -> nw.Expr:
    """The number that `with_numbers` has added, null where the text has nothing but digits and begins with 0.

    No amount is written so, but codes are: a social security number without hyphens, whose first digits are 0, is else
    a plausible amount of millions.
    """
    number = nw.col(f"{column}_number")
    is_code = nw.coalesce(nw.col(column).str.contains(r"^0[0-9]+$"), nw.lit(False))  # noqa: FBT003
    return nw.when(~is_code).then(number)


def _left_over(column: str, known: str) -> nw.Expr:
    """The column's text where `known` is null."""
    return nw.when(nw.col(known).is_null()).then(nw.col(column))


def _where(shape: str, value: nw.Expr) -> nw.Expr:
    """The text where it has the shape, else null."""
    return nw.when(value.str.contains(shape)).then(value)


def whole(column: str) -> nw.Expr:
    """The whole part of a double column as an integer; null where it does not fit one exactly."""
    value = nw.col(column)
    return nw.when(value.abs() < _WHOLE_NUMBER_LIMIT).then(value).cast(nw.Int64)


def folded(text: str) -> set[str]:
    """The spellings under which `with_folded` finds a text, in Python's own hands."""
    lower = text.strip(WHITE_SPACE).lower()
    if re.search(r"[0-9]", lower):
        return {lower, re.sub(r"^([0-9]+)\.0*\Z", r"\1", lower)}
    return {lower, re.sub(r"[^a-z]", "", lower)} - {""}


def with_folded(frame: Frame, spellings: Mapping[str, Spellings]) -> Frame:
    """Adds `<column>_folded` to trimmed text columns: the canonical value whose spellings contain theirs, else null.

    Letters and digits count, in lower case; where there is no digit, blanks, hyphens and points do not; nor does the
    `.0` of a whole number that went through a table with gaps. `-1`, which often stands for "not known", is no `1`.
    """
    # Most texts are a canonical value, most others are so in lower case: only what is left is stripped of its signs.
    direct, lower, bare = ({name: f"{name}_{part}" for name in spellings} for part in ("direct", "lower", "bare"))
    frame = frame.with_columns(_canonical(name, spellings[name]).alias(direct[name]) for name in spellings)
    frame = frame.with_columns(
        _left_over(name, direct[name]).str.to_lowercase().alias(lower[name]) for name in spellings
    )
    frame = frame.with_columns(
        nw.coalesce(
            _where(_SIGNS_WITHOUT_DIGITS, nw.col(lower[name])).str.replace_all("[^a-z]", ""),
            _where(_WITH_POINT_ZERO, nw.col(lower[name])).str.replace_all(_POINT_ZERO, ""),
        ).alias(bare[name])
        for name in spellings
    )
    folded = (
        nw.coalesce(
            nw.col(direct[name]),
            *(_canonical(part[name], values) for part in (lower, bare)),
            *(
                nw.when(nw.col(lower[name]).is_in(known) | nw.col(bare[name]).is_in(known)).then(nw.lit(value))
                for value, known in values.items()
                if known != (value,)
            ),
        ).alias(f"{name}_folded")
        for name, values in spellings.items()
    )
    return frame.with_columns(folded).drop(part[name] for part in (direct, lower, bare) for name in spellings)


def _canonical(column: str, spellings: Spellings) -> nw.Expr:
    """The column's text where it is one of the canonical values, each of which is a spelling of its own."""
    return nw.when(nw.col(column).is_in(list(spellings))).then(nw.col(column))


def with_date(frame: Frame, column: str, *, bare: nw.Expr | None = None) -> Frame:
    """Adds `<column>_year`, `_month`, `_day` and `_days` (since 1970-01-01) of a trimmed text column.

    All are null where the text is no calendar date. Read are `2026-01-31`, `2026/01/31`, either with a time behind it,
    and the American `1/31/2026`. `bare` says where the text is known to begin with a date of the first kind.
    """
    # Step by step, a column each: an expression used twice is evaluated twice on Spark, and built twice for it.
    known, spaced, american, iso, exists = (
        f"{column}_{part}" for part in ("known", "spaced", "american", "iso", "exists")
    )
    year, month, day, days = (f"{column}_{part}" for part in ("year", "month", "day", "days"))
    text_, us = nw.col(spaced), nw.col(american)
    bare = nw.col(column).str.contains(_BARE_DATE) if bare is None else bare
    return (
        frame.with_columns(nw.when(bare).then(nw.col(column)).alias(known))
        .with_columns(_left_over(column, known).str.replace_all("T", " ", literal=True).alias(spaced))
        .with_columns(_where(_US_DATE, text_).alias(american))
        .with_columns(_zero_put_in(us, where=r"^[0-9]/", at=0).alias(american))
        .with_columns(_zero_put_in(us, where=r"^[0-9][0-9]/[0-9]/", at=3).alias(american))
        .with_columns(
            nw.coalesce(
                nw.col(known),
                nw.concat_str([us.str.slice(6, 4), us.str.slice(0, 2), us.str.slice(3, 2)], separator="-"),
                _where(_ISO_DATE, text_),
            ).alias(iso)
        )
        .with_columns(
            nw.col(iso).str.slice(0, 4).cast(nw.Int64).alias(year),
            nw.col(iso).str.slice(5, 2).cast(nw.Int64).alias(month),
            nw.col(iso).str.slice(8, 2).cast(nw.Int64).alias(day),
        )
        .with_columns(_on_the_calendar(nw.col(year), nw.col(month), nw.col(day)).alias(exists))
        .with_columns(nw.when(nw.col(exists)).then(nw.col(part)).alias(part) for part in (year, month, day))
        .with_columns(days_since_epoch(nw.col(year), nw.col(month), nw.col(day)).alias(days))
        .drop(known, spaced, american, iso, exists)
    )


def with_instant(frame: Frame, column: str) -> Frame:
    """Adds `<column>_days` and `<column>_instant` (microseconds since 1970-01-01 UTC) of a trimmed text column.

    Null where the text is no instant. A time without a zone is UTC, a date without a time is its midnight.
    """
    valid, clock, zone, shift = (f"{column}_{part}" for part in ("valid", "clock", "zone", "shift"))
    days, instant = f"{column}_days", f"{column}_instant"
    text_, time_, offset = nw.col(valid), nw.col(clock), nw.col(zone)
    hour, minute, second = (time_.str.slice(start, 2).cast(nw.Int64) for start in (0, 3, 6))
    seconds = hour * 3600 + minute * 60 + second - nw.col(shift) * 60
    midnight = nw.col(days) * MICROSECONDS_PER_DAY
    exact = midnight + seconds * 1_000_000 + time_.str.slice(9, 6).cast(nw.Int64)
    is_date_only = nw.col(column).str.len_chars() <= len("2026-01-31")
    frame = frame.with_columns(_where(_ISO_TIME, nw.col(column)).str.slice(11).alias(valid))
    return (
        with_date(frame, column, bare=~text_.is_null())
        .with_columns(_where(_ENDS_OF_ZONES, text_).alias(zone))
        .with_columns(
            _where(_OFFSET, offset).str.replace_all(":", "", literal=True).alias(zone),
            nw.coalesce(offset.str.replace_all(_ANY_ZONE, ""), text_).alias(clock),
        )
        .with_columns(
            offset.str.slice(-5, 1).alias(valid),
            (offset.str.slice(-4, 2).cast(nw.Int64) * 60 + offset.str.slice(-2).cast(nw.Int64)).alias(shift),
            # Filled up to `10:00:00.000000`, whatever was left out at the end.
            nw.concat_str([time_, nw.coalesce(*_filling(time_))]).alias(clock),
        )
        .with_columns(
            nw.coalesce(
                nw.when(nw.col(valid) == "-").then(-nw.col(shift)), nw.col(shift), nw.lit(0).cast(nw.Int64)
            ).alias(shift)
        )
        .with_columns(
            nw.coalesce(
                nw.when((hour < 24) & (minute < 60) & (second < 61)).then(exact),  # noqa: PLR2004
                nw.when(is_date_only).then(midnight),
            ).alias(instant)
        )
        .drop(valid, clock, zone, shift)
    )


def _zero_put_in(value: nw.Expr, *, where: str, at: int) -> nw.Expr:
    filled = nw.concat_str([value.str.slice(0, at), nw.lit("0"), value.str.slice(at)])
    return nw.coalesce(nw.when(value.str.contains(where)).then(filled), value)


def _filling(time: nw.Expr) -> list[nw.Expr]:
    length = time.str.len_chars()
    return [
        nw.when(length == len("10:00")).then(nw.lit(":00.000000")),
        nw.when(length == len("10:00:00")).then(nw.lit(".000000")),
        nw.lit("000000"),
    ]


def days_since_epoch(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    """Days from 1970-01-01 of a proleptic Gregorian date with year ≥ 1 (H. Hinnant, `days_from_civil`)."""
    before_march = (month <= 2).cast(nw.Int64)  # noqa: PLR2004
    shifted_year = year - before_march
    era = shifted_year // 400
    year_of_era = shifted_year - era * 400
    day_of_year = (153 * (month - 3 + 12 * before_march) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def _on_the_calendar(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    days_in_month = nw.coalesce(
        nw.when(month.is_in([4, 6, 9, 11])).then(nw.lit(30)),
        nw.when((month == 2) & leap).then(nw.lit(29)),  # noqa: PLR2004
        nw.when(month == 2).then(nw.lit(28)),  # noqa: PLR2004
        nw.lit(31),
    )
    return (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= days_in_month)  # noqa: PLR2004
