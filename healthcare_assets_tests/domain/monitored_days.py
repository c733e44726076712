"""Days as monitoring finds them, from made-up patients through the real statistics: for whatever shows a day."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from healthcare_assets.domain.model_features import CATEGORICAL_FEATURES
from healthcare_assets.domain.monitoring import drift
from healthcare_assets.domain.monitoring.checks import Seen, day_checks
from healthcare_assets.domain.monitoring.findings import (
    Distribution,
    DriftStatistic,
    HistoryPoint,
    MonitoredDay,
    Performance,
)
from healthcare_assets.domain.monitoring.profile import (
    Cells,
    Profile,
    added_up,
    categorical_profile,
    counter,
    numeric_profile,
)
from healthcare_assets.policy import POLICY

DAY = date(2026, 3, 1)
_TRAINING = 6000
Drift = tuple[tuple[DriftStatistic, ...], tuple[Distribution, ...]]


def group(attribute: str = "all", name: str = "all", **what: Any) -> Performance:
    """Of the window, unless told otherwise: matured, and as it should be."""
    usual: dict[str, Any] = {
        "scope": "window",
        "service_date": DAY - timedelta(days=40),
        "attribute": attribute,
        "group": name,
        "status": "matured",
        "predictions": 520,
        "outcomes": 480,
        "risk_score_mae": 8.53,
        "risk_score_r2": 0.812,
        "mae_charges": 2345.6,
        "r2_charges": 0.744,
        "predictive_ratio": 0.973,
        "ratio_lower": 0.931,
        "ratio_upper": 1.015,
        "biased": False,
        "model_version": "3",
    }
    return Performance(**usual | what)


def service_day(back: int, **what: Any) -> Performance:
    """So many days before the day."""
    return group(scope="service day", service_date=DAY - timedelta(days=back), **what)


@cache
def many_alerts() -> MonitoredDay:
    """800 patients who are older, heavier, smoke more; a biased group, an error over the limit, two model changes."""
    days = [back for back in range(29, -1, -1) if back not in (17, 18, 9)]
    by_day = {back: _drift(800, back, shift=max(0.0, (12 - back) / 6)) for back in days}
    performance = (*_service_days(error=9.0, rising=True), *_groups(biased=True))
    return _day(800, by_day, performance)


@cache
def quiet() -> MonitoredDay:
    """50 patients as those of training, none of whose costs is known yet."""
    by_day = {back: _drift(50, back, shift=0.0) for back in range(29, -1, -1)}
    waiting = tuple(
        service_day(back, status="provisional", predictions=50, outcomes=0, **dict.fromkeys(_FIGURES))
        for back in range(40, 0, -1)
    )
    return _day(50, by_day, waiting)


@cache
def nothing() -> MonitoredDay:
    """Nobody has scored the day and nothing is known of it."""
    return MonitoredDay(
        day=DAY,
        model_name="health_insurance_cost",
        model_version=None,
        predictions=0,
        reference_patients=0,
        drift=(),
        distributions=(),
        history=(),
        performance=(),
        checks=(),
    )


_FIGURES = (
    "risk_score_mae",
    "risk_score_r2",
    "mae_charges",
    "r2_charges",
    "predictive_ratio",
    "ratio_lower",
    "ratio_upper",
)


def _day(patients: int, by_day: Mapping[int, Drift], performance: tuple[Performance, ...]) -> MonitoredDay:
    statistics, distributions = by_day[0]
    seen = Seen(
        day=DAY,
        model_version="4",
        without_reference=None,
        predictions=patients,
        drift=statistics,
        performance=performance,
    )
    return MonitoredDay(
        day=DAY,
        model_name="health_insurance_cost",
        model_version="4",
        predictions=patients,
        reference_patients=_TRAINING,
        drift=statistics,
        distributions=distributions,
        history=tuple(_point(found, back) for back, (of_day, _) in by_day.items() for found in of_day),
        performance=performance,
        checks=day_checks(seen, policy=POLICY),
    )


def _point(found: DriftStatistic, back: int) -> HistoryPoint:
    version = "2" if back > 22 else "3" if back > 12 else "4"
    return HistoryPoint.of(found, day=DAY - timedelta(days=back), model_version=version)


def _drift(patients: int, seed: int, *, shift: float) -> Drift:
    profiles = _profiles()
    cells = _cells(_population(patients, seed=1 + seed, shift=shift), profiles)
    statistics = [
        found
        for name, profile in profiles.items()
        for found in drift.column_statistics(name, profile, cells[name], policy=POLICY)
    ]
    statistics.append(drift.volume(patients, reference=_TRAINING, policy=POLICY))
    return tuple(statistics), tuple(drift.distribution(name, profiles[name], cells[name]) for name in profiles)


@cache
def _profiles() -> Mapping[str, Profile]:
    training = _population(_TRAINING, seed=0, shift=0.0)
    return {
        name: categorical_profile(training[name])
        if name in (*CATEGORICAL_FEATURES, "smoker")
        else numeric_profile(training[name].to_numpy(dtype=np.float64))
        for name in map(str, training)
    }


def _cells(patients: pd.DataFrame, profiles: Mapping[str, Profile]) -> Mapping[str, Cells]:
    counted = counter(profiles)(pa.RecordBatch.from_pandas(patients, preserve_index=False))
    return added_up(counted.to_pandas(), profiles)


def _population(patients: int, *, seed: int, shift: float) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = np.clip(random.normal(44 + 8 * shift, 14, patients), 18, 90).astype(np.int64)
    smoker = random.random(patients) < 0.2 + 0.08 * shift
    bmi = np.where(random.random(patients) < 0.015 * shift, np.nan, random.normal(29 + 1.2 * shift, 5, patients))
    cost = random.gamma(2.0, 60.0 * age * np.where(smoker, 3.0, 1.0))
    return pd.DataFrame(
        {
            "age": age,
            "bmi": bmi,
            "children": np.minimum(random.poisson(1.1, patients), 8),
            "sex": random.choice(["female", "male"], patients),
            "region": random.choice(["northeast", "northwest", "southeast", "southwest"], patients),
            "smoker": smoker,
            "predicted_charges": cost,
        }
    )


def _service_days(*, error: float, rising: bool) -> tuple[Performance, ...]:
    random = np.random.default_rng(5)
    found = []
    for back in range(88, 3, -1):
        if back in (60, 61):
            continue
        off = error + random.normal(0, 0.8) + (max(0.0, (60 - back) / 6) if rising else 0.0)
        version = "2" if back > 70 else "3" if back > 12 else "4"
        if back > 30:
            known: dict[str, Any] = {
                "status": "overdue" if back == 80 else "matured",
                "outcomes": 560 if back == 80 else 770,
            }
        elif back > 8:
            known = {"status": "provisional", "outcomes": 770 - 25 * (31 - back)}
        else:
            known = {"status": "provisional", "outcomes": 7, **dict.fromkeys(_FIGURES)}
        found.append(service_day(back, **{"predictions": 800, "risk_score_mae": off, "model_version": version} | known))
    return tuple(found)


def _groups(*, biased: bool) -> tuple[Performance, ...]:
    off = {"predictive_ratio": 0.82, "ratio_lower": 0.77, "ratio_upper": 0.87, "biased": True} if biased else {}
    unsure = {"status": "insufficient data", "predictive_ratio": 1.31, "ratio_lower": 0.7, "ratio_upper": 1.92}
    return (
        group(outcomes=1540, predictions=1600),
        group("sex", "female", outcomes=790),
        group("sex", "male", outcomes=750, **off),
        group("region", "northeast", outcomes=400),
        group("region", "northwest", outcomes=380, predictive_ratio=1.08, ratio_lower=1.01, ratio_upper=1.15),
        group("region", "southeast", outcomes=385),
        group("region", "southwest", outcomes=375),
        group("age_band", "0-24", outcomes=8, status="insufficient data", **dict.fromkeys(_FIGURES)),
        group("age_band", "25-34", outcomes=60, **unsure),
        group("age_band", "35-49", outcomes=480),
        group("age_band", "50-64", outcomes=710),
        group("age_band", "65-over", outcomes=282),
    )
