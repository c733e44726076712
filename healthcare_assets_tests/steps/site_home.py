"""A home whose tables have something on every page of the site."""

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.monitoring.tables import DRIFT_REPORT, MODEL_PERFORMANCE
from healthcare_assets.domain.population.cells import SPLITS, VALUES, Cell, cells_of
from healthcare_assets.domain.population.health import CHANGES
from healthcare_assets.domain.population.tables import ATTRIBUTES, POPULATION_HEALTH
from healthcare_assets.domain.tables import (
    CHAMPION_HISTORY,
    GOVERNANCE_VERDICT,
    PREDICTIONS,
    REGIONS,
    SILVER_PATIENTS,
)
from healthcare_assets.steps import pricing
from healthcare_assets.steps.recording import record
from healthcare_assets.steps.runtime import Runtime, content_of
from healthcare_assets_tests.champions import promoted
from healthcare_assets_tests.resources.lakehouse_tables import frame_of
from healthcare_assets_tests.runtimes import runtime_at

DAYS = (date(2026, 1, 5), date(2026, 1, 6))
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
_CRITERION = {
    "name": "risk_score_r2",
    "value": 0.83,
    "lower": 0.8,
    "upper": 0.86,
    "threshold": 0.7,
    "comparison": ">=",
    "passed": True,
    "detail": "R² is <b>0.83</b>.",
}
KNOWN = {
    "scope": "service day",
    "attribute": "all",
    "group": "all",
    "status": "matured",
    "predictions": 60,
    "outcomes": 40,
    "risk_score_mae": 7.5,
    "risk_score_r2": 0.8,
    "mae_charges": 2_345.0,
    "predictive_ratio": 0.93,
    "biased": False,
    "model_version": "1",
}
NOVEMBER, DECEMBER = date(2025, 11, 1), date(2025, 12, 1)
MEMBERS, OLD = 3_000, 7
PEOPLE = 6_400
WITHHELD_BANDS = ("50-64", "65-over")


def _prediction(number: int) -> dict[str, Any]:
    """20 patients of low, 14 of medium and 6 of critical risk."""
    category = "low" if number < 20 else "medium" if number < 34 else "critical"
    charges = {"low": 1_000.0, "medium": 5_000.0, "critical": 40_000.0}[category]
    return {
        "patient_key": f"{number:032x}",
        "risk_category": category,
        "predicted_charges": charges,
        "charges_lower": charges / 2.0,
        "charges_upper": charges * 2.0,
    }


def priced_month(runtime: Runtime, month: date, *, dearer: float) -> None:
    """`pricing_factors` of patients of the month; few of them are over 64."""
    random = np.random.default_rng(7)
    patients = [
        {
            "patient_key": f"{n * 7919 % 4096:03x}{n:029x}",
            "age": 70 if n < OLD else int(random.integers(18, 64)),
            "region": str(random.choice(REGIONS)),
            "smoker": bool(random.random() < 0.4),
            "children": n % 4,
            "charges": dearer * float(random.gamma(2.0, 5_000.0)),
        }
        for n in range(MEMBERS)
    ]
    write(runtime, SILVER_PATIENTS, *patients, day=month)
    pricing.run(runtime, month)


def told_month(runtime: Runtime, month: date, *, dearer: float) -> None:
    """`population_health` in which everything is as frequent as everything else; some of it is withheld."""
    cells = [cell for split in SPLITS for cell in cells_of(split)]
    write(runtime, POPULATION_HEALTH, *(_told(cell, dearer) for cell in cells), day=month)


def _told(cell: Cell, dearer: float) -> dict[str, Any]:
    """Of the members of the oldest and of those of normal weight too little may be shown."""
    row = dict(zip(ATTRIBUTES, cell, strict=True))
    members = PEOPLE // math.prod(len(VALUES[name]) for name, value in row.items() if value != "all")
    told: dict[str, Any] = {
        "members": members,
        "members_with_cost": members * 9 // 10,
        "high_risk_share": 0.5,
        "mean_risk_score": 50.0,
        "mean_predicted_charges": 9_000.0 * dearer,
        "mean_cost": 8_000.0 * dearer,
    }
    old = row["age_band"] in WITHHELD_BANDS and row["smoker"] != "all"
    light = row["bmi_category"] in ("underweight", "normal")
    told |= dict.fromkeys(told) if old else dict.fromkeys(("members_with_cost", "mean_cost")) if light else {}
    changes: dict[str, float | None] = {f"{name}_change": None for name in CHANGES}
    if dearer > 1.0 and not old:
        changes["mean_predicted_charges_change"] = 9_000.0 * (dearer - 1.0)
        changes["members_change"] = 0
    return {**row, **told, **changes, "suppressed": old or light}


def write(runtime: Runtime, table: Table, *rows: dict[str, Any], day: date | None = None) -> None:
    frame = frame_of(runtime.lakehouse, table, list(rows))
    if day is None:
        runtime.lakehouse.append(table, frame)
    else:
        runtime.lakehouse.replace_day(table, day, content_of(table, frame))


def filled_home(home: Path) -> Runtime:
    """Two months, two days of a champion's, one with an alert, its verdict, a list of patients, costs, and a trail."""
    runtime = runtime_at(home)
    promoted(runtime.registry)
    for month, dearer in ((NOVEMBER, 1.0), (DECEMBER, 1.1)):
        priced_month(runtime, month, dearer=dearer)
        told_month(runtime, month, dearer=dearer)
    for day in DAYS:
        scored = [_prediction(n) for n in range(40)]
        write(runtime, PREDICTIONS, *scored, day=day)
        drift = {"n_reference": 100, "n_current": 40, "detail": "", "model_version": "1", "threshold": None}
        alert = day == DAYS[1]
        write(
            runtime,
            DRIFT_REPORT,
            {**drift, "column": "all", "statistic": "predictions", "value": 40.0, "alert": False},
            {**drift, "column": "bmi", "statistic": "psi", "value": 0.9, "alert": alert},
            day=day,
        )
        write(runtime, MODEL_PERFORMANCE, {**KNOWN, "service_date": day}, day=day)
    care = {
        "rule": "risen",
        "risk_category": "high",
        "charges_lower": 1e4,
        "charges_upper": 3e4,
        "why": "Risen <i>by</i> 20 points.",
        "reasons": [],
    }
    write(
        runtime,
        CARE_MANAGEMENT,
        *(
            {
                **care,
                "rank": n,
                "patient_key": f"{n:032x}",
                "risk_score": 90.0 - n,
                "predicted_charges": 2e4,
                "score_change": 20.0 if n == 1 else None,
                "within_capacity": n <= 2,
            }
            for n in range(1, 4)
        ),
        day=DAYS[1],
    )
    versions = '{"silver_patients":"1"}'
    write(
        runtime,
        GOVERNANCE_VERDICT,
        {
            "verdict_id": "v",
            "model_name": "health_insurance_cost",
            "model_version": "1",
            "decision": "approved",
            "reasons": [],
            "criteria": [_CRITERION],
            "data_versions": versions,
            "trained_on_data_versions": versions,
            "decided_at": NOON,
        },
    )
    move = {
        "action": "promotion",
        "model_version": "1",
        "who": "governance_verdict",
        "why": "approved",
        "moved_at": NOON,
    }
    write(runtime, CHAMPION_HISTORY, move)
    record(runtime, "promoted", "version 1 of health_insurance_cost", why="approved <script>alert(1)</script>")
    (home / "reports").mkdir(exist_ok=True)
    (home / "reports" / f"drift_report_{DAYS[1]}.html").write_text("<!doctype html><title>a day</title>")
    return runtime
