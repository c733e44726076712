"""Arrow batches as a Polars frame that pulls them while it is computed: nothing is written down or held."""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from healthcare_assets.errors import LakehouseError
from healthcare_assets.resources.arrow_types import declared_batch


def streamed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pl.LazyFrame:
    """A frame with the columns of `schema` that can be computed once.

    LakehouseError when it is computed again. What the batches raise is raised where the frame is computed.
    """
    unread = [batches]

    def read(
        names: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        if not unread:
            raise LakehouseError("Batches that are streamed can be read once: use `from_batches` to read them again.")
        for batch in unread.pop():
            frame = pl.DataFrame(declared_batch(batch if rows is None else batch.slice(0, rows), schema))
            rows = None if rows is None else rows - frame.height
            kept = frame if predicate is None else frame.filter(predicate)
            yield kept if names is None else kept.select(names)
            if rows == 0:
                return

    return register_io_source(read, schema=pl.Schema(schema), validate_schema=True)
