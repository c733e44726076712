"""The synthetic population's records as the text of a member file."""

from collections.abc import Iterator, Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from healthcare_assets.domain.monitoring.outcomes import REQUIRED_OUTCOME_COLUMNS
from healthcare_assets.domain.synthetic import SyntheticPopulation, records
from healthcare_assets.domain.synthetic_outcomes import OutcomeRecords, outcomes
from healthcare_assets.domain.synthetic_random import Floats, Integers
from healthcare_assets.domain.synthetic_records import ID_DIGITS, MemberRecords, Words
from healthcare_assets.domain.tables import SOURCE_COLUMNS
from healthcare_assets.resources.source_batches import Part, Rows
from healthcare_assets.resources.source_columns import OUTCOME_COLUMNS, match_header
from healthcare_assets.resources.source_text import as_text

_NAME = "synthetic population"
_COLUMNS = tuple(name for name in SOURCE_COLUMNS if name not in ("age", "zip_code"))


def synthetic_part(population: SyntheticPopulation, *, first_day: date, day: date) -> Part:
    """The records that the population writes on the day."""
    chunks = records(population, first_day=first_day, day=day)
    return Part(name=_NAME, header=match_header(_COLUMNS, place=_NAME), rows=_rows(chunks))


def synthetic_outcomes_part(population: SyntheticPopulation, *, first_day: date, day: date) -> Part:
    """The costs of the population that become known on the day."""
    header = match_header(REQUIRED_OUTCOME_COLUMNS, place=_NAME, declared=OUTCOME_COLUMNS)
    chunks = outcomes(population, first_day=first_day, day=day)
    return Part(name=_NAME, header=header, rows=(_outcome_rows(chunk) for chunk in chunks))


def _outcome_rows(chunk: OutcomeRecords) -> Rows:
    columns = {
        "patient_id": _ids(chunk),
        "charges": _numbers(chunk.charges),
        "service_date": pa.repeat(pa.scalar(chunk.service_date.isoformat()), len(chunk.charges)),
    }
    return Rows(columns=tuple(columns[name] for name in REQUIRED_OUTCOME_COLUMNS))


def _rows(chunks: Iterator[MemberRecords]) -> Iterator[Rows]:
    for chunk in chunks:
        columns = _columns(chunk)
        yield Rows(columns=tuple(columns[name] for name in _COLUMNS))


def _columns(chunk: MemberRecords) -> Mapping[str, pa.Array]:
    return {
        "patient_id": _ids(chunk),
        "first_name": _words(chunk.first_name),
        "last_name": _words(chunk.last_name),
        "birth_date": _dates(chunk.birth_date),
        "sex": _words(chunk.sex),
        "region": _words(chunk.region),
        "bmi": pc.coalesce(_words(chunk.bmi_remark), _numbers(chunk.bmi)),
        "smoker": _words(chunk.smoker),
        "children": _numbers(chunk.children),
        "charges": _numbers(chunk.charges),
        "insurance_plan": _words(chunk.insurance_plan),
        "coverage_start_date": _dates(chunk.coverage_start_date),
        "timestamp": as_text(pa.array(chunk.timestamp).cast(pa.timestamp("s", tz="UTC"))),
    }


def _ids(chunk: MemberRecords | OutcomeRecords) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(chunk.id_number).cast(pa.string()), ID_DIGITS, "0")
    return pc.binary_join_element_wise(_words(chunk.id_prefix), digits, _words(chunk.id_suffix), "")


def _words(words: Words) -> pa.Array:
    codes = pa.array(words.codes, pa.int64(), mask=words.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(words.vocabulary)).dictionary_decode()


def _numbers(values: Integers | Floats) -> pa.Array:
    """NaN is a value that is not delivered."""
    return as_text(pa.array(values, from_pandas=True))


def _dates(days: Integers) -> pa.Array:
    return pa.array(days).cast(pa.int32()).cast(pa.date32()).cast(pa.string())
