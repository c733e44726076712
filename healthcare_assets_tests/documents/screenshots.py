"""The pictures of the documents, made by a browser from the real UI: `make screenshots`."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets_tests.browser import chromium, opened
from healthcare_assets_tests.ui.server import dagster_ui

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = PROJECT_ROOT / "docs"
_PATIENCE_MS = 60_000
_PICTURES = (
    ("asset-graph", "/asset-groups", "ingestion"),
    ("asset-page", "/assets/silver_patients", "patient_key"),
    ("failed-check", "/assets/silver_patients?view=checks&checkDetail=quarantine_rate", "Latest execution"),
)
"""File, page, and what is on it when it is ready."""


def main() -> None:
    logging.disable()  # Dagster tells every event of the days that it runs
    with tempfile.TemporaryDirectory() as home, dagster_ui(Path(home)) as address, chromium() as browser:
        page = opened(browser, address, width=1600).page
        for file, path, sign in _PICTURES:
            page.goto(f"{address}{path}")
            page.get_by_text(sign).first.wait_for(timeout=_PATIENCE_MS)
            _take(page, FOLDER / f"{file}.png")


def _take(page: "Page", file: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file, animations="disabled")


if __name__ == "__main__":
    main()
