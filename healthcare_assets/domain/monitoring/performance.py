"""Predictions against what patients turned out to cost, service day by service day, and by group.

Everything is drawn from sums over cells of patients (a service day, a model, a sex, a region, an age band), so that one
pass over the data does, on either engine, however many patients there are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.columns import Column, column
from healthcare_assets.domain.evaluation import percentile
from healthcare_assets.domain.groups import PROTECTED_ATTRIBUTES, age_band
from healthcare_assets.domain.monitoring.distances import normal_quantile
from healthcare_assets.domain.monitoring.findings import Performance, PerformanceScope, PerformanceStatus
from healthcare_assets.policy import Policy

Frame = nw.LazyFrame[Any]

EVERYBODY = "all"

_CELL = ("service_date", "model_version", *PROTECTED_ATTRIBUTES)
_CELL_COLUMNS = (
    column("service_date", "date", ""),
    column("model_version", "string", ""),
    *(column(name, "string", "") for name in PROTECTED_ATTRIBUTES),
)
_SUMMED = (
    "predictions",
    "outcomes",
    "cost",
    "predicted",
    "cost_squared",
    "predicted_squared",
    "cost_predicted",
    "error",
    "score",
    "score_squared",
    "score_error",
    "score_error_squared",
)
"""What is summed up over the patients of a cell; all but the first over those whose cost is known."""
SUMMED_COLUMNS: tuple[Column, ...] = (*_CELL_COLUMNS, *(column(name, "float", "") for name in _SUMMED))

_Z_95 = 1.959963984540054


def awaited(predictions: Frame, *, patients: Frame, outcomes: Frame, trained_on: Frame) -> Frame:
    """The predictions whose cost is, or was, to be awaited: a row a patient and service day.

    `predictions` and `patients` (silver) are of the service days, `outcomes` hold the newest cost of each patient and
    service day, `trained_on` the costs that the models were trained on. A cost that came with the record was known
    before it was predicted, and one that the model was trained on flatters it: neither tells how good a model is.
    """
    known = outcomes.select("patient_key", "service_date", nw.col("charges").alias("cost"))
    trained = trained_on.select(
        "patient_key", "service_date", "model_version", nw.col("charges").alias("trained_on_charges")
    )
    delivered = patients.select(
        "patient_key",
        nw.col("partition_date").alias("service_date"),
        "age",
        "sex",
        "region",
        nw.col("charges").alias("delivered_charges"),
    )
    rows = (
        predictions.select(
            "patient_key",
            nw.col("partition_date").alias("service_date"),
            "predicted_charges",
            "risk_score",
            "model_version",
        )
        .join(delivered, on=["patient_key", "service_date"], how="inner")
        .join(known, on=["patient_key", "service_date"], how="left")
        .join(trained, on=["patient_key", "service_date", "model_version"], how="left")
    )
    unknown_before = nw.col("delivered_charges").is_null() | ~nw.col("cost").is_null()
    seen_in_training = nw.coalesce(nw.col("cost") == nw.col("trained_on_charges"), nw.lit(False))  # noqa: FBT003
    return rows.filter(unknown_before & ~seen_in_training).select(
        "service_date", "model_version", "age", "sex", "region", "predicted_charges", "risk_score", "cost"
    )


def summed_by_cell(charges_by_version: Mapping[str, Floats]) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A batch function from rows of `awaited` to `SUMMED_COLUMNS`: partial sums, to be added up by `cells`.

    `charges_by_version` holds the ascending charges (US dollars) that each model's risk scores are percentiles of. The
    predictions of any other version are counted, and none of their outcomes.
    """

    def sums(batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = batch.to_pandas(date_as_object=True)
        rows["age_band"] = age_band(rows["age"].to_numpy(dtype=np.float64))
        cost = rows["cost"].to_numpy(dtype=np.float64, na_value=np.nan)
        true_score = np.full(len(rows), np.nan)
        for version, charges in charges_by_version.items():
            here = (rows["model_version"] == version).to_numpy() & ~np.isnan(cost)
            true_score[here] = percentile(charges, cost[here])
        known = ~np.isnan(true_score)
        predicted = rows["predicted_charges"].to_numpy(dtype=np.float64)
        score_error = true_score - rows["risk_score"].to_numpy(dtype=np.float64)
        figures = {
            "outcomes": np.ones(len(rows)),
            "cost": cost,
            "predicted": predicted,
            "cost_squared": cost**2,
            "predicted_squared": predicted**2,
            "cost_predicted": cost * predicted,
            "error": np.abs(cost - predicted),
            "score": true_score,
            "score_squared": true_score**2,
            "score_error": np.abs(score_error),
            "score_error_squared": score_error**2,
        }
        of_rows = rows[list(_CELL)].assign(
            predictions=1.0, **{name: np.where(known, values, 0.0) for name, values in figures.items()}
        )
        by_cell = of_rows.groupby(list(_CELL), sort=True, dropna=False).sum().reset_index()
        by_cell["service_date"] = _dates(by_cell["service_date"])
        return pa.RecordBatch.from_pandas(by_cell[[*_CELL, *_SUMMED]], preserve_index=False)

    return sums


def cells(partial: Frame) -> Frame:
    """The partial sums added up: a row a cell."""
    return partial.group_by(*_CELL).agg(nw.col(name).sum() for name in _SUMMED)


def performance(cells: pd.DataFrame, *, day: date, policy: Policy) -> tuple[Performance, ...]:
    """What was known on the day: a finding a service day and model, and one a group over the newest matured days.

    `cells` has the columns of `SUMMED_COLUMNS`, a row or more a cell; none when nothing is awaited.
    """
    cells = cells.assign(service_date=_dates(cells["service_date"]))
    service_days = [
        _of_service_day(group, group["service_date"].iloc[0], group["model_version"].iloc[0], day=day, policy=policy)
        for _, group in cells.groupby(["service_date", "model_version"], sort=True)
    ]
    return (*service_days, *_window(cells, service_days, policy))


def _dates(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """As dates, which pandas turns into timestamps now and then."""
    return pd.Series([pd.Timestamp(value).date() for value in column], index=column.index, dtype=object)


def newest_matured(findings: Sequence[Performance], *, policy: Policy) -> Performance | None:
    """The newest matured service day; the window where the day has too few outcomes for an error of its own."""
    matured = [finding for finding in findings if finding.status == "matured" and finding.attribute == EVERYBODY]
    days = [finding for finding in matured if finding.scope == "service day"]
    windows = [finding for finding in matured if finding.scope == "window"]
    newest = max(days, key=lambda finding: finding.service_date, default=None)
    if newest is not None and newest.outcomes < policy.monitoring.minimum_outcomes:
        newest = None
    return newest or next(iter(windows), None)


def _of_service_day(group: pd.DataFrame, service_date: date, version: str, *, day: date, policy: Policy) -> Performance:
    sums, rules = group[list(_SUMMED)].sum(), policy.monitoring
    status: PerformanceStatus = "provisional"
    if sums["outcomes"] >= rules.matured_share * sums["predictions"]:
        status = "matured"
    elif (day - service_date).days > rules.outcomes_due_days:
        status = "overdue"
    return _finding(sums, "service day", service_date, version, status=status, policy=policy)


def _window(cells: pd.DataFrame, service_days: Sequence[Performance], policy: Policy) -> list[Performance]:
    """Every group over the newest matured days of one model, as many as hold the outcomes that a comparison needs."""
    matured = sorted(
        (finding for finding in service_days if finding.status == "matured"),
        key=lambda finding: finding.service_date,
        reverse=True,
    )
    if not matured:
        return []
    newest, rules = matured[0], policy.monitoring
    taken: list[date] = []
    outcomes = 0
    for finding in matured:
        too_old = (newest.service_date - finding.service_date).days >= rules.window_days
        if too_old or outcomes >= rules.window_outcomes:
            break
        if finding.model_version == newest.model_version:
            taken.append(finding.service_date)
            outcomes += finding.outcomes
    inside = cells[cells["service_date"].isin(taken) & (cells["model_version"] == newest.model_version)]
    version = str(newest.model_version)
    groups = [(EVERYBODY, EVERYBODY, inside)] + [
        (attribute, str(name), group)
        for attribute in PROTECTED_ATTRIBUTES
        for name, group in inside.groupby(attribute, sort=True)
    ]
    return [
        _finding(
            group[list(_SUMMED)].sum(),
            "window",
            newest.service_date,
            version,
            attribute=attribute,
            group=name,
            policy=policy,
        )
        for attribute, name, group in groups
    ]


def _finding(  # noqa: PLR0913 - what was summed up, and of whom
    sums: "pd.Series[float]",
    scope: PerformanceScope,
    service_date: date,
    version: str,
    *,
    policy: Policy,
    attribute: str = EVERYBODY,
    group: str = EVERYBODY,
    status: PerformanceStatus = "matured",
) -> Performance:
    outcomes = int(sums["outcomes"])
    enough = outcomes >= policy.monitoring.minimum_outcomes
    ratio, error = _ratio(sums) if enough else (None, None)
    in_window = scope == "window"
    if in_window and not _comparable(outcomes, error, policy):
        status = "insufficient data"
    return Performance(
        scope=scope,
        service_date=service_date,
        attribute=attribute,
        group=group,
        status=status,
        predictions=int(sums["predictions"]),
        outcomes=outcomes,
        risk_score_mae=float(sums["score_error"] / outcomes) if enough else None,
        risk_score_r2=_r_squared(sums, error="score_error_squared", value="score") if enough else None,
        mae_charges=float(sums["error"] / outcomes) if enough else None,
        r2_charges=_r_squared_of_charges(sums) if enough else None,
        predictive_ratio=ratio,
        ratio_lower=ratio - _Z_95 * error if ratio is not None and error is not None else None,
        ratio_upper=ratio + _Z_95 * error if ratio is not None and error is not None else None,
        biased=in_window and status == "matured" and _biased(ratio, error, policy),
        model_version=version,
    )


def _ratio(sums: "pd.Series[float]") -> tuple[float | None, float | None]:
    """Σ predicted ÷ Σ actual and its standard error, by linearisation (Cochran 1977, Sampling Techniques, 6.4).

    It agrees with the bootstrap, and needs sums only.
    """
    cost, outcomes = float(sums["cost"]), float(sums["outcomes"])
    if cost <= 0 or outcomes < 2:  # noqa: PLR2004 - one patient has no spread
        return None, None
    ratio = float(sums["predicted"]) / cost
    squares = sums["predicted_squared"] - 2 * ratio * sums["cost_predicted"] + ratio**2 * sums["cost_squared"]
    return ratio, math.sqrt(max(float(squares), 0.0) * outcomes / (outcomes - 1)) / cost


def _comparable(outcomes: int, error: float | None, policy: Policy) -> bool:
    rules = policy.fairness
    return (
        outcomes >= rules.minimum_patients and error is not None and _Z_95 * error <= rules.interval_half_width_maximum
    )


def _biased(ratio: float | None, error: float | None, policy: Policy) -> bool:
    if ratio is None or error is None:
        return False
    sure = normal_quantile(0.5 + policy.monitoring.certainty / 2)
    return abs(ratio - 1.0) > policy.fairness.bias_maximum and abs(ratio - 1.0) > sure * error


def _r_squared(sums: "pd.Series[float]", *, error: str, value: str) -> float | None:
    total = float(sums[f"{value}_squared"] - sums[value] ** 2 / sums["outcomes"])
    return 1.0 - float(sums[error]) / total if total > _ROUNDING * float(sums[f"{value}_squared"]) else None


def _r_squared_of_charges(sums: "pd.Series[float]") -> float | None:
    squared_error = sums["predicted_squared"] - 2 * sums["cost_predicted"] + sums["cost_squared"]
    return _r_squared(
        pd.Series({**sums.to_dict(), "squared_error": squared_error}), error="squared_error", value="cost"
    )


_ROUNDING = 1e-12
