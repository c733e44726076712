"""What all pages of the site have in common: the way from one to the other, the title, and when it was made."""

from collections.abc import Mapping
from datetime import datetime

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.monitoring.report_parts import PRODUCT
from healthcare_assets.domain.monitoring.report_style import STYLE
from healthcare_assets.domain.page import escaped, page

PAGES: Mapping[str, str] = {
    "index": "Overview",
    "costs": "Cost prediction",
    "care": "Care management",
    "pricing": "Pricing strategy",
    "population": "Population insight",
    "model": "Model",
    "monitoring": "Monitoring",
    "decisions": "Decisions",
}
"""By the name of the file."""

_SITE_STYLE = """
.site { border-bottom: 1px solid var(--rule); padding-bottom: .6rem; margin-bottom: 1.25rem; }
.site [aria-current] { color: var(--ink); font-weight: 600; text-decoration: none; }
.skip { position: absolute; left: -999rem; } .skip:focus { position: static; }
.beside + .beside, .tiles + .verdict { margin-top: 1rem; }
.wide td { white-space: normal; min-width: 8rem; }
footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--rule); font-size: .85rem;
  color: var(--soft); }
"""


def file_of(name: str) -> str:
    return f"{name}.html"


def site_page(name: str, heading: str, intro: str, body: str, *, made_at: datetime) -> str:
    """A page of the site; `heading` and `intro` are text, `body` is markup."""
    links = "".join(
        f'<li><a href="{file_of(other)}"{" aria-current=" + chr(34) + "page" + chr(34) if other == name else ""}>'
        f"{escaped(words)}</a></li>"
        for other, words in PAGES.items()
    )
    return page(
        f"{PRODUCT}: {heading}",
        '<a class="skip" href="#content">To the content</a>\n'
        f'<main id="content">\n<header>\n<p class="product">{PRODUCT}</p>\n'
        f'<nav class="site" aria-label="Pages"><ul>{links}</ul></nav>\n'
        f"<h1>{escaped(heading)}</h1>\n<p>{escaped(intro)}</p>\n</header>\n{body}"
        f"<footer>Made at {made_at:%Y-%m-%d %H:%M} UTC from the tables of the lakehouse.</footer>\n</main>\n",
        style=STYLE + _SITE_STYLE,
    )


def verdict(check: CheckOutcome) -> str:
    """What a check says of the figures of the page."""
    return f'<p class="verdict {"good" if check.passed else "bad"}">{escaped(check.description)}</p>\n'
