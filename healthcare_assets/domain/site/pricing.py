"""What members cost by what a premium may depend on, and what the law makes of it: for actuaries."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.figures.figure import WITHHELD, beside
from healthcare_assets.domain.figures.pricing import TITLES, changed, cost_figures, relativity_figure, whole_book
from healthcare_assets.domain.monitoring.report_figures import dollars, month_year
from healthcare_assets.domain.monitoring.report_parts import nothing, section, tiles
from healthcare_assets.domain.site.frame import site_page, verdict

Rows = Sequence[Mapping[str, Any]]

_INTRO = (
    "What a member is expected to cost by what a premium may depend on, how much weight a group's own cost deserves, "
    "and the relativities that the law allows. Figures of few persons are withheld."
)


def pricing_page(*, month: date | None, rows: Rows, before: Rows, check: CheckOutcome | None, made_at: datetime) -> str:
    """`rows` of `pricing_factors` of the month, `before` those of the month before it, `check` what is found of the
    rows by the law that is set now."""
    title = "Pricing strategy"
    whole = whole_book(rows)
    if month is None or whole is None:
        body = nothing("no month has pricing factors yet: run the job monthly_insight")
        return site_page("pricing", title, _INTRO, body, made_at=made_at)
    body = _tiles(month, whole, whole_book(before), rows) + (verdict(check) if check is not None else "")
    for name, figure in cost_figures(rows, before=before).items():
        curve = relativity_figure(rows) if name == "age" else None
        body += section(name, TITLES[name], "", beside(figure) + (beside(curve) if curve else ""))
    return site_page("pricing", title, _INTRO, body, made_at=made_at)


def _tiles(month: date, whole: Mapping[str, Any], before: Mapping[str, Any] | None, rows: Rows) -> str:
    cost, earlier = whole["expected_cost"], before["expected_cost"] if before else None
    since = "" if cost is None or earlier is None else f", {changed(cost - earlier)} since the month before"
    lower, upper = whole["expected_lower"], whole["expected_upper"]
    interval = f"{dollars(lower)} to {dollars(upper)}" if lower is not None and upper is not None else ""
    hidden = sum(bool(row["suppressed"]) for row in rows)
    members = whole["members"]
    return tiles(
        ("Month", month_year(month), "the newest one that was priced"),
        ("Members", WITHHELD if members is None else f"{members:,}", "whose cost is known"),
        ("Expected cost", dollars(cost), f"of a member a year{since}"),
        ("90 % interval", interval or "not known", "of the expected cost"),
        ("Levels withheld", f"{hidden} of {len(rows)}", "few persons, or a way to them"),
    )
