"""How far a day's rows are from the training population, column by column.

What alerts is what matters and is more than chance: each alerting statistic has a limit of substance and a limit of
chance, and the higher of the two holds. p-values are information only: of a million rows everything is significant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.monitoring.distances import (
    at_least,
    at_most,
    chi_squared,
    chi_squared_quantile,
    jensen_shannon,
    normal_quantile,
    wasserstein,
)
from healthcare_assets.domain.monitoring.findings import ALL, Distribution, DriftStatistic
from healthcare_assets.domain.monitoring.profile import (
    CategoricalProfile,
    Cells,
    Integers,
    NumericProfile,
    Profile,
)
from healthcare_assets.domain.small_cells import is_small
from healthcare_assets.policy import Policy

Names = NDArray[np.str_]

_SMOOTHING = 0.5


@dataclass(frozen=True, kw_only=True)
class _Statistic:
    """A statistic trained it is told of which column it is."""

    name: str
    value: float | None
    threshold: float | None = None
    alert: bool = False
    detail: str = ""


def column_statistics(column: str, profile: Profile, day: Cells, *, policy: Policy) -> tuple[DriftStatistic, ...]:
    """Every statistic of one column. Of a day without a value each is None, and none alerts.

    Limits: `policy.DriftRules`. Those of the column's distribution are over the rows that have a value.
    """
    reference = profile.cells
    rates = [_null_rate(profile, day, policy)]
    if day.known == 0:
        found = [_Statistic(name=name, value=None, detail="no row has a value") for name in _names(profile)]
    elif isinstance(profile, NumericProfile):
        found = _numeric(profile, reference, day, policy)
    else:
        found = _categorical(profile, reference, day, policy)
    rows = {"null_rate": day.known + day.nulls}
    return tuple(
        DriftStatistic(
            column=column,
            statistic=statistic.name,
            value=statistic.value,
            threshold=statistic.threshold,
            alert=statistic.alert,
            n_reference=reference.known,
            n_current=rows.get(statistic.name, day.known),
            detail=statistic.detail,
        )
        for statistic in (*found, *rates)
    )


def missing_column(column: str, profile: Profile) -> DriftStatistic:
    """A column of the training population that the day has not at all."""
    return DriftStatistic(
        column=column,
        statistic="missing_column",
        value=None,
        threshold=None,
        alert=True,
        n_reference=profile.cells.known,
        n_current=0,
        detail="the day's table has no such column",
    )


def volume(predictions: int, *, reference: int, policy: Policy) -> DriftStatistic:
    """How many predictions the day has."""
    return DriftStatistic(
        column=ALL,
        statistic="predictions",
        value=float(predictions),
        threshold=float(policy.data.low_volume_below),
        alert=predictions < policy.data.low_volume_below,
        n_reference=reference,
        n_current=predictions,
    )


def distribution(column: str, profile: Profile, day: Cells) -> Distribution:
    """The column over the deciles of the training population, or over its categories; nulls are left out."""
    reference = profile.cells
    if isinstance(profile, NumericProfile):
        labels = _interval_labels(profile.edges)
        trained, current = _decile_counts(profile, reference), _decile_counts(profile, day)
    else:
        labels, trained, current = (*profile.counts, "not declared"), reference.rows, day.rows
        if trained[-1] == current[-1] == 0:
            labels, trained, current = labels[:-1], trained[:-1], current[:-1]
    return Distribution(
        column=column,
        bins=labels,
        reference=tuple(trained.tolist()),
        current=tuple(current.tolist()),
        ordered=isinstance(profile, NumericProfile),
    )


def _names(profile: Profile) -> Sequence[str]:
    return _NUMERIC if isinstance(profile, NumericProfile) else _CATEGORICAL


_NUMERIC = ("psi", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "shift", "mean_shift", "mean")
_CATEGORICAL = (
    "psi",
    "jensen_shannon",
    "chi_squared",
    "chi_squared_p",
    "share_shift",
    "new_categories",
    "vanished_categories",
)


def _numeric(profile: NumericProfile, reference: Cells, day: Cells, policy: Policy) -> list[_Statistic]:
    mean = float(day.totals.sum()) / day.known
    spread = profile.std if profile.std > 0 else None
    constant = "" if spread else "the training population has one value only"
    distance = _wasserstein(profile, reference, day)
    return [
        *_binned(_decile_counts(profile, reference), _decile_counts(profile, day), policy),
        _Statistic(name="kolmogorov_smirnov", value=_kolmogorov_smirnov(reference, day)),
        _Statistic(name="wasserstein", value=distance / spread if spread else None, detail=constant),
        _shift(reference, day, policy),
        _Statistic(name="mean_shift", value=(mean - profile.mean) / spread if spread else None, detail=constant),
        _Statistic(name="mean", value=mean, detail=f"{profile.mean:,.6g} in training"),
    ]


def _categorical(profile: CategoricalProfile, reference: Cells, day: Cells, policy: Policy) -> list[_Statistic]:
    seen = (reference.rows > 0) | (day.rows > 0)
    names = np.array([*profile.counts, "not declared"])[seen]
    trained, current = reference.rows[seen], day.rows[seen]
    value, p = _chi_squared(trained, current)
    return [
        *_binned(trained, current, policy),
        _Statistic(name="chi_squared", value=value),
        _Statistic(name="chi_squared_p", value=p),
        _share_shift(names, trained, current, policy),
        _new_categories(names, trained, current, policy),
        _vanished_categories(names, trained, current, policy),
    ]


def _binned(trained: Integers, current: Integers, policy: Policy) -> list[_Statistic]:
    rules, bins = policy.drift, len(trained)
    value = population_stability_index(trained, current)
    bound = 0.0
    if bins > 1:
        bound = chi_squared_quantile(rules.psi_certainty, bins - 1) * (1.0 / trained.sum() + 1.0 / current.sum())
    threshold = max(rules.psi_maximum, bound)
    return [
        _Statistic(name="psi", value=value, threshold=threshold, alert=value > threshold),
        _Statistic(name="jensen_shannon", value=jensen_shannon(trained, current)),
    ]


def population_stability_index(trained: Integers, current: Integers) -> float:
    """Σ (q − p) · ln(q / p) over the bins' shares, each count taken as half a row more, so that none is zero."""
    p, q = ((counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * len(counts)) for counts in (trained, current))
    return float(np.sum((q - p) * np.log(q / p)))


