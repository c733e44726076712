"""Every document is found from the index, and no link leads nowhere."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets_tests.documents.pages import anchor

DOCS = PROJECT_ROOT / "docs"
INDEX = DOCS / "README.md"
DOCUMENTS = [PROJECT_ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def _links(path: Path) -> list[str]:
    """The links to other places of the project."""
    text = re.sub(r"(`+)[^`\n]+\1(?!\()", "", _text(path))
    return [link for link in _LINK.findall(text) if not re.match(r"https?:|mailto:", link)]


@cache
def _text(path: Path) -> str:
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def _anchors(path: Path) -> set[str]:
    """Of a heading that occurs twice, the second one's address ends in -1."""
    counts: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_text(path)):
        name = anchor(heading)
        found.add(f"{name}-{counts[name]}" if counts[name] else name)
        counts[name] += 1
    return found


def _fault(path: Path, link: str) -> str | None:
    place, _, section = link.partition("#")
    target = (path.parent / place).resolve() if place else path
    if not target.is_relative_to(PROJECT_ROOT.resolve()) or not target.exists():
        return f"{link}: no such file"
    if section and (target.suffix != ".md" or section not in _anchors(target)):
        return f"{link}: no such section"
    return None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_no_link_leads_nowhere(path: Path) -> None:
    assert [fault for link in _links(path) if (fault := _fault(path, link))] == []


def test_the_index_lists_every_document_once() -> None:
    listed = Counter(link for link in _links(INDEX) if "#" not in link)
    there = {str(path.relative_to(DOCS)) for path in DOCUMENTS if path.is_relative_to(DOCS) and path != INDEX}
    assert there - listed.keys() == set()
    assert {link for link, count in listed.items() if count > 1} == set()


def test_readme_leads_to_the_index() -> None:
    assert "docs/README.md" in _links(PROJECT_ROOT / "README.md")


def test_an_address_is_made_as_github_makes_it() -> None:
    assert anchor("`drift_report: feature_drift`, `a: run`") == "drift_report-feature_drift-a-run"
    assert anchor("The host's time zone, and clocks that change") == "the-hosts-time-zone-and-clocks-that-change"
    assert anchor("A [link](to.md) – and (more)") == "a-link--and-more"
