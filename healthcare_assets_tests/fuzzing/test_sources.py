"""Ten thousand source files as nobody would write them: each is read whole or refused with a sentence."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import narwhals as nw
import polars as pl
import pyarrow as pa
import pytest

from healthcare_assets.domain import cleaning, deidentification
from healthcare_assets.errors import SourceError
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.resources.source import open_part
from healthcare_assets.resources.source_batches import bronze_batches, bronze_schema
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS
from healthcare_assets.steps.silver import RECORD_COLUMNS
from healthcare_assets_tests.fuzzing.source_files import source_file
from healthcare_assets_tests.runtimes import KEY

pytestmark = pytest.mark.slow

FILES, GROUPS = 10_000, 50
DAY = date(2026, 1, 5)
_ONE_SENTENCE = re.compile(r"[^\n]+[.:][^\n]+\.")


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_record_of_every_file_is_kept_or_refused_and_every_file_read_or_refused(
    tmp_path: Path, group: int
) -> None:
    counted: Counter[str] = Counter()
    tables, refusals = [], []
    for number in range(group, FILES, GROUPS):
        file = source_file(number, tmp_path)
        try:
            read = _read(file.path)
        except SourceError as error:
            refusals.append(str(error))
            continue
        finally:
            file.path.unlink()
        assert file.records in (None, read.num_rows), number
        counted["files read"] += 1
        tables.append(read)
    counted["files refused"] = len(refusals)
    assert [refusal for refusal in refusals if not _ONE_SENTENCE.fullmatch(refusal)] == []
    found = _judged(pa.concat_tables(tables), tmp_path)
    assert found["records"] == found["silver"] + found["duplicates"] + found["quarantined"]
    print(dict(counted + Counter(found)))  # noqa: T201 - shown with -rP
    assert min(counted["files read"], counted["files refused"], found["silver"], found["quarantined"]) > 0


def _read(path: Path) -> pa.Table:
    batches = bronze_batches([open_part(path, PATIENT_COLUMNS)], cutoff=date(2026, 1, 6))
    return pa.Table.from_batches(list(batches), bronze_schema())


def _judged(bronze: pa.Table, folder: Path) -> Mapping[str, int]:
    """What becomes of the records, by the functions that silver is made of."""
    lakehouse = PolarsLakehouse(folder / "lakehouse")
    rows = pl.from_arrow(bronze)
    assert isinstance(rows, pl.DataFrame)
    records = lakehouse.once(
        lakehouse.map_batches(
            cleaning.read_records(nw.from_native(rows.lazy()), day=DAY, policy=POLICY),
            deidentification.pseudonymiser(KEY.encode()),
            columns=RECORD_COLUMNS,
        )
    )
    quarantined = lakehouse.collect(cleaning.quarantined_records(records, policy=POLICY))
    assert pa.compute.all(pa.compute.greater(pa.compute.list_value_length(quarantined["reasons"]), 0)).as_py()
    silver = lakehouse.collect(
        lakehouse.latest(
            cleaning.with_order(cleaning.valid_patients(records)),
            key=["patient_key"],
            order_by=cleaning.NEWEST_BY,
            count_as="source_records",
        )
    )
    return {
        "records": bronze.num_rows,
        "silver": silver.num_rows,
        "duplicates": sum(silver["source_records"].to_pylist()) - silver.num_rows,
        "quarantined": quarantined.num_rows,
    }
