"""The groups of patients by which a model is examined."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthcare_assets.domain.features import AGE_BANDS

Labels = NDArray[np.str_]

AGE_BAND_NAMES = (
    f"0-{AGE_BANDS[0] - 1}",
    *(f"{start}-{behind - 1}" for start, behind in pairwise(AGE_BANDS)),
    f"{AGE_BANDS[-1]}-over",
)
"""Years; the bands of `age_risk_score`."""

PROTECTED_ATTRIBUTES = ("sex", "region", "age_band")
"""Those whose groups a model may not be biased against."""


def groups_of(patients: pd.DataFrame) -> Mapping[str, Labels]:
    """The label of each patient by attribute: the protected ones, and `smoker`, whose costs differ most."""
    return {
        "sex": patients["sex"].to_numpy(dtype=str),
        "region": patients["region"].to_numpy(dtype=str),
        "age_band": age_band(patients["age"].to_numpy(dtype=np.float64)),
        "smoker": np.where(patients["smoker"].to_numpy(dtype=bool), "yes", "no"),
    }


def age_band(age: NDArray[np.float64]) -> Labels:
    """The band of each age in years."""
    labels: Labels = np.asarray(AGE_BAND_NAMES)[np.searchsorted(AGE_BANDS, age, side="right")]
    return labels
