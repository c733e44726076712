"""Each how-to is done in a copy of the project: its patches fit, and its commands say what it says."""

import re
import subprocess
from pathlib import Path

import pytest

from healthcare_assets_tests.documents.blocks import DOCS, blocks_of, copied_project, fits, said_by

HOW_TOS = sorted((DOCS / "how-to").glob("*.md"))
_LINK = re.compile(r"\]\(([^)#]+)(?:#([^)]*))?\)")


@pytest.mark.slow
@pytest.mark.parametrize("how_to", HOW_TOS, ids=lambda path: path.stem)
def test_the_how_to_is_done(tmp_path: Path, how_to: Path) -> None:
    project = copied_project(tmp_path / "project", "healthcare_assets", "databricks_steps", "docs")
    _with_tests(project)
    said, exports = "", ""
    for block in blocks_of(how_to):
        if block.kind == "diff":
            _apply(block.text, project)
        elif block.kind == "sh" and block.run:
            said = said_by(project, exports + block.text)
            exports += "".join(line for line in block.text.splitlines(keepends=True) if line.startswith("export "))
        elif block.kind == "text":
            assert fits(block.text, said), f"{block.text}\nis not what came out:\n{said[-5000:]}"


@pytest.mark.parametrize("how_to", HOW_TOS, ids=lambda path: path.stem)
def test_a_how_to_has_something_to_do_and_leads_to_what_is_there(how_to: Path) -> None:
    blocks, text = blocks_of(how_to), how_to.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks)
    assert {block.kind for block in blocks} <= {"sh", "text", "diff"}
    assert any(block.kind == "sh" and block.run for block in blocks)
    for target, heading in _LINK.findall(text):
        there = how_to.parent / target
        assert there.is_file(), target
        titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        assert not heading or heading in {_anchor(title) for title in titles}, f"{target}#{heading}"


def _with_tests(project: Path) -> None:
    """The tests that how-tos name, as the project has them."""
    (project / "healthcare_assets_tests" / "__init__.py").parent.mkdir()
    tests = DOCS.parent / "healthcare_assets_tests"
    for path in [*tests.glob("*.py"), *tests.glob("domain/*.py"), *tests.glob("workspace/**/*.py")]:
        copy = project / path.relative_to(DOCS.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (project / "README.md").write_bytes((DOCS.parent / "README.md").read_bytes())


def _apply(patch: str, project: Path) -> None:
    # Without the ceiling git would look for a repository above, and apply nothing to what that one ignores.
    done = subprocess.run(
        ["git", "apply", "--verbose", "-"],
        cwd=project,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CEILING_DIRECTORIES": str(project.parent)},
        input=patch,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
