"""Files in the making: a folder beside the tables that outlives neither its use nor its process for long."""

import fcntl
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_assets.resources.arrow_types import declared_batch

_GROUP_ROWS = 100_000


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """An empty folder below `home`, readable by this user only and removed on leaving.

    What a killed process left behind is removed by the next one that finds nobody else at work: everyone holds a
    shared lock, which dies with its process, for as long as the folder is in use.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "in_use.lock").open("w") as lock:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in home.iterdir():
                if leftover.is_dir():
                    shutil.rmtree(leftover)
        # Going from exclusive to shared is not atomic; until it is done there is no folder of ours to lose.
        fcntl.flock(lock, fcntl.LOCK_SH)
        folder = home / uuid4().hex
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def write_batches(batches: Iterable[pa.RecordBatch], file: IO[bytes] | Path, schema: pa.Schema) -> None:
    """Write batches as one Parquet file with the columns of `schema`; they are consumed once, in row groups of 100k."""
    waiting: list[pa.RecordBatch] = []
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            waiting.append(declared_batch(batch, schema))
            if sum(b.num_rows for b in waiting) >= _GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting), row_group_size=_GROUP_ROWS)
                waiting = []
        writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=_GROUP_ROWS)
