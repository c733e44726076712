"""What whoever runs `make dev` sees and does: the graph, a run started by hand, a check that failed, where columns come
from. No page has a fault, nor asks anything of another machine."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets_tests.browser import Seen, chromium, needs_chromium, opened
from healthcare_assets_tests.ui.server import DELIVERED, STOPPED, dagster_ui

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [*needs_chromium, pytest.mark.slow]

TO_LOAD_MS = 180_000
TO_RUN_MS = 180_000
"""A run is started by the daemon in a process of its own, on a machine that may be busy."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dagster_ui(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as opened_browser:
        yield opened_browser


@pytest.fixture
def seen(address: str, browser: "Browser") -> Iterator[Seen]:
    """A tab. Whatever the test does in it, the console stays clean and every request on this machine."""
    found = opened(browser, address, width=1600)
    found.page.set_default_timeout(TO_LOAD_MS)
    yield found
    # What a page still asks for when the tab goes on to the next one is given up by the browser: nobody's fault.
    assert [fault for fault in found.faults if not fault.endswith("net::ERR_ABORTED")] == []
    # An address without a host (data:) is of what the page itself carries.
    assert {host for url in found.requests if (host := urlsplit(url).hostname)} == {"127.0.0.1"}
    found.page.context.close()


@pytest.fixture
def page(seen: Seen) -> "Page":
    return seen.page


@pytest.fixture(scope="module")
def groups() -> dict[str, list[str]]:
    """The names of the assets by group."""
    found: dict[str, list[str]] = {}
    for spec in defs().resolve_all_asset_specs():
        assert spec.group_name is not None
        found.setdefault(spec.group_name, []).append(spec.key.to_user_string())
    return found


def test_the_graph_shows_every_group_and_in_them_every_asset(page: "Page", groups: dict[str, list[str]]) -> None:
    page.get_by_role("link", name="Lineage").click()
    graph = page.locator("[data-svg-viewport]")
    for group in groups:
        graph.get_by_text(group, exact=True).wait_for()
    for group, assets in groups.items():
        # The list is drawn as far as it is seen: one group is open at a time.
        arrow = page.locator(f"xpath=//*[@title='{group}']/ancestor::*[preceding-sibling::button][1]/../button").first
        arrow.click()
        for asset in assets:
            page.get_by_title(asset, exact=True).nth(int(asset == group)).wait_for()
        arrow.click()


def test_a_day_is_materialised_by_hand_and_ends_well(page: "Page", address: str) -> None:
    page.goto(f"{address}/assets/bronze_patients")
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Show all partitions").click()
    dialog.get_by_role("button", name="Custom").click()
    chosen = dialog.get_by_placeholder("ex: ")
    chosen.fill(str(DELIVERED))
    chosen.press("Enter")
    dialog.get_by_role("button", name="Launch 1 run").click()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url(re.compile("/runs/"))
    page.get_by_text(re.compile("^(Success|Failure)$")).first.wait_for(timeout=TO_RUN_MS)
    page.get_by_text("Success", exact=True).first.wait_for()
    page.goto(f"{address}/assets/bronze_patients?view=partitions&partition={DELIVERED}")
    page.get_by_text("Latest materialization").wait_for()
    assert page.get_by_role("row").filter(has_text="partition_row_count").inner_text().split()[-1] == "40"


def test_a_check_that_failed_is_seen_on_its_asset_and_says_what_to_do(page: "Page", address: str) -> None:
    page.goto(f"{address}/assets/silver_patients")
    page.get_by_text("Latest check results").wait_for()
    page.get_by_role("tab", name="Checks").click()
    page.get_by_text("quarantine_rate").first.click()
    page.get_by_text("10 of 40 records (25.0%) are quarantined; the limit is 10%").wait_for()
    failed = page.get_by_text("Failed", exact=True)
    failed.nth(1).wait_for()
    assert failed.count() == 2  # in the list, and beside its sentence
    page.get_by_text(str(STOPPED)).first.wait_for()


@pytest.mark.parametrize("asset", ["risk_features", "predictions"])
def test_an_asset_says_what_it_is_and_where_its_columns_come_from(page: "Page", address: str, asset: str) -> None:
    [spec] = [each for each in defs().resolve_all_asset_specs() if each.key == dg.AssetKey(asset)]
    page.goto(f"{address}/assets/{asset}")
    for shown in (spec.description, *(f"{key}: {value}" for key, value in spec.tags.items() if "/" not in key)):
        assert shown is not None
        page.get_by_text(shown).first.wait_for()
    for owner in spec.owners:
        page.get_by_text(owner.removeprefix("team:"), exact=True).wait_for()
    for column in spec.metadata["dagster/column_schema"].columns:
        row = page.get_by_role("row").filter(has=page.get_by_text(column.name, exact=True))
        assert column.description.replace("`", "") in row.inner_text()
