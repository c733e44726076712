"""Risk and cost of the population, for many readers: nothing tells of 1 to 10 persons, nor does all of it together."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.figures.figure import WITHHELD, beside
from healthcare_assets.domain.figures.population import cell_figures, trend_figure, whole
from healthcare_assets.domain.monitoring.report_figures import dollars, month_year, number, percent
from healthcare_assets.domain.monitoring.report_parts import nothing, section, tiles
from healthcare_assets.domain.site.frame import site_page, verdict

Rows = Sequence[Mapping[str, Any]]

_TITLE = "Population insight"
_INTRO = (
    "Risk and cost of the patients who were scored in a month. No cell of 1 to 10 persons is told, nor any figure that "
    "one could be worked out from: they are withheld. A dash stands where there is nobody, or nothing to compare with."
)


def population_page(
    *, month: date | None, rows: Rows, over_months: Rows, check: CheckOutcome | None, made_at: datetime
) -> str:
    """`rows` of `population_health` of the month, `over_months` the rows of everybody of the months to show, `check`
    what is found of the rows read back: nothing is shown of a month that does not pass."""
    everybody = whole(rows)
    if month is None or everybody is None:
        body = nothing("no month is told of yet: run the job monthly_insight")
        return site_page("population", _TITLE, _INTRO, body, made_at=made_at)
    if check is not None and not check.passed:
        return site_page("population", _TITLE, _INTRO, verdict(check), made_at=made_at)
    found = cell_figures(rows)
    one = "".join(beside(figure) for name, figure in found.items() if "-and-" not in name)
    two = "".join(beside(figure) for name, figure in found.items() if "-and-" in name)
    months = trend_figure(over_months)
    body = (
        _tiles(month, everybody)
        + (verdict(check) if check is not None else "")
        + section("attributes", "By one attribute", "Changes are since the month before.", one)
        + section("pairs", "By two attributes", "", two)
        + (
            section("months", "Over the months", "A gap is a month that was not made.", beside(months))
            if months
            else ""
        )
    )
    return site_page("population", _TITLE, _INTRO, body, made_at=made_at)


def _tiles(month: date, everybody: Mapping[str, Any]) -> str:
    def told(column: str, form: Any) -> str:  # noqa: ANN401 - a function of a number
        value = everybody[column]
        return WITHHELD if value is None else str(form(value))

    return tiles(
        ("Month", month_year(month), "the newest one that is told of"),
        ("Members", told("members", "{:,}".format), "scored in the month"),
        ("Predicted charges", told("mean_predicted_charges", dollars), "mean, a member a year"),
        ("Risk score", told("mean_risk_score", number), "mean, 0–100"),
        ("At high risk", told("high_risk_share", percent), "of the members"),
        ("Known cost", told("mean_cost", dollars), "mean, of those whose cost is known"),
    )
