"""`make report`: every page says what the tables say, or that nothing is there yet; and opens without a fault."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from healthcare_assets.domain.site.frame import PAGES, file_of
from healthcare_assets.steps.site import write_site
from healthcare_assets_tests.browser import chromium, needs_chromium, opened, violations
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.site_home import DAYS, filled_home

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_CUT = """charts => charts.flatMap(svg => [...svg.querySelectorAll('text')].filter(text => {
  const own = text.getBBox();
  return own.x < -0.5 || own.x + own.width > svg.viewBox.baseVal.width + 0.5;
}).map(text => text.textContent))"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a site about nothing, and of one about something."""
    empty = tmp_path_factory.mktemp("empty")
    filled = tmp_path_factory.mktemp("filled")
    return {"empty": write_site(runtime_at(empty)).parent, "filled": write_site(filled_home(filled)).parent}


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as opened_browser:
        yield opened_browser


def _text(folder: Path, name: str) -> str:
    return (folder / file_of(name)).read_text(encoding="utf-8")


def test_of_nothing_every_page_says_what_is_missing_and_what_to_run(sites: dict[str, Path]) -> None:
    assert "run the job daily_scoring" in _text(sites["empty"], "care")
    assert "run the job daily_scoring" in _text(sites["empty"], "costs")
    assert "run the job monthly_insight" in _text(sites["empty"], "pricing")
    assert "run the job monthly_insight" in _text(sites["empty"], "population")
    assert "run the job training" in _text(sites["empty"], "model")
    assert "run the job daily_monitoring" in _text(sites["empty"], "monitoring")
    assert "no model has been judged yet" in _text(sites["empty"], "decisions")


def test_the_pages_say_what_the_tables_say(sites: dict[str, Path]) -> None:
    site = sites["filled"]
    care = _text(site, "care")
    assert "Risen &lt;i&gt;by&lt;/i&gt; 20 points." in care
    assert f"{2:032x}" in care
    assert f"{3:032x}" not in care  # beyond the capacity
    assert "fewer than 11" in care
    assert "risk score r2" in _text(site, "model")
    assert f'<a href="drift_report_{DAYS[1]}.html">{DAYS[1]}</a>: Bmi' in _text(site, "monitoring")
    decisions = _text(site, "decisions")
    assert "&lt;script&gt;" in decisions
    assert "is not on record" in decisions  # the tables of this test were written by nobody's step


def test_every_page_is_for_its_owner_alone_and_written_anew(sites: dict[str, Path]) -> None:
    for name in PAGES:
        assert (sites["filled"] / file_of(name)).stat().st_mode & 0o777 == 0o600
    assert list(sites["filled"].glob("*.tmp")) == []


class TestInABrowser:
    """As Chromium shows it, narrow and wide."""

    pytestmark = needs_chromium

    @pytest.mark.parametrize("site", ["empty", "filled"])
    def test_no_page_has_a_fault_or_loads_anything_or_is_wider_than_a_phone(
        self, browser: "Browser", sites: dict[str, Path], site: str
    ) -> None:
        for name in PAGES:
            url = (sites[site] / file_of(name)).as_uri()
            seen = opened(browser, url, width=360)
            assert seen.faults == [], name
            assert seen.requests == [url]
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360, name

    def test_every_chart_says_in_words_what_it_shows_and_no_text_is_cut(
        self, browser: "Browser", sites: dict[str, Path]
    ) -> None:
        for name in ("costs", "pricing", "population"):
            page = opened(browser, (sites["filled"] / file_of(name)).as_uri(), width=360).page
            charts = page.locator("svg[role=img]").all()
            assert charts, name
            for chart in charts:
                named = chart.evaluate(
                    "svg => ['labelledby', 'describedby'].map(by =>"
                    " document.getElementById(svg.getAttribute('aria-' + by)).textContent)"
                )
                assert all(named), name
            assert page.locator("svg").evaluate_all(_CUT) == [], name

    def test_both_colour_schemes_have_the_contrast_that_a_reader_needs(
        self, browser: "Browser", sites: dict[str, Path]
    ) -> None:
        for name in ("costs", "pricing", "population"):
            url = (sites["filled"] / file_of(name)).as_uri()
            assert violations(browser, url, width=360, dark=True) == [], name

    @pytest.mark.parametrize("site", ["empty", "filled"])
    @pytest.mark.parametrize("width", [360, 1200])
    def test_axe_finds_nothing_serious(self, browser: "Browser", sites: dict[str, Path], site: str, width: int) -> None:
        for name in PAGES:
            assert violations(browser, (sites[site] / file_of(name)).as_uri(), width=width) == [], name

    def test_from_each_page_every_other_is_reached_by_key(self, browser: "Browser", sites: dict[str, Path]) -> None:
        page = opened(browser, (sites["filled"] / file_of("index")).as_uri()).page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        for name, words in list(PAGES.items())[1:]:
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=words).press("Enter")
            page.wait_for_url(f"**/{file_of(name)}")
            assert page.get_by_role("heading", level=1).is_visible()
