"""The Databricks CLI, a workspace to deploy to, and a copy of the project to deploy from."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from healthcare_assets_tests.databricks.workspace_server import PRINCIPAL, WorkspaceServer, workspace_server

ROOT = Path(__file__).parents[2]
CACHED_CLI = ROOT / ".venv" / "share" / "databricks" / "databricks"
EMULATOR = ROOT / ".venv" / "share" / "emulator" / "bin" / "minilake"

TOKEN = "any"  # noqa: S105 - the emulator asks nobody who they are

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Project:
    """A copy of the project: what the CLI writes beside a bundle stays out of a developer's own."""

    root: Path
    environment: Mapping[str, str]

    def cli(self, *arguments: str, folder: str = "databricks_steps", check: bool = True) -> Done:
        return self.run("databricks", *arguments, folder=folder, check=check)

    def run(self, *command: str, folder: str = ".", check: bool = True) -> Done:
        done = subprocess.run(
            command,
            cwd=self.root / folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert not (check and done.returncode), f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def databricks_cli() -> Path:
    """The CLI: what DATABRICKS_CLI names, the one on the path, or the one that `make databricks-cli` has brought."""
    for found in (os.environ.get("DATABRICKS_CLI"), shutil.which("databricks"), str(CACHED_CLI)):
        if found and Path(found).is_file() and _is_todays(found):
            return Path(found)
    pytest.skip("no Databricks CLI on this machine: set DATABRICKS_CLI to one, or try `make databricks-cli`")


@pytest.fixture(scope="module")
def workspace(databricks_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceServer]:
    """A workspace of the module's own, with the catalogs that are there before a deployment."""
    emulator = Path(os.environ.get("MINILAKE") or EMULATOR)
    if not emulator.is_file():
        pytest.skip(f"no emulator on this machine: {emulator} is not there")
    with workspace_server(emulator, tmp_path_factory.mktemp("workspace")) as server:
        yield server


@pytest.fixture(scope="module")
def project(workspace: WorkspaceServer, databricks_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project, whose CLI is logged in at the workspace as the service principal."""
    folder = tmp_path_factory.mktemp("deployment")
    root, programs, home = folder / "project", folder / "bin", folder / "home"
    for made in (root, programs, home):
        made.mkdir()
    for package in ("databricks_steps", "healthcare_assets"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", ".*", "dist"))
    (root / ".venv").symlink_to(ROOT / ".venv")
    (programs / "databricks").symlink_to(databricks_cli)
    return Project(
        root,
        {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(home),
            "DATABRICKS_HOST": workspace.host,
            "DATABRICKS_TOKEN": TOKEN,
            "DATABRICKS_AUTH_TYPE": "pat",
            **{f"BUNDLE_VAR_{target}_service_principal": PRINCIPAL for target in ("staging", "prod")},
        },
    )


def _is_todays(program: str) -> bool:
    """Not the CLI of old, which had the same name and knew no bundles."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    return said.stdout.startswith("Databricks CLI v")
