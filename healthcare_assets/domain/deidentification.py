"""Pseudonyms, and the proof per row that nothing but a pseudonym is left (Safe Harbor, 45 CFR 164.514(b)(2))."""

import hashlib
from collections.abc import Callable

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain.features import SAFE_HARBOR_AGE

PSEUDONYM_PATTERN = r"^[0-9a-f]{32}$"
_PSEUDONYM_BYTES = 16
_BLOCK_BYTES = 64
_INNER_PAD, _OUTER_PAD = 0x36, 0x5C


def pseudonyms(*keys: bytes) -> Callable[[str], str]:
    """From an id to its pseudonym: HMAC-SHA-256 of the id, trimmed and without regard to case, as 32 hex digits.

    Of several keys, which come about by rotation, each makes a new pseudonym of the one before: so tables are re-keyed
    without an id, and who knows the old keys alone can derive nothing any more.

    128 of the 256 bits are kept (RFC 2104 allows truncation): among a billion patients a collision has a chance of
    1.5e-21, and the key columns are half as wide. Without the key nobody can derive a pseudonym from an id.

    The two states of SHA-256 that depend on the key alone are computed once (RFC 2104, section 4) and copied for each
    id, which takes half the time of a whole HMAC.
    """
    one_by_one = [_pseudonyms(key) for key in keys]

    def of(identity: str) -> str:
        for pseudonym in one_by_one:
            identity = pseudonym(identity)
        return identity

    return of if len(keys) > 1 else one_by_one[0]


def _pseudonyms(key: bytes) -> Callable[[str], str]:
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key
    padded = block.ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (_INNER_PAD, _OUTER_PAD))

    def of(identity: str) -> str:
        within, around = inner.copy(), outer.copy()
        within.update(identity.strip().casefold().encode())
        around.update(within.digest())
        return around.digest()[:_PSEUDONYM_BYTES].hex()

    return of


def pseudonymiser(*keys: bytes, column: str = "identity") -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A batch function that puts `patient_key` in the place of `identity`, or of another column; null stays null."""

    def replace_identity(batch: pa.RecordBatch) -> pa.RecordBatch:
        of = pseudonyms(*keys)  # made here: Spark sends this function to other processes, and a hash cannot be sent
        position = batch.schema.get_field_index(column)
        identities = batch.column(position).to_pylist()
        pseudonymous = [None if identity is None else of(identity) for identity in identities]
        return batch.set_column(position, pa.field("patient_key", pa.string()), pa.array(pseudonymous, pa.string()))

    return replace_identity


def is_deidentified() -> nw.Expr:
    """Whether the row carries a pseudonym and no age over 90: computed from the row, never asserted."""
    return nw.col("patient_key").str.contains(PSEUDONYM_PATTERN) & (nw.col("age") <= SAFE_HARBOR_AGE)
