"""A document as it is written: its commands, what it says comes out of them, and the patches that it gives."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
NEEDED = ("Makefile", "dagster.yaml", "workspace.yaml", "pyproject.toml", "requirements.lock", "requirements-dev.lock")
"""Beside the packages, what the commands of the documents read."""

_BLOCK = re.compile(r"^(<!-- not run: [^\n]+ -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    kind: str
    """`sh`, `text`, `diff`, ..."""
    text: str
    run: bool
    """Whether a test runs it: the document says so where it is not."""


def blocks_of(path: Path) -> list[Block]:
    """In the order in which they stand."""
    found = _BLOCK.findall(path.read_text(encoding="utf-8"))
    return [Block(kind=kind, text=text, run=not mark) for mark, kind, text in found]


def prose_of(path: Path) -> str:
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def copied_project(folder: Path, *packages: str) -> Path:
    """The project's files in a folder of their own, with the environment of make linked; skips where that is not."""
    environment = PROJECT_ROOT / ".venv"
    if not (environment / "bin" / "dg").exists() or not (environment / ".ready-run").exists():
        pytest.skip("the environment of make is not there, in which the documents' commands stand")
    folder.mkdir()
    for name in NEEDED:
        shutil.copy(PROJECT_ROOT / name, folder)
    for name in packages:
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(environment.resolve())
    for lock in folder.glob("*.lock"):
        os.utime(lock, (0, 0))  # what is installed is newer, so that make installs nothing
    return folder


def said_by(project: Path, commands: str, variables: Mapping[str, str] | None = None) -> str:
    """What the commands, in one shell in the project's folder, say; the test fails when one of them does."""
    ours = ("HEALTHCARE_", "DAGSTER_", "DATABRICKS_", "PYTEST_", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=project,
        env={**kept, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def fits(quoted: str, said: str) -> bool:
    """Whether it is what was said; a line `…` stands for any lines, and `…` within a line for anything in it."""
    lines = [_pattern(line) for line in quoted.splitlines()]
    return re.fullmatch("".join(lines), said.rstrip() + "\n") is not None


def _pattern(line: str) -> str:
    if line == "…":
        return r"(?:[^\n]*\n)*?"
    return re.escape(line).replace("…", r"[^\n]*?") + r"[ \t]*\n"
