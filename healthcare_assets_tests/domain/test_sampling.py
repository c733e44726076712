"""Who is in a training sample: the right number of each stratum, by content alone."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain import sampling
from healthcare_assets.domain.groups import groups_of
from healthcare_assets_tests.training_populations import made_up_population, pseudonyms

_COUNTS = st.dictionaries(st.integers(0, 3_000), st.integers(1, 100_000), min_size=1, max_size=60)


def placed(patients: pd.DataFrame, *, seed: int = 7) -> pd.DataFrame:
    batch = pa.RecordBatch.from_pandas(patients, preserve_index=False)
    frame: pd.DataFrame = sampling.with_strata(seed=seed)(batch).to_pandas()
    return frame


def counted(frame: pd.DataFrame) -> dict[int, int]:
    return dict(Counter(frame[sampling.STRATUM].tolist()))


def sampled(patients: pd.DataFrame, size: int, *, seed: int = 7) -> pd.DataFrame:
    frame = placed(patients, seed=seed)
    counts = counted(frame)
    wanted = sampling.quotas(counts, patients=size)
    limits = sampling.limits(counts, wanted)
    near = frame[frame[sampling.PLACE] < frame[sampling.STRATUM].map(limits)]
    sample = sampling.chosen(near, wanted)
    assert sample is not None
    return sample


@given(_COUNTS, st.integers(100, 3_000_000))
def test_each_stratum_has_its_share_to_one_and_each_group_somebody(counts: dict[int, int], size: int) -> None:
    wanted, known = sampling.quotas(counts, patients=size), sum(counts.values())
    assert sum(wanted.values()) == min(size, known)
    assert wanted.keys() == counts.keys()
    assert all(0 <= wanted[stratum] <= counts[stratum] for stratum in counts)
    groups: Counter[int] = Counter()
    for stratum, quota in wanted.items():
        groups[sampling.group_of(stratum)] += quota
    assert min(groups.values()) > 0
    given_away = len(groups)  # at most one patient for each group that would have had nobody
    for stratum, count in counts.items():
        assert abs(wanted[stratum] - min(1.0, size / known) * count) <= 1 + given_away


def test_the_costliest_of_small_groups_are_not_rounded_away() -> None:
    """A third of a patient in the upmost band of each of 60 groups makes 18 patients, whatever is rounded."""
    bands = sampling._BANDS
    counts = {group * bands: 970 for group in range(60)} | {group * bands + bands - 1: 30 for group in range(60)}
    wanted = sampling.quotas(counts, patients=600)
    assert sum(quota for stratum, quota in wanted.items() if stratum % bands) == 18
    groups = Counter(sampling.group_of(stratum) for stratum, quota in wanted.items() for _ in range(quota))
    assert set(groups.values()) <= {9, 10, 11}


def test_a_sample_is_like_the_population() -> None:
    patients = made_up_population(20_000)
    sample = sampled(patients, 2_000)
    assert len(sample) == 2_000
    assert sample["patient_key"].is_unique
    assert list(sample.columns) == list(patients.columns)
    assert sample["charges"].mean() == pytest.approx(patients["charges"].mean(), rel=0.01)
    everybody, chosen = groups_of(patients), groups_of(sample)
    for attribute, labels in everybody.items():
        for group in np.unique(labels):
            assert np.mean(chosen[attribute] == group) == pytest.approx(np.mean(labels == group), abs=0.01)


def test_neither_the_order_nor_the_pseudonyms_matter_and_the_seed_does() -> None:
    patients = made_up_population(3_000)
    content = [name for name in patients.columns if name != "patient_key"]

    def whom(sample: pd.DataFrame) -> pd.DataFrame:
        return sample[content].sort_values(content, ignore_index=True)

    expected = whom(sampled(patients, 900))
    elsewhere = patients.sample(frac=1.0, random_state=1).assign(patient_key=pseudonyms(3_000, salt="another key"))
    pd.testing.assert_frame_equal(whom(sampled(elsewhere, 900)), expected)
    assert len(whom(sampled(patients, 900, seed=8)).merge(expected)) < 500


def test_places_are_spread_evenly_and_are_never_without_a_number() -> None:
    patients = made_up_population(20_000)
    places = placed(patients)[sampling.PLACE] / sampling.PLACES
    tenths = np.histogram(places, bins=10, range=(0.0, 1.0))[0]
    assert np.abs(tenths - 2_000).max() < 200
    unknown = placed(patients.head(5).assign(charges=None, bmi=None, children=None))
    assert unknown[[sampling.STRATUM, sampling.PLACE]].notna().all(axis=None)


def test_patients_who_agree_in_everything_leave_a_stratum_short_until_more_are_collected() -> None:
    alike = made_up_population(1).iloc[[0] * 500].assign(patient_key=pseudonyms(500))
    frame = placed(alike)
    counts = counted(frame)
    wanted = sampling.quotas(counts, patients=100)
    assert sampling.chosen(frame.iloc[:0], wanted) is None
    (limit,) = sampling.limits(counts, wanted, wider=100.0).values()
    assert limit == sampling.PLACES
    chosen = sampling.chosen(frame, wanted)
    assert chosen is not None
    assert len(chosen) == 100
