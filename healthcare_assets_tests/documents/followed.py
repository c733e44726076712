"""A document that is followed word by word: its commands, in their order, and what it says that comes of them.

Commands stand in blocks of `sh`, and what they print in the block of `text` behind them. There `…` stands for what
differs from one time to another: within a line for a part of it, on a line of its own for any number of lines.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
_BLOCK = re.compile(r"^(?:<!-- (?P<mark>.+?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export .+$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".git", ".venv", ".healthcare", ".bench", ".*_cache", "dist")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of a document, and what the comment before it says."""

    kind: str
    text: str
    mark: str = ""


def blocks(document: str) -> list[Block]:
    return [Block(kind=m["kind"], text=m["text"], mark=m["mark"] or "") for m in _BLOCK.finditer(document)]


def commands(document: str) -> Iterator[tuple[Block, str | None]]:
    """Each block of commands with what is quoted of its output."""
    found = blocks(document)
    for block, behind in zip(found, [*found[1:], None], strict=True):
        if block.kind == "sh":
            yield block, behind.text if behind is not None and behind.kind == "text" else None


def is_said(quoted: str, said: str) -> bool:
    """Whether the output is what is quoted, line by line from the first to the last."""
    lines = [_line(line.rstrip()) for line in quoted.splitlines()]
    return re.fullmatch("".join(lines), plain(said)) is not None


def plain(said: str) -> str:
    """Without colours, and without blanks at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in _COLOUR.sub("", said).splitlines())


def _line(quoted: str) -> str:
    return r"(?:[^\n]*\n)*?" if quoted.strip() == "…" else re.escape(quoted).replace("…", r"[^\n]*?") + r"\n"


@dataclass
class Follower:
    """Somebody with a terminal in a copy of the project, whose environment is set up."""

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    exported: list[str] = field(default_factory=list)
    """What the blocks so far have put into the terminal's environment."""

    def does(self, text: str) -> str:
        """Run the commands as they stand there; returns what they print. AssertionError when one fails."""
        done = subprocess.run(
            self.command(text),
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        self.exported += _EXPORT.findall(text)
        return done.stdout

    def command(self, text: str) -> Sequence[str]:
        return ["sh", "-euc", "\n".join([*self.exported, text])]

    @property
    def environment(self) -> dict[str, str]:
        ours = ("HEALTHCARE_", "DAGSTER_", "DATABRICKS_", "PYTEST_", "MAKE", "MFLAGS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**kept, "PYTHONWARNINGS": "ignore", **self.variables}


def clean_copy(folder: Path, **variables: str) -> Follower:
    """The project as a clone of it is, in the folder, with the environment of this one; skips where make made none."""
    if not (PROJECT_ROOT / ".venv" / "bin" / "dg").exists() or not (PROJECT_ROOT / ".venv" / ".ready-run").exists():
        pytest.skip("the environment of make is not there, in which the documents' commands stand")
    root = folder / "healthcare"
    shutil.copytree(PROJECT_ROOT, root, ignore=_LEFT_BEHIND)
    (root / ".venv").symlink_to(PROJECT_ROOT / ".venv")
    for lock in root.glob("requirements*.lock"):
        os.utime(lock, (0, 0))  # so that make sees an environment that is newer, and sets up none
    return Follower(root, variables)
