"""The rating rules of the market that the settings name, and the file with an age curve of the insurer's own."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from healthcare_assets.domain.pricing.age_curves import AGE_LEVELS, AgeCurve, faults
from healthcare_assets.domain.pricing.law import STATES, RatingLaw, rating_law
from healthcare_assets.errors import SettingsError
from healthcare_assets.policy import PricingRules

STATE_VARIABLE, CURVE_VARIABLE = "HEALTHCARE_RATING_STATE", "HEALTHCARE_AGE_CURVE"
_PARTS = ("name", "version", "factors")


def rating_law_of(state: str | None, curve_file: str | None, *, rules: PricingRules) -> RatingLaw:
    """The rules of the state, with the file's age curve in place of the published one where there is a file.

    SettingsError for a state that is none, and for a file that cannot be read or whose curve the law does not allow.
    """
    letters = None if state is None else state.upper()
    if letters is not None and letters not in STATES:
        raise SettingsError(f"{STATE_VARIABLE} is '{state}': set it to the two letters of a US state, like MA, or DC.")
    return rating_law(letters, curve=None if curve_file is None else _curve(curve_file, rules), rules=rules)


def _curve(file: str, rules: PricingRules) -> AgeCurve:
    given = _read(file)
    factors = given.get("factors", {})
    if not isinstance(factors, dict) or not all(_is_number(value) for value in factors.values()):
        raise _unusable(file, "it needs a table [factors], age = factor")
    numbers = {level: float(value) for level, value in factors.items()}
    if found := faults(numbers, rules=rules):
        raise _unusable(file, "; ".join(found))
    return AgeCurve(
        name=str(given.get("name", Path(file).stem)),
        version=str(given.get("version", "the insurer's own")),
        factors=tuple(numbers[level] for level in AGE_LEVELS),
    )


def _read(file: str) -> Mapping[str, Any]:
    try:
        given = tomllib.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{CURVE_VARIABLE} is {file}, which cannot be read ({error.strerror}): correct it."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(file, f"it is no TOML ({error})") from error
    if unknown := sorted(set(given) - set(_PARTS)):
        raise _unusable(file, f"{', '.join(unknown)} is none of {', '.join(_PARTS)}")
    return given


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unusable(file: str, why: str) -> SettingsError:
    return SettingsError(f"{CURVE_VARIABLE} is {file}, and {why}: correct the file (docs/pricing.md).")
