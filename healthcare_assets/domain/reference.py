"""The reference profile: what scoring and the drift report need to know of a model's training population.

It is saved with the model and pinned to its version, small, and written as JSON in which every number is exact.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.conformal import IntervalTable, calibrate
from healthcare_assets.domain.evaluation import OutOfFold
from healthcare_assets.domain.model_features import (
    BOOLEAN_FEATURES,
    CATEGORICAL_FEATURES,
    LABEL,
    MODEL_FEATURES,
    NUMERIC_FEATURES,
    design_frame,
)
from healthcare_assets.domain.monitoring.profile import (
    CategoricalProfile,
    NumericProfile,
    categorical_profile,
    numeric_profile,
    numeric_profile_from,
)
from healthcare_assets.domain.reason_codes import typical_patient
from healthcare_assets.policy import Policy

EXACT_UP_TO = 100_000
"""Populations up to this size are kept value by value; of a larger one, `GRID_POINTS` equally spaced quantiles."""
GRID_POINTS = 10_001

PREDICTED_CHARGES = "predicted_charges"


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceProfile:
    """Of one model version's training population."""

    patients: int
    charges: Floats
    """US dollars, ascending: what a risk score is a percentile of."""
    high_cost_from: float
    """US dollars: the quantile of the charges from which on a prediction counts as high cost."""
    intervals: IntervalTable
    """From a prediction to its interval, calibrated out of fold."""
    typical: Mapping[str, Any]
    """The attributes of the typical patient, whom reason codes compare with."""
    numeric: Mapping[str, NumericProfile]
    """Features, `charges`, and `predicted_charges` out of fold."""
    categorical: Mapping[str, CategoricalProfile]

    def to_json(self) -> str:
        """One JSON object; floats are written so that they read back to the same bits."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["charges"] = self.charges.tolist()
        fields["intervals"] = asdict(self.intervals)
        for kind in ("numeric", "categorical"):
            fields[kind] = {name: asdict(profile) for name, profile in fields[kind].items()}
        return json.dumps(fields, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "ReferenceProfile":
        """Read what `to_json` wrote. ValueError, KeyError or TypeError when the text is something else."""
        fields: dict[str, Any] = json.loads(text)
        numeric = {name: numeric_profile_from(profile) for name, profile in fields["numeric"].items()}
        categorical = {name: CategoricalProfile(**profile) for name, profile in fields["categorical"].items()}
        read = {
            "charges": np.asarray(fields["charges"], dtype=np.float64),
            "intervals": _interval_table(fields["intervals"]),
            "numeric": numeric,
            "categorical": categorical,
        }
        return cls(**fields | read)


def _interval_table(fields: dict[str, Any]) -> IntervalTable:
    return IntervalTable(**fields | {name: tuple(fields[name]) for name in ("edges", "lower", "upper")})


def reference_profile(patients: pd.DataFrame, out_of_fold: OutOfFold, *, policy: Policy) -> ReferenceProfile:
    """The profile of the training population: `patients` (with the model features) row for row with `out_of_fold`."""
    features = design_frame(patients)
    charges = np.sort(out_of_fold.charges)
    kept = charges if len(charges) <= EXACT_UP_TO else np.quantile(charges, np.linspace(0.0, 1.0, GRID_POINTS))
    numeric = {name: numeric_profile(features[name].to_numpy(dtype=np.float64)) for name in NUMERIC_FEATURES}
    numeric[LABEL] = numeric_profile(charges)
    numeric[PREDICTED_CHARGES] = numeric_profile(out_of_fold.predicted)
    return ReferenceProfile(
        patients=len(charges),
        charges=kept,
        high_cost_from=float(np.quantile(charges, policy.bands.high_cost_quantile)),
        intervals=calibrate(out_of_fold.predicted, out_of_fold.charges, coverage=policy.training.interval_coverage),
        typical=typical_patient(patients),
        numeric=numeric,
        categorical={
            name: categorical_profile(features[name])
            for name in MODEL_FEATURES
            if name in CATEGORICAL_FEATURES or name in BOOLEAN_FEATURES
        },
    )
