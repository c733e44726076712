"""The file that says which columns of a source are which: for sources that name them otherwise, or spell values so."""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from healthcare_assets.domain.cleaning import SPELLINGS
from healthcare_assets.domain.parsing import Spellings, folded
from healthcare_assets.domain.tables import SOURCE_COLUMNS
from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, Declared, plain

VARIABLE = "HEALTHCARE_SOURCE_COLUMNS"
_PARTS = ("columns", "absent", "spellings")


def declared_columns(file: str | None) -> Declared:
    """The columns of patient records, under the names that the file gives them; without a file under their own.

    With a file its columns alone are taken: whatever else a source carries stays in bronze, like any undeclared column.
    SettingsError, naming the file and the entry, when it cannot be read or says what cannot be meant.
    """
    if file is None:
        return PATIENT_COLUMNS
    given = _read(file)
    columns, absent = _table(given, "columns", file), given.get("absent", [])
    if not columns or not _texts(absent):
        raise _unusable(file, "it needs a table [columns], our name = its name, and absent as a list of our names")
    if unknown := sorted({*columns, *absent} - set(SOURCE_COLUMNS)):
        raise _unusable(file, f"{', '.join(unknown)} is none of our columns, which are {', '.join(SOURCE_COLUMNS)}")
    if both := sorted(set(columns) & set(absent)):
        raise _unusable(file, f"{', '.join(both)} is both named and absent")
    sources = {plain(name): ours for ours, name in columns.items()}
    if len(sources) < len(columns):
        raise _unusable(file, "one column of the source is named for two of ours")
    _spellings(given, file)  # a fault in them is told before a record is read, and not by the step that needs them
    required = tuple(group for group in PATIENT_COLUMNS.required if not set(group) <= set(absent))
    return replace(PATIENT_COLUMNS, required=required, sources=sources)


def source_spellings(file: str | None) -> Mapping[str, Spellings]:
    """How values are spelled: `SPELLINGS`, and what the file adds to them. Raises as `declared_columns`."""
    return SPELLINGS if file is None else _spellings(_read(file), file)


def _spellings(given: Mapping[str, Any], file: str) -> Mapping[str, Spellings]:
    found = dict(SPELLINGS)
    for column, values in _table(given, "spellings", file).items():
        if column not in found:
            raise _unusable(file, f"spellings.{column} is none of {', '.join(found)}")
        if not isinstance(values, dict) or not all(_texts(texts) for texts in values.values()):
            raise _unusable(file, f"spellings.{column} needs lists of texts by value")
        if other := sorted(set(values) - set(found[column])):
            raise _unusable(file, f"spellings.{column}.{other[0]} is none of {', '.join(found[column])}")
        found[column] = {
            value: (*known, *sorted(set().union(*map(folded, values.get(value, ()))) - set(known)))
            for value, known in found[column].items()
        }
        meanings = Counter(text for texts in found[column].values() for text in texts)
        if ambiguous := sorted(text for text, count in meanings.items() if count > 1):
            raise _unusable(file, f"spellings.{column} gives '{ambiguous[0]}' two meanings")
    return found


def _read(file: str) -> Mapping[str, Any]:
    try:
        given = tomllib.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{VARIABLE} is {file}, which cannot be read ({error.strerror}): correct it.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(file, f"it is no TOML ({error})") from error
    if unknown := sorted(set(given) - set(_PARTS)):
        raise _unusable(file, f"{', '.join(unknown)} is none of {', '.join(_PARTS)}")
    return given


def _table(given: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    table = given.get(name, {})
    if not isinstance(table, dict) or (name == "columns" and not _texts(list(table.values()))):
        raise _unusable(file, f"{name} is no table of names")
    return table


def _texts(values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and all(isinstance(v, str) for v in values)


def _unusable(file: str, why: str) -> SettingsError:
    return SettingsError(f"{VARIABLE} is {file}, and {why}: correct the file (docs/sources.md).")
