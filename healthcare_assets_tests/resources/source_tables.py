"""Small typed patient tables for the tests of sources."""

import json
import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from healthcare_assets.resources.source import Source, open_source
from healthcare_assets.resources.source_batches import Part, bronze_batches

FIRST_DAY = date(2026, 1, 1)
INGESTED_AT = datetime(2026, 1, 10, 12, tzinfo=UTC)


def patients(count: int) -> pa.Table:
    """Patients with ids p1, p2, …, in the types that a database would give."""
    return pa.table(
        {
            "patient_id": pa.array([f"p{number}" for number in range(1, count + 1)], pa.string()),
            "birth_date": pa.array([date(1990, 1, 31)] * count, pa.date32()),
            "sex": pa.array(["female"] * count, pa.string()),
            "region": pa.array(["southwest"] * count, pa.string()),
            "bmi": pa.array([27.9] * count, pa.float64()),
            "smoker": pa.array([True] * count, pa.bool_()),
            "children": pa.array([0] * count, pa.int32()),
        }
    )


def dated_patients(timestamps: Sequence[Any], kind: pa.DataType | None = None) -> pa.Table:
    """A patient for each timestamp."""
    return patients(len(timestamps)).append_column("timestamp", pa.array(timestamps, kind))


def opened(spec: str | Path | None, lakehouse_root: Path = Path("nowhere")) -> Source:
    """The source as the project opens it."""
    return open_source(
        None if spec is None else str(spec), first_day=FIRST_DAY, lakehouse_root=lakehouse_root, ingested_at=INGESTED_AT
    )


def bronze_records(part: Part) -> list[dict[str, Any]]:
    """All records of a file as bronze would keep them."""
    batches = bronze_batches([part], cutoff=FIRST_DAY)
    return [record for batch in batches for record in batch.to_pylist()]


def records_of(source: Source, day: date = FIRST_DAY) -> list[dict[str, Any]]:
    """The day's records."""
    return [record for batch in source.read(day).batches for record in batch.to_pylist()]


def ids_of(source: Source, day: date = FIRST_DAY) -> list[str]:
    """The patient ids of the day's records."""
    return [record["patient_id"] for record in records_of(source, day)]


Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def delete_by_vector(table: Path, *, rows: Sequence[int]) -> None:
    """Delete rows of a table of one file and one version as Databricks does: by a deletion vector in its log.

    The vector is the Delta protocol's "inline" form: a 64 bit Roaring bitmap of row positions, in base 85.
    """
    bitmap = struct.pack("<IQI", 1681511377, 1, 0) + struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16)
    bitmap += b"".join(struct.pack("<H", row) for row in rows)
    bitmap += bytes(-len(bitmap) % 4)
    log = table / "_delta_log"
    actions = [json.loads(line) for line in (log / f"{0:020d}.json").read_text().splitlines()]
    added = next(action["add"] for action in actions if "add" in action)
    vector = {"storageType": "i", "pathOrInlineDv": z85(bitmap), "sizeInBytes": len(bitmap), "cardinality": len(rows)}
    feature = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    removed = {"path": added["path"], "dataChange": True, "deletionTimestamp": added["modificationTime"]}
    commit = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **feature}},
        {"remove": removed},
        {"add": {**added, "deletionVector": vector}},
    ]
    (log / f"{1:020d}.json").write_text("\n".join(json.dumps(action) for action in commit) + "\n")


def z85(content: bytes) -> str:
    """Base 85 in the alphabet of ZeroMQ's RFC 32."""
    words = struct.unpack(f">{len(content) // 4}I", content)
    return "".join(Z85[word // 85**power % 85] for word in words for power in range(4, -1, -1))
