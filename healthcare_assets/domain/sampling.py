"""Whom to train on where more patients are known than training needs: a stratified sample.

The sample has as many patients of each stratum (smoker × sex × region × age band, and within these bands of the
charges) as its share of all patients, to one. It is a function of the patients' content and the seed: neither the order
of the rows nor the pseudonym key has a part in it, so that the same patients give the same model in every installation.

Nobody outside it need be in memory. Who comes first in a stratum is told by a number that is computed from a patient's
content, batch by batch and on every engine the same. Counts by stratum, which an aggregate gives, say how small the
number of a patient must be who may be among the chosen, and only these are collected. (To order patients by their
pseudonym would need no number, and would make the model depend on the key.)
Charges are in bands of dollars and not in quantiles, which would have to be found first, in a pass of their own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.columns import Column, column
from healthcare_assets.domain.features import AGE_BANDS
from healthcare_assets.domain.model_features import LABEL, MODEL_FEATURES, PATIENT_KEY
from healthcare_assets.domain.tables import REGIONS, RISK_FEATURES, SEXES

if TYPE_CHECKING:
    import pandas as pd

Counts = Mapping[int, int]
"""Patients by stratum."""
Integers = NDArray[np.uint64]

STRATUM = "sampling_stratum"
PLACE = "sampling_place"
"""A whole number from 0 to `PLACES`, spread evenly: who has a smaller one is chosen first in the stratum."""
PLACES = 2**62
LIMIT = "sampling_limit"
LIMIT_COLUMNS: tuple[Column, ...] = (column(STRATUM, "integer", ""), column(LIMIT, "integer", ""))
PATIENT_COLUMNS: tuple[Column, ...] = (
    *RISK_FEATURES.content_columns,
    column("service_date", "date", "The day that features and charges are of."),
    column(LABEL, "float", "US dollars."),
)
"""A patient whose charges are known."""
PLACED_COLUMNS: tuple[Column, ...] = (*PATIENT_COLUMNS, column(STRATUM, "integer", ""), column(PLACE, "integer", ""))

CHARGE_BANDS = (0.01, *(digits * 10**power for power in range(4) for digits in (100, 160, 250, 400, 630)), 1_000_000)
"""US dollars from which on each band lies, from 100 on five to a power of ten; below the first are no costs."""
_BANDS = len(CHARGE_BANDS) + 1


def with_strata(*, seed: int) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A batch function that adds `STRATUM` and `PLACE` to rows with the raw attributes and the charges.

    A value that is null counts as 0: nobody is left out for it, and training says what is wrong with it.
    """

    def add(batch: pa.RecordBatch) -> pa.RecordBatch:
        def numbers(name: str) -> Floats:
            values = batch.column(batch.schema.get_field_index(name)).cast(pa.float64()).fill_null(0.0)
            return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)

        def positions(name: str, declared: Sequence[str]) -> Floats:
            values = batch.column(batch.schema.get_field_index(name))
            found = pc.index_in(values, value_set=pa.array(declared, pa.string())).fill_null(len(declared))
            return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.float64)

        age, smoker, charges = numbers("age"), numbers("smoker"), numbers(LABEL)
        sex, region = positions("sex", SEXES), positions("region", REGIONS)
        place = np.full(batch.num_rows, seed, dtype=np.uint64)
        for values in (age, sex, region, numbers("bmi"), smoker, numbers("children"), charges):
            place = scattered_numbers(np.bitwise_xor(place, (values + 0.0).view(np.uint64)))  # + 0.0, since -0.0 is 0.0
        group = ((smoker * (len(SEXES) + 1) + sex) * (len(REGIONS) + 1) + region) * (len(AGE_BANDS) + 1)
        group += np.searchsorted(AGE_BANDS, age, side="right")
        stratum = group * _BANDS + np.searchsorted(CHARGE_BANDS, charges, side="right")
        added = {STRATUM: stratum.astype(np.int64), PLACE: (place >> np.uint64(2)).astype(np.int64)}
        for name, column_values in added.items():
            batch = batch.append_column(name, pa.array(column_values))
        return batch

    return add


def scattered_numbers(numbers: Integers) -> Integers:
    """The last step of SplitMix64 (Steele, Lea, Flood 2014): each bit of a number changes half of the result's."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def group_of(stratum: int) -> int:
    """The group that a stratum is a band of charges of."""
    return stratum // _BANDS


def quotas(counts: Counts, *, patients: int) -> dict[int, int]:
    """How many patients of each stratum are in a sample of so many; everybody where there are no more.

    In proportion, to one, and so are the patients of each band of charges over all groups: what is left over of a
    stratum is carried to the next one of its band. Rounded each by itself, the few costliest of every group would be
    left out, and the sample would be too cheap. In a band the groups come in an order that means nothing, lest the
    same ones always get what was carried.
    Each group has somebody, be it in the place of one of the largest stratum.
    """
    known = sum(counts.values())
    if known <= patients:
        return dict(counts)
    found, before = {}, 0
    scattered = dict(zip(counts, scattered_numbers(np.array(list(counts), dtype=np.uint64)).tolist(), strict=True))
    for stratum in sorted(counts, key=lambda stratum: (stratum % _BANDS, scattered[stratum])):
        behind = before + counts[stratum]
        # To the nearest whole number, in integers.
        found[stratum] = (2 * behind * patients + known) // (2 * known) - (2 * before * patients + known) // (2 * known)
        before = behind
    for group in sorted({group_of(stratum) for stratum in counts}):
        inside = [stratum for stratum in counts if group_of(stratum) == group]
        if not any(found[stratum] for stratum in inside):
            found[max(found, key=lambda stratum: (found[stratum], -stratum))] -= 1
            found[max(inside, key=lambda stratum: (counts[stratum], -stratum))] += 1
    return found


def limits(counts: Counts, wanted: Counts, *, wider: float = 1.0) -> dict[int, int]:
    """By stratum, the `PLACE` below which patients are collected: of those wanted and some more.

    As many more that too few are found in a stratum less than once in a hundred million (six standard deviations);
    `wider` times as many where that happened, as it may when many patients agree in everything.
    """
    found = {}
    for stratum, quota in wanted.items():
        generous = wider * (quota + 6.0 * math.sqrt(quota) + 12.0) if quota else 0.0
        found[stratum] = min(PLACES, math.ceil(PLACES * generous / counts[stratum]))
    return found


def chosen(collected: "pd.DataFrame", wanted: Counts) -> "pd.DataFrame | None":
    """Of each stratum as many as are wanted, those with the smallest places; None when a stratum has too few.

    Patients of one place are told apart by their content, and by the pseudonym only when they agree in all of it: then
    any of them is as good.
    """
    ordered = collected.sort_values([STRATUM, PLACE, *MODEL_FEATURES, LABEL, PATIENT_KEY], kind="stable")
    turn = ordered.groupby(STRATUM).cumcount()
    sample = ordered[turn < ordered[STRATUM].map(wanted)]
    if len(sample) < sum(wanted.values()):
        return None
    return sample.drop(columns=[STRATUM, PLACE]).reset_index(drop=True)
