"""Pseudonyms, and the proof per row that nothing but a pseudonym is left (Safe Harbor, 45 CFR 164.514(b)(2))."""

import hmac
from collections.abc import Callable

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.features import SAFE_HARBOR_AGE

PSEUDONYM_PATTERN = r"^[0-9a-f]{32}$"
_PSEUDONYM_BYTES = 16


def pseudonym(identity: str, *, key: bytes) -> str:
    """HMAC-SHA-256 of the id, trimmed and without regard to case, as 32 hex digits.

    128 of the 256 bits are kept (RFC 2104 allows truncation): among a billion patients a collision has a chance of
    1.5e-21, and the key columns are half as wide. Without the key nobody can derive a pseudonym from an id.
    """
    normalised = identity.strip().casefold().encode()
    return hmac.digest(key, normalised, "sha256")[:_PSEUDONYM_BYTES].hex()


def pseudonymiser(key: bytes) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A batch function that puts the column `patient_key` in the place of `identity`; null stays null."""

    def replace_identity(batch: pa.RecordBatch) -> pa.RecordBatch:
        position = batch.schema.get_field_index("identity")
        identities = batch.column(position).to_pylist()
        keys = [None if identity is None else pseudonym(identity, key=key) for identity in identities]
        return batch.set_column(position, pa.field("patient_key", pa.string()), pa.array(keys, pa.string()))

    return replace_identity


def is_deidentified() -> nw.Expr:
    """Whether the row carries a pseudonym and no age over 90: computed from the row, never asserted."""
    return nw.col("patient_key").str.contains(PSEUDONYM_PATTERN) & (nw.col("age") <= SAFE_HARBOR_AGE)
