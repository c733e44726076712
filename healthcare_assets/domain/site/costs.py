"""Cost prediction: what the newest day's patients are predicted to cost, and how right predictions turned out."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from healthcare_assets.domain.figures.costs import ChargesOf, charges_figure, observed_figure, service_days
from healthcare_assets.domain.figures.figure import beside
from healthcare_assets.domain.monitoring.report_figures import dollars
from healthcare_assets.domain.monitoring.report_parts import nothing, section, tiles
from healthcare_assets.domain.site.frame import site_page
from healthcare_assets.domain.small_cells import counted, is_small

Rows = Sequence[Mapping[str, Any]]

_INTRO = (
    "What the model predicts a patient to cost in a year, with 90 % intervals, and what patients turned out to cost as "
    "their costs became known. Only groups are told of, none of 1 to 10 patients."
)


def costs_page(
    *, day: date | None, groups: Sequence[ChargesOf], performance: Rows, champion: str | None, made_at: datetime
) -> str:
    """`groups` are the day's patients by risk category, `performance` the rows of `model_performance` to show."""
    title = "Cost prediction"
    if day is None:
        body = nothing("no day has been scored yet: run the job daily_scoring")
        return site_page("costs", title, _INTRO, body, made_at=made_at)
    figure = charges_figure("charges", "Predicted charges by risk category", groups)
    observed = observed_figure(service_days(performance))
    body = (
        _tiles(day, groups, champion)
        + section("categories", "The newest day", "", beside(figure))
        + section(
            "observed",
            "Predicted and observed",
            "The costs of a service day become known over weeks; until it has matured its figures may change.",
            beside(observed) if observed else nothing("the costs of no service day are known yet"),
        )
    )
    return site_page("costs", title, _INTRO, body, made_at=made_at)


def _tiles(day: date, groups: Sequence[ChargesOf], champion: str | None) -> str:
    patients = sum(group.patients for group in groups)
    cost = sum(group.patients * group.predicted for group in groups)
    told = patients and not is_small(patients)
    return tiles(
        ("Day", str(day), "the newest one that was scored"),
        ("Patients", counted(patients), "scored on the day"),
        ("Mean predicted charges", dollars(cost / patients) if told else "not shown", "of a patient a year"),
        ("Predicted in total", dollars(cost) if told else "not shown", "of the day's patients a year"),
        ("Model", f"version {champion}" if champion else "none", "the champion now"),
    )
