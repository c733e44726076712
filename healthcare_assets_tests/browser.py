"""A real Chromium without a window, and what it finds wrong with a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser tests on this machine: Chromium not found"),
]

SERIOUS = ("serious", "critical")
"""Impacts of what axe-core finds that nobody may be left alone with."""


@dataclass
class Seen:
    """A page, and what it did that nobody should see."""

    page: "Page"
    faults: list[str] = field(default_factory=list)
    """Errors on its console, exceptions, and requests that failed."""
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    # Not every machine that builds lets Chromium build its sandbox, and root never may.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 or os.environ.get("CI") else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def opened(browser: "Browser", url: str, *, width: int = 1200) -> Seen:
    """The page, loaded, at that width; its own policy of what may be loaded holds."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    seen = Seen(context.new_page())
    seen.page.on("console", lambda said: seen.faults.append(said.text) if said.type == "error" else None)
    seen.page.on("pageerror", lambda error: seen.faults.append(str(error)))
    seen.page.on("requestfailed", lambda request: seen.faults.append(f"{request.url}: {request.failure}"))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(url)
    return seen


def violations(browser: "Browser", url: str, *, width: int = 1200, dark: bool = False) -> list[str]:
    """What axe-core finds on the page that is serious or worse: the rule and the first element that breaks it."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    # The page's own policy would not let the examination in.
    context = browser.new_context(
        viewport={"width": width, "height": 900}, bypass_csp=True, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.goto(url)
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found if each["impact"] in SERIOUS]
