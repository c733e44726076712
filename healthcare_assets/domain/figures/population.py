"""What a month's `population_health` says: by one attribute, by two, and over the months."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from healthcare_assets.domain.figures import levels
from healthcare_assets.domain.figures.figure import NOBODY, WITHHELD, Figure
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.monitoring.report_figures import dollars, month_year, name, number, percent, short_dollars
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, panels
from healthcare_assets.domain.population.cells import EVERYBODY, SPLITS, VALUES
from healthcare_assets.domain.population.tables import ATTRIBUTES

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class _Measure:
    title: str
    column: str
    of: str
    """The count that it stands for."""
    form: Callable[[float], str]
    tick: Callable[[float], str]
    """As `form`, at an axis."""


def _count(value: float) -> str:
    return f"{value:,.0f}"


_MEMBERS = _Measure(title="members", column="members", of="members", form=_count, tick=_count)
_CHARGES = _Measure(
    title="predicted charges", column="mean_predicted_charges", of="members", form=dollars, tick=short_dollars
)
_SCORE = _Measure(title="risk score", column="mean_risk_score", of="members", form=number, tick=number)
_SHARE = _Measure(title="high risk", column="high_risk_share", of="members", form=percent, tick=percent)
_COST = _Measure(title="known cost", column="mean_cost", of="members_with_cost", form=dollars, tick=short_dollars)
_NAMES = {
    "region": "region",
    "age_band": "age band",
    "sex": "sex",
    "smoker": "smoking",
    "bmi_category": "BMI category",
}
_MEASURES = (_MEMBERS, _CHARGES, _SCORE, _SHARE, _COST)
_CHANGED = (_MEMBERS, _CHARGES, _SHARE)


def whole(rows: Rows) -> Row | None:
    """The row of everybody; None of a month without rows."""
    return next((row for row in rows if all(row[attribute] == EVERYBODY for attribute in ATTRIBUTES)), None)


def cell_figures(rows: Rows) -> dict[str, Figure]:
    """A figure an attribute, and one each of two attributes that are told together; by name."""
    found = {}
    for split in filter(None, SPLITS):
        identity = "-and-".join(split).replace("_", "-")
        own = _cells_of(rows, split)
        if own:
            found[identity] = _figure(identity, split, own)
    return found


def trend_figure(rows: Rows) -> Figure | None:
    """Everybody, month by month; None without months."""
    by_month: dict[date, Row] = {}
    for row in rows:
        if all(row[attribute] == EVERYBODY for attribute in ATTRIBUTES):
            by_month[row["partition_date"]] = row
    if not by_month:
        return None
    months = sorted(by_month)
    drawn = [
        Panel(title=name(measure.title), points=_points(by_month, months, measure), form=measure.tick)
        for measure in _MEASURES
    ]
    height, marks = panels(drawn, days=Days(first=months[0], last=months[-1], monthly=True), versions={})
    first, last = by_month[months[0]], by_month[months[-1]]
    said = "; ".join(f"{m.title} from {_written(first, m)} to {_written(last, m)}" for m in _MEASURES)
    return Figure(
        identity="months",
        title="Everybody, month by month",
        description=f"Lines from {month_year(months[0])} to {month_year(months[-1])}: {said}.",
        height=height,
        marks=marks,
        head=("month", *(measure.title for measure in _MEASURES)),
        rows=[
            (month_year(month), *(_written(by_month[month], measure) for measure in _MEASURES))
            for month in reversed(months)
        ],
    )


def _cells_of(rows: Rows, split: Sequence[str]) -> list[Row]:
    """The cells that are split by these attributes alone, in the order of their values."""
    own = [row for row in rows if all((row[name_] != EVERYBODY) == (name_ in split) for name_ in ATTRIBUTES)]
    return sorted(own, key=lambda row: [VALUES[attribute].index(row[attribute]) for attribute in split])


def _figure(identity: str, split: Sequence[str], own: Rows) -> Figure:
    found = [_level(row, split, before=own[place - 1] if place else None) for place, row in enumerate(own)]
    height, marks = levels.drawn(found, Axis(form=dollars, tick=short_dollars, bars=True))
    words = " and ".join(_NAMES[attribute] for attribute in split)
    named = [Level(label=_label(row, split), value=level.value, withheld=level.withheld) for row, level in
             zip(own, found, strict=True)]  # fmt: skip
    partly = sum(bool(row["suppressed"]) for row in own)
    return Figure(
        identity=identity,
        title=f"Mean predicted charges by {words}",
        description=f"Horizontal bars. {levels.described(named, dollars)}",
        height=height,
        marks=marks,
        head=(
            words,
            *(measure.title for measure in _MEASURES),
            *(f"{measure.title}, change" for measure in _CHANGED),
        ),
        rows=[
            (
                _label(row, split),
                *(_written(row, measure) for measure in _MEASURES),
                *(_changed(row, measure) for measure in _CHANGED),
            )
            for row in own
        ],
        said=[f"Of {partly} of {len(own)} something is withheld."] if partly else [],
    )


def _level(row: Row, split: Sequence[str], *, before: Row | None) -> Level:
    first, last = split[0], split[-1]
    begins = len(split) > 1 and (before is None or before[first] != row[first])
    return Level(
        label=_said(last, row[last]),
        value=row[_CHARGES.column],
        heading=_said(first, row[first]) if begins else None,
        withheld=_is_withheld(row, _CHARGES),
    )


def _label(row: Row, split: Sequence[str]) -> str:
    return ", ".join(_said(attribute, row[attribute]) for attribute in split)


def _said(attribute: str, value: str) -> str:
    if attribute == "smoker":
        return "smoker" if value == "yes" else "non-smoker"
    if attribute == "age_band":
        return value.replace("-over", " and over").replace("-", "–")
    return str(value)


def _is_withheld(row: Row, measure: _Measure) -> bool:
    """Whether what is not there may not be shown, and is not that of nobody."""
    return row[measure.column] is None and row[measure.of] != 0


def _written(row: Row, measure: _Measure) -> str:
    value = row[measure.column]
    if value is None:
        return WITHHELD if _is_withheld(row, measure) else NOBODY
    return measure.form(value)


def _changed(row: Row, measure: _Measure) -> str:
    change = row[f"{measure.column}_change"]
    if change is None:
        return NOBODY
    return f"{'+' if change > 0 else ''}{measure.form(change)}".replace("-", "−")


def _points(by_month: Mapping[date, Row], months: Sequence[date], measure: _Measure) -> list[Point]:
    known = [month for month in months if by_month[month][measure.column] is not None or
             _is_withheld(by_month[month], measure)]  # fmt: skip
    return [Point(day=month, value=by_month[month][measure.column], limit=None) for month in known]
