"""Reading a CSV file so that no row is lost: a fast way for regular files, and an exact one for whatever is not.

The fast way is Arrow's parser. It splits a regularly quoted file as Python's `csv` module does (a property test holds
the two together) and stops at the first row with a wrong number of fields; from that row on, the exact way goes on.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from healthcare_assets.resources.csv_exact import exact_rows
from healthcare_assets.resources.csv_inspection import CsvLayout, inspect_csv
from healthcare_assets.resources.source_batches import Part, Rows
from healthcare_assets.resources.source_columns import PATIENT_COLUMNS, Declared, match_header

FAST_BLOCK_BYTES = 1 << 22
"""Arrow reads blocks of this size; a row that does not fit into one goes the exact way."""


def open_csv(path: Path, declared: Declared = PATIENT_COLUMNS) -> Part:
    """Inspect the file and check its header; the rows are read when they are asked for.

    Raises SourceError when it is empty, no text, or lacks required columns.
    """
    layout = inspect_csv(path, declared)
    header = match_header(layout.names, place=str(path), declared=declared)
    return Part(name=str(path), header=header, rows=csv_rows(layout), notes=_notes(layout))


def csv_rows(layout: CsvLayout, *, block_bytes: int = FAST_BLOCK_BYTES) -> Iterator[Rows]:
    """The rows behind the header, in file order, in batches of bounded size."""
    done = (yield from _fast_rows(layout, block_bytes)) if layout.regular else 0
    if done is not None:
        yield from exact_rows(layout, skip=done)


def _fast_rows(layout: CsvLayout, block_bytes: int) -> Generator[Rows, None, int | None]:
    """Returns None at the end of the file, or the number of rows given before one that Arrow cannot split.

    Arrow's message is dropped: it quotes the row.
    """
    done = 0
    header_rows = 1
    try:
        reader = _arrow_reader(layout, block_bytes)
    except pa.ArrowInvalid:
        return done
    with reader:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return None
            except pa.ArrowInvalid:
                return done
            rows = batch.slice(header_rows)
            header_rows -= batch.num_rows - rows.num_rows
            done += rows.num_rows
            yield Rows(columns=tuple(rows.columns))


def _arrow_reader(layout: CsvLayout, block_bytes: int) -> pa_csv.CSVStreamingReader:
    numbered = [f"f{position}" for position in range(len(layout.names))]
    file = pa.input_stream(str(layout.path), compression="gzip" if layout.compressed else None)
    return pa_csv.open_csv(
        file,
        read_options=pa_csv.ReadOptions(
            block_size=block_bytes,
            autogenerate_column_names=True,
            encoding="utf8" if layout.encoding in {"utf-8", "utf-8-sig"} else layout.encoding,
        ),
        parse_options=pa_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True, ignore_empty_lines=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(numbered, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )


def _notes(layout: CsvLayout) -> tuple[str, ...]:
    notes = []
    if layout.encoding in {"cp1252", "latin-1"}:
        notes.append(f"{layout.path} is not UTF-8: it was read as Windows-1252.")
    if layout.delimiter != ",":
        name = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}[layout.delimiter]
        notes.append(f"{layout.path} separates its columns by {name}.")
    return tuple(notes)
