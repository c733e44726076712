r"""Reading text as numbers, dates and instants, in expressions that mean the same on every engine.

Casting text straight to a number or a date either raises or gives null, depending on the engine and its mode. So the
shape is tested first, by a regular expression that Rust and Java read alike (`[0-9]`, since Rust's `\d` takes Devanagari
digits too), and only what fits is cast. Dates are kept
as whole numbers (year, month, day, days since 1970-01-01): integer arithmetic has no engine-specific corner.
"""

import narwhals as nw

WHITE_SPACE = " \t\r\n\v\f\u00a0\ufeff"
"""What is trimmed. Named because the engines' default sets differ."""

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none", "nil", "-")
"""Texts that mean "no value", in lower case."""

_PLAIN_NUMBER = r"^[+-]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
_GROUPED_NUMBER = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$"
_WHOLE_NUMBER_LIMIT = 1e15
"""Above it a double no longer holds every whole number, and a cast to an integer may overflow."""

_ISO_DATE = r"^[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}( |$)"
_ISO_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?( ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?)?$"
_US_DATE = r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}( |$)"
_OFFSET = r"[+-][0-9]{2}:?[0-9]{2}$"

MICROSECONDS_PER_DAY = 86_400_000_000


def text(column: str) -> nw.Expr:
    """The column trimmed; null where it holds one of `MISSING_WORDS`."""
    trimmed = nw.col(column).str.strip_chars(WHITE_SPACE)
    return nw.when(~trimmed.str.to_lowercase().is_in(MISSING_WORDS)).then(trimmed)


def number(column: str) -> nw.Expr:
    """A trimmed text column as a double; null where it is not a finite number.

    `1,234.50` and `$1,234.50` are read; `1.234,50` is not, because it cannot be told from a slip.
    """
    bare = nw.col(column).str.replace_all("$", "", literal=True).str.strip_chars(WHITE_SPACE)
    grouped = nw.when(bare.str.contains(_GROUPED_NUMBER)).then(bare.str.replace_all(",", "", literal=True))
    plain = nw.when(bare.str.contains(_PLAIN_NUMBER)).then(bare)
    return nw.coalesce(plain, grouped).str.replace_all("+", "", literal=True).cast(nw.Float64)


def whole(column: str) -> nw.Expr:
    """The whole part of a double column as an integer; null where it does not fit one exactly."""
    value = nw.col(column)
    return nw.when(value.abs() < _WHOLE_NUMBER_LIMIT).then(value).cast(nw.Int64)


def folded(column: str, spellings: dict[str, tuple[str, ...]]) -> nw.Expr:
    """A trimmed text column folded to the canonical value whose spellings contain it; null where none does.

    Letters and digits count, in lower case; blanks, hyphens and points do not.
    """
    bare = nw.col(column).str.to_lowercase().str.replace_all(r"[^a-z0-9]", "")
    return nw.coalesce(*(nw.when(bare.is_in(known)).then(nw.lit(value)) for value, known in spellings.items()))