def _decile_counts(profile: NumericProfile, cells: Cells) -> Integers:
    """Rows in each bin of the deciles, which all are grid points."""
    last = 2 * np.searchsorted(profile.points, np.asarray(profile.edges)) + 1
    return np.diff(np.concatenate(([0], np.cumsum(cells.rows)[last], [cells.known])))


def _kolmogorov_smirnov(reference: Cells, day: Cells) -> float:
    """Of the two distribution functions at every grid point, from the left and from the right."""
    difference = np.cumsum(reference.rows) / reference.known - np.cumsum(day.rows) / day.known
    return float(np.abs(difference).max())


def _wasserstein(profile: NumericProfile, reference: Cells, day: Cells) -> float:
    """∫ |F − G|, each interval's rows taken at their mean: exact where F and G do not cross within an interval."""
    return wasserstein(_atoms(profile, reference), _atoms(profile, day))


def _atoms(profile: NumericProfile, cells: Cells) -> tuple[Floats, Floats]:
    used = np.flatnonzero(cells.rows)
    rows = cells.rows[used].astype(np.float64)
    values = cells.totals[used] / rows
    on_a_point = used % 2 == 1
    values[on_a_point] = profile.points[used[on_a_point] // 2]
    return values, rows


def _shift(reference: Cells, day: Cells, policy: Policy) -> _Statistic:
    """Cliff's delta: the chance that a patient of the day has more than one of training, less the chance of less.

    (Cliff 1993.) Its standard error without a shift is that of Mann and Whitney's U.
    """
    n, m, rules = reference.known, day.known, policy.drift
    below = np.cumsum(reference.rows) - reference.rows
    above = n - below - reference.rows
    delta = float(np.sum(day.rows * ((below - above) / n)) / m)
    sure = normal_quantile(0.5 + rules.certainty / 2) * float(np.sqrt((n + m + 1) / (3.0 * n * m)))
    threshold = max(rules.shift_maximum, sure)
    return _Statistic(name="shift", value=delta, threshold=threshold, alert=abs(delta) > threshold)


def _share_shift(names: Names, trained: Integers, current: Integers, policy: Policy) -> _Statistic:
    """The largest of Cohen's h over the categories: the difference of the shares, as angles (Cohen 1988)."""
    n, m, rules = trained.sum(), current.sum(), policy.drift
    angles = 2 * np.arcsin(np.sqrt(current / m)) - 2 * np.arcsin(np.sqrt(trained / n))
    # Of two categories both move alike, and `true` says more than `false`.
    most = 1 if len(names) == 2 else int(np.abs(angles).argmax())  # noqa: PLR2004
    certainty = 1.0 - (1.0 - rules.certainty) / len(names)
    threshold = max(rules.share_shift_maximum, normal_quantile(0.5 + certainty / 2) * float(np.sqrt(1.0 / n + 1.0 / m)))
    # Of few patients a rare category is now and then missing, which the angle's normal error does not know.
    share, count = (trained[most] + _SMOOTHING) / (n + 1), current[most]
    beyond = at_most if angles[most] < 0 else at_least
    tail = beyond(int(count), of=int(m), chance=float(share))
    hidden = any(is_small(int(cell)) for cell in (count, m - count, trained[most], n - trained[most]))
    return _Statistic(
        name="share_shift",
        value=float(angles[most]),
        threshold=threshold,
        alert=abs(float(angles[most])) > threshold and 2 * tail < 1.0 - certainty,
        detail=str(names[most]) if hidden else f"{names[most]}: {count / m:.1%} instead of {trained[most] / n:.1%}",
    )


def _chi_squared(trained: Integers, current: Integers) -> tuple[float | None, float | None]:
    return chi_squared(trained, current) if len(trained) > 1 else (None, None)  # one category cannot differ


def _new_categories(names: Names, trained: Integers, current: Integers, policy: Policy) -> _Statistic:
    new = trained == 0
    rows = int(current[new].sum())
    rules = policy.drift
    share, limit = rows / int(current.sum()), rules.new_category_share_maximum
    return _Statistic(
        name="new_categories",
        value=share,
        threshold=limit,
        alert=share > limit and rows >= rules.new_category_rows_minimum,
        detail=", ".join(names[new]),
    )


def _vanished_categories(names: Names, trained: Integers, current: Integers, policy: Policy) -> _Statistic:
    """Categories of training that nobody of the day has, though by chance that would hardly happen."""
    # The chance that all who are in the category fell to the training population, were they dealt out.
    by_chance = (trained.sum() / (trained.sum() + current.sum())) ** trained.astype(np.float64)
    gone = (current == 0) & (trained > 0) & (by_chance < 1.0 - policy.drift.certainty)
    return _Statistic(
        name="vanished_categories",
        value=float(gone.sum()),
        threshold=0.0,
        alert=bool(gone.any()),
        detail=", ".join(names[gone]),
    )


def _null_rate(profile: Profile, day: Cells, policy: Policy) -> _Statistic:
    rules, rows = policy.drift, day.known + day.nulls
    threshold = profile.null_rate + rules.null_rate_increase_maximum
    if rows == 0:
        return _Statistic(name="null_rate", value=None, threshold=threshold, detail="no rows")
    tolerated = max(profile.null_rate, rules.null_rate_tolerated)
    by_chance = at_least(day.nulls, of=rows, chance=tolerated)
    rate = day.nulls / rows
    return _Statistic(
        name="null_rate",
        value=rate,
        threshold=threshold,
        alert=rate > threshold and by_chance < 1.0 - rules.certainty,
    )


def _interval_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """What each bin holds, in figures for readers."""
    texts = [f"{edge:,.3g}" if abs(edge) < 1000 else f"{edge:,.0f}" for edge in edges]  # noqa: PLR2004
    between = [f"{low} – {high}" for low, high in pairwise(texts)]
    return (f"to {texts[0]}", *between, f"over {texts[-1]}")
