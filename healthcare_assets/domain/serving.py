"""Answering a request: raw patient records, each by itself, through the same cleaning, features and scoring as a day's.

What leaves here is what the model says of a record and, when one was given, the caller's own reference. Nothing else of
a record is answered or told, and a refusal names columns, positions and rules, never a value.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import narwhals as nw
import pandas as pd

from healthcare_assets.domain import cleaning
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.model_features import PATIENT_KEY
from healthcare_assets.domain.scoring import PREDICTION_SCHEMA, LoadedModel, score
from healthcare_assets.domain.tables import REQUIRED_SOURCE_COLUMNS, SOURCE_COLUMNS
from healthcare_assets.errors import RequestError
from healthcare_assets.policy import POLICY, Policy, ServingRules

Record = Mapping[str, object]
"""A raw patient record: values by the source's column names, in any of the source's spellings."""

REFERENCE = "reference"
"""The column that a caller may use to recognise the answers. It comes back as it was given, and is not kept."""

RECORD_COLUMNS = tuple(name for group in REQUIRED_SOURCE_COLUMNS for name in group)
"""What is read of a record. Names, ids, dates of coverage and all else are left where they are."""

ANSWER_COLUMNS = tuple(name for name in PREDICTION_SCHEMA.names if name not in (PATIENT_KEY, "predicted_at"))

_REFUSED_RECORDS_LISTED = 5
_NO_VALUE = "[]"
_WHOLE_NUMBERS = 10**18
"""Whole numbers below it are written out; the others are out of any range, and some too long to be written at all."""
_REFERENCES = 10**15
"""Whole numbers below it are the same when a frame has made doubles of them."""


def answers(
    records: Sequence[Record], model: LoadedModel, *, at: datetime, policy: Policy = POLICY
) -> list[dict[str, Any]]:
    """The `ANSWER_COLUMNS` of each record, in its order, with its `reference` before them when any record has one.

    `at` carries a time zone; ages follow from birth dates as of its day. A value is text, a number, true or false, a
    date, or null. RequestError, and no answer at all, when one of the records cannot be scored: it says all that is
    wrong with the first of them.
    """
    require_records(records, policy)
    given = _given(records)
    patients = _cleaned(records, at=at, policy=policy)
    _refuse(_faults(records, patients["reasons"].to_list(), policy), records=len(records))
    features = risk_features(patients.drop("reasons").lazy()).collect().to_arrow()
    scored = score(features.to_pandas(), model, predicted_at=at, policy=policy)
    found: list[dict[str, Any]] = scored.select(list(ANSWER_COLUMNS)).to_pylist()
    if REFERENCE not in given:
        return found
    return [
        {REFERENCE: _reference(record.get(REFERENCE)), **answer} for record, answer in zip(records, found, strict=True)
    ]


def require_records(records: Sequence[Record], policy: Policy = POLICY) -> None:
    """RequestError when there are none, too many, or when a required column is in none of them."""
    most = policy.serving.maximum_records
    if not records:
        raise RequestError("The request holds no record: send at least one.")
    if len(records) > most:
        raise RequestError(f"The request holds {len(records):,} records, and at most {most:,} are taken at once.")
    given = _given(records)
    missing = [" or ".join(group) for group in REQUIRED_SOURCE_COLUMNS if not set(group) & given]
    if missing:
        required = ", ".join(" or ".join(group) for group in REQUIRED_SOURCE_COLUMNS)
        raise RequestError(f"The request has no column {', '.join(missing)}: required are {required}.")


def _given(records: Sequence[Record]) -> set[str]:
    return {name for record in records for name in record}


def _cleaned(records: Sequence[Record], *, at: datetime, policy: Policy) -> "nw.DataFrame[Any]":
    """What cleaning makes of the records, in their order, and under no key: nobody has to be told from another."""
    texts = {
        name: [cell_text(record.get(name)) for record in records] if name in RECORD_COLUMNS else [None] * len(records)
        for name in (*SOURCE_COLUMNS, "malformed")
    }
    day = at.date()
    bronze = nw.from_dict(texts, schema=dict.fromkeys(texts, nw.String()), backend="polars").with_columns(
        nw.lit(value=False).alias("id_expected"),
        nw.lit(day).alias("cutoff"),
        nw.lit(0).cast(nw.Int64).alias("source_row"),
    )
    read = cleaning.with_reasons(cleaning.read_records(bronze.lazy(), day=day, policy=policy), policy=policy)
    return read.drop("identity").with_columns(nw.lit("").alias(PATIENT_KEY)).collect()


def _faults(records: Sequence[Record], reasons: Sequence[list[str] | None], policy: Policy) -> dict[int, list[str]]:
    """All that is wrong with each record, by its position from 1; a sound record is absent."""
    return {
        position: found
        for position, (record, broken) in enumerate(zip(records, reasons, strict=True), start=1)
        if (found := [*(broken or []), *_reference_faults(record.get(REFERENCE), policy.serving)])
    }


def _reference_faults(given: object, rules: ServingRules) -> list[str]:
    reference, longest = _reference(given), rules.longest_reference
    if isinstance(reference, str) and len(reference) > longest:
        return [f"{REFERENCE} is longer than {longest} characters"]
    is_whole = isinstance(reference, int) and not isinstance(reference, bool) and abs(reference) < _REFERENCES
    if reference is None or isinstance(reference, str) or is_whole:
        return []
    return [f"{REFERENCE} is neither text nor a whole number of at most 15 digits"]


def _reference(given: object) -> object:
    """The reference as it was before a frame made doubles of a column of whole numbers with gaps."""
    if _is_null(given):
        return None
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _refuse(faults: Mapping[int, Sequence[str]], *, records: int) -> None:
    if not faults:
        return
    listed = [
        f"record {position} ({'; '.join(found)})" for position, found in list(faults.items())[:_REFUSED_RECORDS_LISTED]
    ]
    others = f" and {len(faults) - len(listed):,} more" if len(faults) > len(listed) else ""
    counted = "The request" if records == 1 else f"{len(faults):,} of {records:,} records"
    raise RequestError(f"{counted} cannot be scored, and so nothing was: {', '.join(listed)}{others}.")


def _is_null(value: object) -> bool:
    """Null in any of the forms in which frames hold it."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and isnan(value))


def cell_text(value: object) -> str | None:
    """The value as a source's table would hold it: `true`, `19`, `27.9`, `1985-04-12`; null stays null.

    A list or an object becomes a text that stands for nothing, which cleaning refuses in its own words.
    """
    if _is_null(value):
        return None
    match value:
        case bool():
            text = "true" if value else "false"
        case int():
            text = _whole_text(value)
        case float() | Decimal() if isfinite(value) and value == int(value):
            text = _whole_text(int(value))
        case str() | float() | Decimal():
            # JSON can name half of a surrogate pair, which is no text and which no engine takes.
            text = str(value).encode(errors="replace").decode()
        case date():
            text = value.isoformat()
        case _:
            text = _NO_VALUE
    return text


def _whole_text(value: int) -> str:
    return str(value) if abs(value) < _WHOLE_NUMBERS else f"{'-' if value < 0 else ''}1e99"
