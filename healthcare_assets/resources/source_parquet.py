"""Reading a Parquet file in batches, every column as text."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_assets.errors import SourceError
from healthcare_assets.resources.source_batches import Part, Rows
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, Declared, match_header
from healthcare_assets.resources.source_text import as_text

BATCH_ROWS = 50_000


def is_parquet(path: Path) -> bool:
    """Whether the file's name says that it is a Parquet file."""
    return path.suffix.lower() in {".parquet", ".pq"}


def open_parquet(path: Path, declared: Declared = PATIENT_COLUMNS) -> Part:
    """Read the file's schema and check it; the rows are read when they are asked for.

    Raises SourceError when the file is no complete Parquet file, or lacks required columns.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error
    header = match_header(names, place=str(path), declared=declared)
    return Part(name=str(path), header=header, rows=_rows(path))


def _rows(path: Path) -> Iterator[Rows]:
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                yield Rows(columns=tuple(as_text(column) for column in batch.columns))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> SourceError:
    return SourceError(f"{path} cannot be read as Parquet, it is damaged or incomplete: deliver it again.")
