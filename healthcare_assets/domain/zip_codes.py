"""ZIP codes under Safe Harbor (B): their first three digits, and 000 where too few people live.

45 CFR 164.514(b)(2)(i)(B): the first three digits may be kept where all ZIP codes that begin with them hold more than
20,000 people by the current publicly available census data; else they are changed to 000.
"""

from dataclasses import dataclass

import narwhals as nw

NOWHERE = "000"
_ZIP_CODE = r"^[0-9]{5}([ -]?[0-9]{4})?\z"
_PREFIX = r"^[0-9]{3}(\*\*|[xX]{2})?\z"


@dataclass(frozen=True, kw_only=True)
class RestrictedPrefixes:
    """The three-digit prefixes that are not kept."""

    version: str
    """By which census; in the metadata of every day of silver patients."""
    prefixes: tuple[str, ...]


RESTRICTED_PREFIXES = RestrictedPrefixes(
    version="Census 2000 and 2010",
    prefixes=(
        "036",
        "059",
        "063",
        "102",
        "203",
        "205",
        "369",
        "556",
        "692",
        "790",
        "821",
        "823",
        "830",
        "831",
        "878",
        "879",
        "884",
        "890",
        "893",
    ),
)
"""Those that either census lists: to keep less than is allowed harms nobody."""


def zip3(column: str) -> nw.Expr:
    """Of a trimmed text column: the three digits that may be kept; null where it holds no ZIP code.

    Read are five digits, nine with a hyphen, a blank or nothing between, and three that were cut already (`021`,
    `021**`). Four digits are not: a zero may have been lost in front, or a digit anywhere.
    """
    text = nw.col(column)
    prefix = nw.when(text.str.contains(_ZIP_CODE) | text.str.contains(_PREFIX)).then(text.str.slice(0, 3))
    restricted = nw.when(prefix.is_in(RESTRICTED_PREFIXES.prefixes)).then(nw.lit(NOWHERE))
    return nw.coalesce(restricted, prefix)
