"""Each how-to is done in a copy of the project: its patches fit, and its commands say what it says."""

import subprocess
from pathlib import Path

import pytest

from healthcare_assets_tests.documents.followed import DOCS, Follower, blocks, clean_copy, is_said, plain

HOW_TOS = sorted((DOCS / "how-to").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("how_to", HOW_TOS, ids=lambda path: path.stem)
def test_the_how_to_is_done(tmp_path: Path, how_to: Path) -> None:
    follower, said = clean_copy(tmp_path), ""
    for block in blocks(how_to.read_text(encoding="utf-8")):
        if block.kind == "diff":
            _apply(block.text, follower)
        elif block.kind == "sh":
            said = follower.does(block.text)
        else:
            assert is_said(block.text, said), f"{block.text}\nis not what came out:\n{plain(said)[-5000:]}"


@pytest.mark.parametrize("how_to", HOW_TOS, ids=lambda path: path.stem)
def test_a_how_to_has_something_to_do(how_to: Path) -> None:
    text = how_to.read_text(encoding="utf-8")
    found = blocks(text)
    assert text.count("```") == 2 * len(found)
    assert {block.kind for block in found} <= {"sh", "text", "diff"}
    assert any(block.kind == "sh" for block in found)


def _apply(patch: str, follower: Follower) -> None:
    # Without the ceiling git would look for a repository above, and apply nothing to what that one ignores.
    done = subprocess.run(
        ["git", "apply", "--verbose", "-"],
        cwd=follower.root,
        env={**follower.environment, "GIT_CEILING_DIRECTORIES": str(follower.root.parent)},
        input=patch,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
