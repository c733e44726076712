"""What the canary's records are marked with: identifiers that nothing else on earth bears.

Each record has its own, and all of a kind have a stem in common: whoever looks for the stems finds every mark, without
looking for thousands of texts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LETTERS = "bcdfghjklm"


@dataclass(frozen=True, kw_only=True)
class Stem:
    """What all marks of a kind have in common: a text that is cheap to look for, and a pattern where it is not enough.

    Both are of lower case.
    """

    kind: str
    text: bytes
    pattern: re.Pattern[bytes] | None = None


def _alone(digits: str) -> re.Pattern[bytes]:
    """A number by itself: no part of a longer one, and no fraction."""
    return re.compile(rf"(?<![\d.]){digits}(?!\d)".encode())


def _date(kind: str, month: int, day: int, years: str) -> tuple[Stem, ...]:
    """A date in any usual way to write it."""
    return (
        Stem(kind=kind, text=f"-{month:02}-{day:02}".encode(), pattern=re.compile(rf"{years}-{month}-{day}".encode())),
        Stem(kind=kind, text=f"{month:02}/{day:02}/".encode(), pattern=re.compile(rf"{month}/{day}/{years}".encode())),
        Stem(kind=kind, text=f"{month:02}{day:02}".encode(), pattern=_alone(f"{years}{month:02}{day:02}")),
    )


SECRET = "zqsecret"  # noqa: S105 - no secret, but the mark of those that are none
"""Stands in every secret."""

STEMS: tuple[Stem, ...] = (
    Stem(kind="secret", text=SECRET.encode()),
    Stem(kind="first name", text=b"zquillion"),
    Stem(kind="last name", text=b"ovexmarrow"),
    Stem(kind="name with an accent", text="ovéxmar".encode()),
    Stem(kind="name with an accent", text="ovÉxmar".encode()),
    Stem(kind="social security number", text=b"987-65-"),
    Stem(kind="social security number", text=b"98765", pattern=_alone(r"98765\d{4}")),
    Stem(kind="social security number", text=b"987", pattern=re.compile(rb"(?<!\d)987[ ._/]65[ ._/]\d{4}")),
    Stem(kind="social security number", text=b"07805", pattern=_alone(r"07805\d{4}")),
    Stem(kind="social security number", text=b"7805", pattern=_alone(r"7805\d{4}(?:\.0)?")),
    Stem(kind="e-mail", text=b"@vexpost"),
    Stem(kind="telephone", text=b"(987) 555"),
    Stem(kind="telephone", text=b"987555", pattern=_alone(r"987555\d{4}")),
    Stem(kind="address", text=b"wexgrove"),
    Stem(kind="note", text=b"quexnote"),
    Stem(kind="patient id", text=b"mrn-qx7-"),
    Stem(kind="zip code", text=b"02134-77"),
    Stem(kind="zip code", text=b"0213477", pattern=_alone(r"0213477\d{2}")),
    Stem(kind="network address", text=b"198.51.100."),
    *_date("birth date", 11, 23, r"(?:19\d\d|20[01]\d)"),
    *_date("start of the coverage", 10, 19, r"(?:19\d\d|20[012]\d)"),
)


@dataclass(frozen=True)
class Person:
    """The marks of the record of that number."""

    number: int

    @property
    def suffix(self) -> str:
        """The number in letters, for what has no digits."""
        return "".join(_LETTERS[int(digit)] for digit in f"{self.number:05}")

    @property
    def first_name(self) -> str:
        return f"Zquillion{self.suffix}"

    @property
    def last_name(self) -> str:
        return f"{'Ovéxmar' if self.number % 10 == 0 else 'Ovexmarrow'}{self.suffix}"

    @property
    def ssn(self) -> str:
        return f"987-65-{self.number:04}"

    @property
    def early_ssn(self) -> str:
        """Of an area whose numbers begin with zero, without hyphens: as a number it is smaller than others."""
        return f"07805{self.number:04}"

    @property
    def telephone(self) -> str:
        return f"(987) 555-{self.number:04}"

    @property
    def email(self) -> str:
        return f"{self.first_name}.{self.last_name}@vexpost.example"

    @property
    def address(self) -> str:
        return f"{self.number} Wexgrove Lane"

    @property
    def zip_code(self) -> str:
        return f"02134-77{self.number % 100:02}"

    @property
    def patient_id(self) -> str:
        return f"MRN-QX7-{self.number:05}"

    @property
    def note(self) -> str:
        return f"Quexnote {self.number}: asked for {self.first_name}, {self.ssn}"

    @property
    def network_address(self) -> str:
        return f"198.51.100.{self.number % 250}"

    def birth_date(self, year: int) -> str:
        return f"{year}-11-23"

    def coverage_start(self, year: int) -> str:
        return f"{year}-10-19"

    @property
    def undeclared(self) -> Mapping[str, str]:
        """What no column is declared for, by the name that a source may give it."""
        return {
            "ssn": self.ssn,
            "email": self.email,
            "address": self.address,
            "phone": self.telephone,
            "notes": self.note,
            "last_login_from": self.network_address,
        }


MARKS_A_RECORD = 12
"""Names, number of the patient, ZIP code, two dates, and what is undeclared."""
