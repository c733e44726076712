"""The monitoring report as a browser draws it, on a phone and on a screen."""

import html as markup
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.domain.monitoring.report import html
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.browser import CHROMIUM, needs_chromium
from healthcare_assets_tests.domain.monitored_days import many_alerts, nothing, quiet

WIDTHS = (360, 1200)
DAYS = {"many alerts": many_alerts, "quiet": quiet, "nothing": nothing}

pytestmark = needs_chromium

# What is seen is told to the page around, since a frame may be narrower than Chromium's narrowest window.
_PROBE = """<script>
const faults = [];
addEventListener('error', event => faults.push(String(event.message || event.target)), true);
addEventListener('securitypolicyviolation', event => faults.push('blocked: ' + event.blockedURI));
addEventListener('load', () => {
  const root = document.documentElement;
  document.querySelectorAll('details').forEach(each => { each.open = true; });
  const charts = [...document.querySelectorAll('svg')].map(svg => {
    const box = svg.getBoundingClientRect();
    const within = [...svg.querySelectorAll('text')].filter(text => {
      const own = text.getBBox();
      return own.x < -0.5 || own.x + own.width > svg.viewBox.baseVal.width + 0.5;
    });
    return {
      width: box.width,
      height: box.height,
      marks: [...svg.querySelectorAll('rect, circle, path, polyline, line')]
        .filter(mark => mark.getBoundingClientRect().width + mark.getBoundingClientRect().height > 0).length,
      cut: within.map(text => text.textContent),
    };
  });
  const scrollers = [...document.querySelectorAll('*')].filter(each => each.scrollWidth > each.clientWidth + 1
    && ['auto', 'scroll'].includes(getComputedStyle(each).overflowX));
  parent.postMessage({
    frame: window.name,
    faults,
    charts,
    tooWide: root.scrollWidth > root.clientWidth,
    requests: performance.getEntriesByType('resource').map(each => each.name),
    unreachable: scrollers.filter(each => each.tabIndex < 0).length,
    resting: [...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll, svg, .unseen')
      && each.getBoundingClientRect().right > root.clientWidth + 1).length,
  }, '*');
});
</script>"""
_COLLECTOR = """<script>
const seen = [];
addEventListener('message', event => {
  seen.push(event.data);
  document.body.dataset.seen = JSON.stringify(seen);
});
</script>"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Chromium saw in each frame, by day and width; one start for all of them."""
    folder = tmp_path_factory.mktemp("report")
    frames = []
    for number, (name, day) in enumerate(DAYS.items()):
        page = html(day(), policy=POLICY)
        probed = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
        assert probed != page
        (folder / f"{number}.html").write_text(probed.replace("<title>", f"{_PROBE}<title>", 1), encoding="utf-8")
        frames += [f'<iframe src="{number}.html" name="{name} {width}" width="{width}"></iframe>' for width in WIDTHS]
    (folder / "all.html").write_text(
        f"<!doctype html><style>iframe {{ border: 0; height: 900px }}</style><body>{_COLLECTOR}{''.join(frames)}",
        encoding="utf-8",
    )
    return _looked_at(folder / "all.html", folder / "profile")


def _looked_at(page: Path, profile: Path) -> dict[str, Any]:
    assert CHROMIUM is not None
    command = (CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    options = ("--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom")
    run = subprocess.run([*command, *options, page.as_uri()], capture_output=True, check=True, text=True, timeout=180)
    assert ":CONSOLE" not in run.stderr, run.stderr
    found = re.search(r'data-seen="([^"]*)"', run.stdout)
    assert found is not None, run.stdout[-2000:]
    return {frame.pop("frame"): frame for frame in json.loads(markup.unescape(found.group(1)))}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("day", DAYS)
def test_a_browser_reports_no_error_and_asks_the_network_for_nothing(
    seen: dict[str, Any], day: str, width: int
) -> None:
    assert seen[f"{day} {width}"]["faults"] == []
    assert seen[f"{day} {width}"]["requests"] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("day", DAYS)
def test_every_chart_is_drawn_and_no_word_of_it_is_cut(seen: dict[str, Any], day: str, width: int) -> None:
    charts = seen[f"{day} {width}"]["charts"]
    assert len(charts) == html(DAYS[day](), policy=POLICY).count("<svg")
    for chart in charts:
        assert 200 < chart["width"] < width
        assert chart["height"] > 40
        assert chart["marks"] >= 3
        assert chart["cut"] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("day", DAYS)
def test_nothing_is_wider_than_the_window_and_what_scrolls_is_reached_by_key(
    seen: dict[str, Any], day: str, width: int
) -> None:
    frame = seen[f"{day} {width}"]
    assert not frame["tooWide"]
    assert frame["resting"] == 0
    assert frame["unreachable"] == 0
