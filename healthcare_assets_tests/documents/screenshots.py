"""The pictures of the README, made by a browser from the real UI: `make screenshots`."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from healthcare_assets.dagster_home import prepare
from healthcare_assets.environments import PROJECT_ROOT, settings_from
from healthcare_assets_tests.browser import chromium, opened
from healthcare_assets_tests.loopback import free_port

FOLDER = PROJECT_ROOT / "docs"
_PATIENCE_S = 120


@contextmanager
def dagster_ui(home: Path) -> Iterator[str]:
    """The address of Dagster's web server over the code location and the home, as `make dev` starts it."""
    port = free_port()
    prepare(settings_from({"HEALTHCARE_HOME": str(home)}))
    environment = {**os.environ, "HEALTHCARE_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    command = [sys.executable, "-W", "ignore", "-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "-p", str(port)],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/server_info")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(url: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            if time.monotonic() > until:
                raise
        else:
            return


def main() -> None:
    with tempfile.TemporaryDirectory() as home, dagster_ui(Path(home)) as address, chromium() as browser:
        page = opened(browser, f"{address}/asset-groups", width=1600).page
        page.get_by_text("ingestion").first.wait_for(timeout=60_000)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / "asset-graph.png")


if __name__ == "__main__":
    main()
