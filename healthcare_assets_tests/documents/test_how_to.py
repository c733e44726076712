"""The how-tos are done as they stand there: changes applied to a copy, commands run, outputs compared."""

import shutil
import subprocess
from pathlib import Path

import pytest

from healthcare_assets_tests.documents.followed import DOCS, Follower, blocks, clean_copy, is_said, plain

pytestmark = pytest.mark.slow

# The source of a change, and how many blocks of each kind the page has: nothing of it is passed over.
CHANGING = {
    "add-a-feature": {"diff": 2, "sh": 2, "text": 2},
    "add-a-candidate": {"diff": 1, "sh": 1, "text": 1},
    "change-a-threshold": {"diff": 1, "sh": 2, "text": 2},
}


@pytest.mark.parametrize("name", CHANGING)
def test_a_how_to_is_done_as_it_stands_there(name: str, tmp_path: Path) -> None:
    if not (Path(".venv") / "bin" / "dg").exists() or shutil.which("git") is None:
        pytest.skip("the environment of make, in which the how-tos' commands stand, or git is not there")
    follower = clean_copy(tmp_path)
    done = dict.fromkeys(CHANGING[name], 0)
    said = ""
    for block in blocks((DOCS / "how-to" / f"{name}.md").read_text(encoding="utf-8")):
        done[block.kind] += 1
        if block.kind == "diff":
            _apply(follower, block.text)
        elif block.kind == "sh":
            said = follower.does(block.text)
        else:
            assert is_said(block.text, said), f"printed\n{plain(said)}\nand not\n{block.text}"
    assert done == CHANGING[name]


def _apply(follower: Follower, change: str) -> None:
    applied = subprocess.run(
        ["git", "apply", "-"],
        cwd=follower.root,
        env={**follower.environment, "GIT_DIR": "/nowhere"},
        input=change,
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, applied.stderr
