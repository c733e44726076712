"""Patients to train on: the public insurance data, and made-up ones whose costs follow a known rule."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.evaluation import OutOfFold, percentile
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.groups import Labels
from healthcare_assets.domain.tables import REGIONS, SEXES
from healthcare_assets.domain.training import TrainedModel, train
from healthcare_assets.policy import Policy, TrainingRules

FEW_RESAMPLES = Policy(training=TrainingRules(bootstrap_resamples=20))
"""For tests in which intervals do not matter."""

_INSURANCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "insurance.csv"


def pseudonyms(count: int, *, salt: str = "") -> list[str]:
    return [hashlib.sha256(f"{salt}{number}".encode()).hexdigest()[:32] for number in range(count)]


def training_frame(attributes: pd.DataFrame) -> pd.DataFrame:
    """Raw attributes and charges, by the project's own feature formulas, as training takes them."""
    patients = attributes.assign(patient_key=pseudonyms(len(attributes)))
    features = risk_features(nw.from_native(patients).lazy()).collect().to_pandas()
    return features.assign(charges=attributes["charges"].to_numpy(dtype=np.float64))


def made_up_population(count: int, *, seed: int = 0) -> pd.DataFrame:
    """Patients who cost more with age, much more when they smoke, and more still when they are obese smokers."""
    random = np.random.default_rng(seed)
    age, bmi = random.integers(18, 65, count), np.clip(random.normal(30, 6, count), 15, 55)
    smoker = random.random(count) < 0.2
    cost = 250.0 * age + smoker * (8_000.0 + 14_000.0 * (bmi > 30))
    attributes = {
        "age": age,
        "sex": random.choice(SEXES, count),
        "region": random.choice(REGIONS, count),
        "bmi": bmi,
        "smoker": smoker,
        "children": random.integers(0, 5, count),
        "charges": cost * random.lognormal(0.0, 0.15, count),
    }
    return training_frame(pd.DataFrame(attributes))


@cache
def trained_on_made_up_patients() -> TrainedModel:
    """A model for tests that need some model; trained once for the whole run."""
    return train(made_up_population(600))


def insurance_population() -> pd.DataFrame:
    """The 1,337 distinct records of the public insurance data, which lie beside the project and are not part of it."""
    if not _INSURANCE.is_file():
        pytest.skip(f"the public insurance data are not beside the project ({_INSURANCE.name} in ../shared/data)")
    records = pd.read_csv(_INSURANCE).drop_duplicates(ignore_index=True)
    return training_frame(records.assign(smoker=records["smoker"] == "yes"))


@cache
def insurance_model() -> TrainedModel:
    """The model of the public insurance data; trained once for the whole run."""
    return train(insurance_population())


def on_one_scale(charges: Floats, predicted: Floats, groups: Mapping[str, Labels] | None = None) -> OutOfFold:
    """Held-out predictions as if all patients had been scored on one scale; by default everybody is in one group."""
    scale, median = np.sort(charges), np.full(len(charges), np.median(charges))
    return OutOfFold(
        patient_key=np.arange(len(charges)),
        fold=np.arange(len(charges)) % 5,
        charges=charges,
        predicted=predicted,
        baseline=median,
        true_score=percentile(scale, charges),
        risk_score=percentile(scale, predicted),
        baseline_score=percentile(scale, median),
        groups=groups or {"sex": np.full(len(charges), "female")},
    )
