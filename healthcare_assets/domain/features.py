"""Risk features, by the contract's formulas. Nothing here reads charges: a feature made from the label is a leak."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import narwhals as nw
import pandas as pd

from healthcare_assets.domain.tables import REGIONS, RISK_FEATURES, SEXES
from healthcare_assets.policy import Policy

Frame = nw.LazyFrame[Any]

SAFE_HARBOR_AGE = 90
"""Safe Harbor (C): 90 stands for 90 and over, here and in everything that follows from silver."""

AGE_BANDS = (25, 35, 50, 65)
"""Ages at which the score rises by one, from 1 to 5."""

BMI_BANDS = (("underweight", 18.5), ("normal", 25.0), ("overweight", 30.0))
"""WHO/CDC categories of adults and the BMI below which each lies; `obese` from 30."""

REGIONAL_MULTIPLIERS = {"northeast": 1.2, "northwest": 1.1, "southeast": 1.0, "southwest": 0.95}

SMOKER_AGE_FACTOR = 2.5
FAMILY_SIZE_STEP = 0.15
_AGE_WEIGHT, _SMOKER_POINTS, _OBESITY_POINTS, _OBESITY_BMI = 20, 50.0, 30.0, 30.0


def risk_features(patients: Frame) -> Frame:
    """The columns of `risk_features` but the day.

    `patients` has one row a patient: `patient_key`, `age` (years), `sex`, `region`, `bmi` (kg/m²), `smoker` and
    `children`.
    """
    scored = patients.with_columns(age_risk_score().alias("age_risk_score"))
    featured = scored.with_columns(
        bmi_category().alias("bmi_category"),
        (nw.col("age") * _if_smoker(SMOKER_AGE_FACTOR, 1.0)).alias("smoking_impact"),
        (nw.col("children") * FAMILY_SIZE_STEP + 1.0).alias("family_size_factor"),
        _regional_multiplier().alias("regional_multiplier"),
        (
            (nw.col("age_risk_score") * _AGE_WEIGHT).cast(nw.Float64)
            + _if_smoker(_SMOKER_POINTS, 0.0)
            + _either(nw.col("bmi") > _OBESITY_BMI, _OBESITY_POINTS, 0.0)
        ).alias("health_risk_composite"),
    )
    return featured.select(*(column.name for column in RISK_FEATURES.content_columns))


def plausible_ranges(policy: Policy) -> Mapping[str, tuple[float, float]]:
    """What each number among the features may be, both bounds inclusive.

    The policy's ranges, and what the formulas above, all of them monotone, make of patients at these ranges' corners.
    """
    youngest, oldest = policy.ranges.age_years
    ages = (youngest, min(oldest, SAFE_HARBOR_AGE))
    corners = product(ages, policy.ranges.bmi, policy.ranges.children, REGIONS, (False, True))
    patients = pd.DataFrame(corners, columns=["age", "bmi", "children", "region", "smoker"])
    features = risk_features(nw.from_native(patients.assign(sex=SEXES[0], patient_key="")).lazy()).collect().to_pandas()
    numbers = [column.name for column in RISK_FEATURES.columns if column.type in ("integer", "float")]
    return {name: (float(features[name].min()), float(features[name].max())) for name in numbers}


def _either(condition: nw.Expr, yes: float, no: float) -> nw.Expr:
    """Null where the condition is: an unknown is not a no."""
    return nw.coalesce(nw.when(condition).then(nw.lit(yes)), nw.when(~condition).then(nw.lit(no)))


def _if_smoker(yes: float, no: float) -> nw.Expr:
    return _either(nw.col("smoker"), yes, no)


def age_risk_score() -> nw.Expr:
    """1–5, of a column `age` in years."""
    return nw.sum_horizontal(
        nw.lit(1).cast(nw.Int64), *((nw.col("age") >= age).cast(nw.Int64) for age in AGE_BANDS)
    ).cast(nw.Int64)


def bmi_category() -> nw.Expr:
    """WHO/CDC, of a column `bmi` in kg/m²; null where it is."""
    below = (nw.when(nw.col("bmi") < limit).then(nw.lit(category)) for category, limit in BMI_BANDS)
    return nw.coalesce(*below, nw.when(nw.col("bmi") >= BMI_BANDS[-1][1]).then(nw.lit("obese")))


def _regional_multiplier() -> nw.Expr:
    return nw.coalesce(
        *(nw.when(nw.col("region") == region).then(nw.lit(factor)) for region, factor in REGIONAL_MULTIPLIERS.items())
    )
