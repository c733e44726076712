"""Inference validation: a model is loaded and scores on trial before it may become champion."""

from collections.abc import Sequence
from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from healthcare_assets.domain import checks
from healthcare_assets.domain.compiled import agreeing
from healthcare_assets.domain.scoring import PREDICTION_SCHEMA, LoadedModel, ScoringError, predicted_by, score
from healthcare_assets.domain.tables import PREDICTIONS
from healthcare_assets.policy import Policy


def probe_faults(model: LoadedModel, patients: pd.DataFrame, expected: Sequence[float]) -> list[str]:
    """Whether the loaded model predicts for made-up patients what its pipeline predicted when it was made (US dollars).

    To the bit, or in a compiled form to within what such a form may differ by.
    """
    predicted, amounts = predicted_by(model, patients), np.asarray(expected)
    if len(predicted) != len(expected) or not len(expected):
        return [f"there are {len(expected)} expected predictions for {len(predicted)} made-up patients"]
    same = predicted == amounts if model.compiled is None else agreeing(predicted, amounts)
    other = int(np.sum(~same))
    return [f"it predicts other charges for {other} of {len(expected)} made-up patients than when it was made"] * bool(
        other
    )


def trial_faults(model: LoadedModel, sample: pd.DataFrame, *, predicted_at: datetime, policy: Policy) -> list[str]:
    """What is wrong with the model's predictions for some of the current patients (rows of `risk_features`)."""
    if sample.empty:
        return ["there is no patient to score on trial"]
    try:
        batch = score(sample, model, predicted_at=predicted_at, policy=policy)
    except ScoringError as error:
        return [str(error).rstrip(".")]
    frame = nw.from_native(pa.Table.from_batches([batch])).lazy()
    found = frame.select(*checks.incomplete_predictions()).collect().rows(named=True)[0]
    outcome = checks.complete_predictions(found, patients=len(sample))
    nulls = [name for name in batch.schema.names if batch.column(name).null_count]
    faults = [f"{name} is null for some of {len(sample)} patients on trial" for name in nulls]
    if batch.schema != PREDICTION_SCHEMA:
        faults.append(f"its predictions have not the columns of {PREDICTIONS.name}")
    return faults if outcome.passed else [*faults, outcome.description.rstrip(".")]
