"""A pseudonym is the HMAC that is promised, whatever the key and the id."""

import hmac
import pickle

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.deidentification import pseudonymiser, pseudonyms


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_pseudonym_is_the_first_half_of_the_hmac_of_the_normalised_id(key: bytes, identity: str) -> None:
    whole = hmac.digest(key, identity.strip().casefold().encode(), "sha256")
    assert pseudonyms(key)(identity) == whole[:16].hex()


def test_a_batch_keeps_nothing_of_an_id_and_a_null_stays_null() -> None:
    replace = pseudonymiser(b"a key that is long enough")
    batch = pa.record_batch({"identity": ["MRN-1", None, " mrn-1 "], "age": [1, 2, 3]})
    found = replace(batch).to_pydict()
    assert list(found) == ["patient_key", "age"]
    assert found["patient_key"][1] is None
    assert found["patient_key"][0] == found["patient_key"][2]


def test_it_can_be_sent_to_another_process() -> None:
    import cloudpickle  # type: ignore[import-untyped]

    replace = pickle.loads(cloudpickle.dumps(pseudonymiser(b"key")))  # noqa: S301 - our own
    batch = pa.record_batch({"identity": ["MRN-1"]})
    assert replace(batch) == pseudonymiser(b"key")(batch)
