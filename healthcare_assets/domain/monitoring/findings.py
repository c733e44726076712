"""What monitoring finds, in values that the tables, the checks and the report are all made from."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from healthcare_assets.domain.checks import CheckOutcome

ALL = "all"
"""The column of what concerns the day as a whole."""


@dataclass(frozen=True, kw_only=True)
class DriftStatistic:
    """One statistic of one monitored column: a row of `drift_report`."""

    column: str
    """The monitored column, or `all`."""
    statistic: str
    value: float | None
    """None where the data do not give one."""
    threshold: float | None
    """None for what is information only."""
    alert: bool
    n_reference: int
    n_current: int
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How a column is spread over the same bins (or categories) in the training population and on the day."""

    column: str
    bins: tuple[str, ...]
    """A label each, in order."""
    reference: tuple[int, ...]
    """Patients in each bin."""
    current: tuple[int, ...]
    ordered: bool
    """Whether the bins follow one another, as intervals do and categories do not."""


PerformanceScope = Literal["service day", "window"]
PerformanceStatus = Literal["matured", "provisional", "overdue", "insufficient data"]


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Predictions of a service day, or of a window of them, against what became known: a row of `model_performance`."""

    scope: PerformanceScope
    service_date: date
    attribute: str
    group: str
    status: PerformanceStatus
    predictions: int
    outcomes: int
    risk_score_mae: float | None
    risk_score_r2: float | None
    mae_charges: float | None
    r2_charges: float | None
    predictive_ratio: float | None
    ratio_lower: float | None
    ratio_upper: float | None
    biased: bool
    model_version: str | None


@dataclass(frozen=True, kw_only=True)
class HistoryPoint:
    """A statistic as an earlier day's report has it."""

    day: date
    column: str
    statistic: str
    value: float | None
    threshold: float | None
    alert: bool
    n_current: int
    model_version: str | None

    @classmethod
    def of(cls, found: DriftStatistic, *, day: date, model_version: str | None) -> "HistoryPoint":
        """A statistic of the day as later days will see it."""
        return cls(
            day=day,
            column=found.column,
            statistic=found.statistic,
            value=found.value,
            threshold=found.threshold,
            alert=found.alert,
            n_current=found.n_current,
            model_version=model_version,
        )


@dataclass(frozen=True, kw_only=True)
class MonitoredDay:
    """Everything that the report of a day is written from."""

    day: date
    model_name: str
    model_version: str | None
    """None when no model has scored the day and none is champion."""
    predictions: int
    reference_patients: int
    drift: tuple[DriftStatistic, ...]
    distributions: tuple[Distribution, ...]
    history: tuple[HistoryPoint, ...]
    """Of the days before and the day itself, ascending."""
    performance: tuple[Performance, ...]
    checks: tuple[CheckOutcome, ...]
