"""Predicted charges: of a day by risk category, and against what patients turned out to cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from healthcare_assets.domain.figures import levels
from healthcare_assets.domain.figures.figure import NOBODY, WITHHELD, Figure
from healthcare_assets.domain.figures.levels import Axis, Level
from healthcare_assets.domain.monitoring.findings import Performance
from healthcare_assets.domain.monitoring.performance import EVERYBODY
from healthcare_assets.domain.monitoring.report_cells import hidden_cells
from healthcare_assets.domain.monitoring.report_figures import dollars, finite, number, percent, short_dollars
from healthcare_assets.domain.monitoring.report_performance import figures_of, known_of
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, panels
from healthcare_assets.domain.small_cells import counted, is_small

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ChargesOf:
    """Predicted charges of a group of patients, means in US dollars a year."""

    label: str
    patients: int
    predicted: float = 0.0
    lower: float = 0.0
    upper: float = 0.0
    """Means of the bounds of the patients' 90 % intervals."""


def charges_figure(identity: str, title: str, groups: Sequence[ChargesOf]) -> Figure:
    """Mean predicted charges by group with the mean bounds of the intervals. The groups are all patients there are."""
    together = sum(group.patients for group in groups)
    hidden = withheld_of(groups)
    told = list(zip(groups, hidden, strict=True))
    found = [
        Level(label=group.label, value=None, withheld=hide)
        if hide or not group.patients
        else Level(label=group.label, value=group.predicted, lower=group.lower, upper=group.upper)
        for group, hide in told
    ]
    height, marks = levels.drawn(found, Axis(form=dollars, tick=short_dollars))
    cost = sum(group.patients * group.predicted for group in groups)
    return Figure(
        identity=identity,
        title=title,
        description=f"A dot with its 90 % interval for each. {levels.described(found, dollars)}",
        height=height,
        marks=marks,
        head=("group", "patients", "share of patients", "mean charges", "90 % interval", "share of charges"),
        rows=[_cells(group, hide=hide, together=together, cost=cost) for group, hide in told],
        said=["The interval is that of one patient: the means of the bounds."]
        + (["Groups of few patients, and those that would give them away, are withheld."] if any(hidden) else []),
        legend=(("dot", "mean predicted charges"), ("line", "90 % interval")),
    )


def withheld_of(groups: Sequence[ChargesOf]) -> list[bool]:
    """Of which groups nothing may be told, though how many patients there are together may be."""
    counts = [group.patients for group in groups]
    return [count > 0 for count in counts] if is_small(sum(counts)) else hidden_cells(counts)


def service_days(rows: Rows) -> list[Performance]:
    """Of rows of `model_performance`: of each service day, and of everybody, what was known last."""
    names = [field.name for field in fields(Performance)]
    newest: dict[Any, Performance] = {}
    for row in sorted(rows, key=lambda row: row["partition_date"]):
        if row["scope"] == "service day" and row["attribute"] == EVERYBODY:
            newest[row["service_date"]] = Performance(**{name: row[name] for name in names})
    return [one for _, one in sorted(newest.items())]


def observed_figure(days: Sequence[Performance]) -> Figure | None:
    """Predictions against costs by service day, in order; None while no cost is known that may be told of."""
    found = [one for one in days if finite(one.predictive_ratio) is not None and one.outcomes]
    shown = [one for one in found if not is_small(one.outcomes)]
    if not shown:
        return None
    height, marks = panels(
        [
            Panel(title="Predicted ÷ actual costs", points=_points(found, "predictive_ratio"), form=number, level=1.0),
            Panel(title="Mean absolute error", points=_points(found, "mae_charges"), form=short_dollars),
        ],
        days=Days(first=found[0].service_date, last=found[-1].service_date),
        versions={},
    )
    newest = shown[-1]
    return Figure(
        identity="observed",
        title="Predictions against costs, by service day",
        description=f"Two lines from {found[0].service_date} to {found[-1].service_date}. The newest day is "
        f"{newest.service_date} ({newest.status}): predicted ÷ actual {number(newest.predictive_ratio)}, mean absolute "
        f"error {dollars(newest.mae_charges)}.",
        height=height,
        marks=marks,
        head=(
            *("service day", "status", "MAE (points)", "R²", "predicted ÷ actual", "MAE ($)"),
            *("costs known", "predictions"),
        ),
        rows=[
            (str(one.service_date), one.status, *figures_of(one), known_of(one), counted(one.predictions))
            for one in reversed(found)
        ],
        words=(1,),
        legend=(("dot", "matured"), ("dot hollow", "not matured"), ("limit", "predicted = actual")),
    )


def _cells(group: ChargesOf, *, hide: bool, together: int, cost: float) -> tuple[str, ...]:
    if hide or not group.patients:
        return group.label, WITHHELD if hide else "0", *[WITHHELD if hide else NOBODY] * 4
    return (
        group.label,
        f"{group.patients:,}",
        percent(group.patients / together),
        dollars(group.predicted),
        f"{dollars(group.lower)} to {dollars(group.upper)}",
        percent(group.patients * group.predicted / cost) if cost else NOBODY,
    )


def _points(found: Sequence[Performance], column: str) -> list[Point]:
    return [
        Point(
            day=one.service_date,
            value=None if is_small(one.outcomes) else finite(getattr(one, column)),
            limit=None,
            hollow=one.status != "matured",
        )
        for one in found
    ]