def with_date(frame: nw.LazyFrame, column: str) -> nw.LazyFrame:
    """Adds `<column>_year`, `_month`, `_day` and `_days` (since 1970-01-01) of a trimmed text column.

    All are null where the text is no calendar date. Read are `2026-01-31`, `2026/01/31`, either with a time behind it,
    and the American `1/31/2026`.
    """
    year, month, day, iso = (f"{column}_{part}" for part in ("year", "month", "day", "iso"))
    value = nw.col(column).str.replace_all("T", " ", literal=True)
    american = nw.when(value.str.contains(_US_DATE)).then(value)
    padded_month = nw.coalesce(
        nw.when(american.str.contains(r"^[0-9]/")).then(nw.concat_str([nw.lit("0"), american])), american
    )
    padded = nw.coalesce(
        nw.when(padded_month.str.contains(r"^[0-9][0-9]/[0-9]/")).then(
            nw.concat_str([padded_month.str.slice(0, 3), nw.lit("0"), padded_month.str.slice(3)])
        ),
        padded_month,
    )
    turned = nw.concat_str(
        [padded.str.slice(6, 4), nw.lit("-"), padded.str.slice(0, 2), nw.lit("-"), padded.str.slice(3, 2)]
    )
    straight = nw.when(value.str.contains(_ISO_DATE)).then(value.str.slice(0, 10))
    frame = frame.with_columns(nw.coalesce(turned, straight).alias(iso))
    frame = frame.with_columns(
        nw.col(iso).str.slice(0, 4).cast(nw.Int64).alias(year),
        nw.col(iso).str.slice(5, 2).cast(nw.Int64).alias(month),
        nw.col(iso).str.slice(8, 2).cast(nw.Int64).alias(day),
    )
    exists = nw.when(_on_the_calendar(nw.col(year), nw.col(month), nw.col(day)))
    frame = frame.with_columns(exists.then(nw.col(part)).alias(part) for part in (year, month, day))
    return frame.with_columns(days_since_epoch(nw.col(year), nw.col(month), nw.col(day)).alias(f"{column}_days")).drop(
        iso
    )


def with_instant(frame: nw.LazyFrame, column: str) -> nw.LazyFrame:
    """Adds `<column>_days` and `<column>_instant` (microseconds since 1970-01-01 UTC) of a trimmed text column.

    Null where the text is no instant. A time without a zone is UTC, a date without a time is its midnight.
    """
    valid, clock = f"{column}_valid", f"{column}_clock"
    frame = with_date(frame, column)
    value = nw.col(column)
    frame = frame.with_columns(nw.when(value.str.contains(_ISO_INSTANT)).then(value).alias(valid))
    has_time = nw.col(valid).str.len_chars() > len("2026-01-31")
    time_and_zone = nw.when(has_time).then(nw.col(valid).str.slice(11))
    frame = frame.with_columns(
        nw.coalesce(time_and_zone.str.replace_all(r" ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})$", ""), nw.lit("00:00")).alias(
            clock
        )
    )
    offset_text = nw.when(has_time & nw.col(valid).str.contains(_OFFSET)).then(
        nw.col(valid).str.replace_all(":", "", literal=True).str.slice(-5)
    )
    offset_minutes = offset_text.str.slice(1, 2).cast(nw.Int64) * 60 + offset_text.str.slice(3, 2).cast(nw.Int64)
    signed = nw.coalesce(
        nw.when(offset_text.str.starts_with("-")).then(-offset_minutes), offset_minutes, nw.lit(0).cast(nw.Int64)
    )
    padded = nw.concat_str([nw.col(clock), nw.lit(":00.000000")])
    full = nw.coalesce(
        nw.when(nw.col(clock).str.len_chars() == len("10:00")).then(padded),
        nw.when(nw.col(clock).str.len_chars() == len("10:00:00")).then(
            nw.concat_str([nw.col(clock), nw.lit(".000000")])
        ),
        nw.concat_str([nw.col(clock), nw.lit("000000")]),
    )
    frame = frame.with_columns(full.alias(clock), signed.alias(f"{column}_offset"))
    hour, minute, second = (nw.col(clock).str.slice(start, 2).cast(nw.Int64) for start in (0, 3, 6))
    seconds = hour * 3600 + minute * 60 + second - nw.col(f"{column}_offset") * 60
    microseconds = seconds * 1_000_000 + nw.col(clock).str.slice(9, 6).cast(nw.Int64)
    plausible = (hour < 24) & (minute < 60) & (second < 61)  # noqa: PLR2004
    midnight = nw.col(f"{column}_days") * MICROSECONDS_PER_DAY
    instant = nw.coalesce(
        nw.when(~nw.col(valid).is_null() & plausible).then(midnight + microseconds),
        nw.when(value.str.len_chars() <= len("2026-01-31")).then(midnight),
    )
    return frame.with_columns(instant.alias(f"{column}_instant")).drop(valid, clock, f"{column}_offset")


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
