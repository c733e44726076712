"""The care team's list of the newest day: who needs a person's attention, ranked, with the rule and the reasons."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from healthcare_assets.domain.care import RULES
from healthcare_assets.domain.monitoring.report_figures import dollars, name, number
from healthcare_assets.domain.monitoring.report_parts import nothing, section, tiles
from healthcare_assets.domain.page import table
from healthcare_assets.domain.site.frame import site_page
from healthcare_assets.domain.small_cells import counted

Rows = Sequence[Mapping[str, Any]]

CARE_FILE = "care.html"
_HEAD = ("rank", "patient", "risk score", "change", "predicted charges", "90 % interval", "why")


def care_page(*, day: date | None, listed: Rows, rules: Mapping[str, int], made_at: datetime) -> str:
    """`listed` are the rows of `care_management` within the capacity, `rules` how many patients each rule listed."""
    intro = "Pseudonymous: the care team's own system knows who is meant. The exported file has the same patients."
    if day is None:
        body = nothing("no day has been scored yet: run the job daily_scoring")
    else:
        count = Counter(rules)
        body = tiles(
            ("Day", str(day), "the newest one that was scored"),
            ("To be called", str(len(listed)), f"of {counted(sum(count.values()))} who meet a rule"),
            *((name(rule), counted(count[rule]), "listed by this rule") for rule in RULES),
        ) + section("list", "The list", "", _list(listed))
    return site_page("care", "Patients who need attention", intro, body, made_at=made_at)


def _list(listed: Rows) -> str:
    if not listed:
        return nothing("nobody meets a rule on this day")
    rows = [
        (
            str(row["rank"]),
            str(row["patient_key"]),
            number(row["risk_score"]),
            "first score" if row["score_change"] is None else _signed(row["score_change"]),
            dollars(row["predicted_charges"]),
            f"{dollars(row['charges_lower'])} to {dollars(row['charges_upper'])}",
            str(row["why"]),
        )
        for row in sorted(listed, key=lambda row: int(row["rank"]))
    ]
    return f'<div class="wide long">{table("Patients to be called", _HEAD, rows, words=(1, 6))}</div>\n'


def _signed(points: float) -> str:
    return f"{'+' if points > 0 else ''}{number(points)}"
