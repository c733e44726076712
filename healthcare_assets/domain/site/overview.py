"""Where the site begins: what it holds, as of when."""

from collections.abc import Sequence
from datetime import datetime

from healthcare_assets.domain.monitoring.report_parts import tiles
from healthcare_assets.domain.page import escaped
from healthcare_assets.domain.site.frame import PAGES, file_of, site_page

_ABOUT = {
    "costs": "What patients are predicted to cost, by risk category, and how right predictions turned out.",
    "care": "The patients who need a person's attention, ranked, with the rule that put them there and the reasons.",
    "pricing": "What members cost by what a premium may depend on, and the relativities that the law allows.",
    "population": "Risk and cost by region, age, sex, smoking and BMI, and their trends, without small cells.",
    "model": "The model that scores: what it had to show, what it showed, where it comes from.",
    "monitoring": "What was delivered and predicted, day by day, and what asked for attention.",
    "decisions": "Verdicts, promotions, rollbacks and the audit trail, with its verification.",
}


def overview_page(figures: Sequence[tuple[str, str, str]], *, made_at: datetime) -> str:
    """`figures` are what, its value, and what else belongs to it."""
    links = "".join(
        f'<article class="card"><h2><a href="{file_of(name)}">{escaped(PAGES[name])}</a></h2>\n'
        f"<p>{escaped(about)}</p></article>\n"
        for name, about in _ABOUT.items()
    )
    return site_page(
        "index",
        "Health insurance: cost, risk, price, population",
        "From patients' records to governed predictions, a day at a time.",
        f'{tiles(*figures)}<div class="cards" style="margin-top: 1.5rem">\n{links}</div>\n',
        made_at=made_at,
    )
