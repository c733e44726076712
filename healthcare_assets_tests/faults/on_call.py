"""Somebody on call: a home with some days, jobs that run on it, and the runbook's commands as they stand there."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets_tests.faults.disks import small_disk_at
from healthcare_assets_tests.faults.runbook import Section, sections
from healthcare_assets_tests.killing.forking import Order, Run
from healthcare_assets_tests.killing.homes import Homes
from healthcare_assets_tests.killing.warm import Warm

SECTIONS = sections()
_NO_SETTING_UP = "make -o .venv/.ready-run -o .venv/.ready-dev "
"""The environment is there: what a test runs in does not set it up anew."""


@dataclass
class OnCall:
    """The variables of a deployment, and what can be done with them."""

    homes: Homes
    warm: Warm
    folder: Path
    """Of the test."""
    variables: dict[str, str] = field(default_factory=dict)

    def finds(self, home: str, *, source: str = "delivered") -> "OnCall":
        """Begin with a fresh copy of the named home."""
        self.homes.put(home)
        self.variables = {**self.homes.variables(source), "BACKUP": str(self.folder / "backup")}
        return self

    @property
    def home(self) -> Path:
        return self.homes.home

    @property
    def backup(self) -> Path:
        return Path(self.variables["BACKUP"])

    def table(self, name: str) -> Path:
        return self.home / "lakehouse" / name

    def run(self, *runs: Run, **more: Any) -> str:
        """What the first job that failed said; empty when none did."""
        answer = self._ordered(runs=list(runs), **more)
        return answer.get("failed", f"status {answer['status']}") or ""

    def killed(self, run: Run, *, moment: dict[str, Any]) -> int:
        """Run a job that is killed at the moment; returns how its process ended."""
        status: int = self._ordered(runs=[run], moment=moment, seconds=1.0)["status"]
        return status

    def tables(self) -> dict[str, Any]:
        """The newest version of every table, by part, with digests of the rows."""
        found = self._ordered(look_before=True)["before"]["tables"]
        return {name: versions[max(versions, key=int)] for name, versions in found.items()}

    def _ordered(self, **order: Any) -> dict[str, Any]:
        return self.warm.done(Order(home=str(self.home), variables=self.variables, **order))

    def make_run(self) -> str:
        """What `make run` prints, which is one line and no stack trace when it fails at once."""
        done = self._shell(".venv/bin/python -W ignore -m healthcare_assets")
        assert "Traceback" not in done.stdout
        return done.stdout

    def follows(self, heading: str, *numbers: int, **variables: str) -> str:
        """Do what the section says, or some of its blocks; returns what the commands said."""
        blocks = SECTIONS[heading].blocks
        said = ""
        for number in numbers or range(len(blocks)):
            [set_up] = SECTIONS["Before anything"].blocks
            block = blocks[number].replace("make ", _NO_SETTING_UP)
            done = self._shell(f"set -eu\n{set_up}\n{block}", **variables)
            assert done.returncode == 0, done.stdout
            assert "Traceback" not in done.stdout
            said += done.stdout
        return said

    def _shell(self, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEALTHCARE_", "DAGSTER_", "DATABRICKS_"))}
        return subprocess.run(
            ["sh", "-c", script],
            cwd=PROJECT_ROOT,
            env={**kept, "PYTHONWARNINGS": "ignore", **self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @contextmanager
    def on_a_disk_of_its_own(self, folder: Path) -> Iterator[Path]:
        """The folder of the home lies on a small disk meanwhile, and what it holds is back in its place afterwards."""
        aside = self.folder / "aside"
        folder.rename(aside)
        with small_disk_at(folder, size="64m") as disk:
            _copy(aside, disk)
            yield disk
            _copy(disk, aside)
        folder.rmdir()
        aside.rename(folder)


def told(section: str, said: str) -> None:
    """The section begins with what was said."""
    assert SECTIONS[section].tells_of(said), said


def section_ids() -> list[str]:
    """The sections with something to follow or to be told."""
    return [heading for heading, section in SECTIONS.items() if _has_something(section)]


def _has_something(section: Section) -> bool:
    return bool(section.blocks or section.sentences) and section.heading != "Before anything"


def _copy(origin: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", f"{origin}/.", str(to)], check=True)
