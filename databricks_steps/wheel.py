"""The project as a wheel for the cluster: built once for a state of the code, named by its content.

It declares no dependencies: what a step needs is said beside it (`requirements.py`). The whole project needs Dagster
and both engines, a step on a cluster much less.
"""

import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets.errors import LaunchError

_PACKAGES = ("healthcare_assets", "databricks_steps")
_RELEASE = "0.1.0"
_SUFFIXES = (".py", ".typed")


def code_digest() -> str:
    """Digest of the code that a wheel holds: the same for the same files, wherever they lie."""
    digest = sha256()
    for path in _files():
        digest.update(path.relative_to(PROJECT_ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def wheel_name(digest: str) -> str:
    """The file name of the wheel of the code with that digest, which its version carries: an installer takes a package
    of the same version for the same."""
    return f"healthcare_assets-{_version(digest)}-py3-none-any.whl"


def build_wheel(into: Path) -> Path:
    """Build the wheel of the present code in the folder; the same code gives the same bytes. Raises LaunchError."""
    try:
        version("hatchling")
    except PackageNotFoundError as error:
        raise LaunchError(
            "The wheel for Databricks cannot be built without hatchling: install the project with its extra "
            "'databricks', or set up the environment with `make lint`."
        ) from error
    digest = code_digest()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for path in _files():
            copy = root / path.relative_to(PROJECT_ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (root / "pyproject.toml").write_text(_PROJECT.format(version=_version(digest), packages=list(_PACKAGES)))
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into.absolute())]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            raise LaunchError(f"The wheel for Databricks cannot be built: {done.stderr.strip()}")
    return into / wheel_name(digest)


def _version(digest: str) -> str:
    return f"{_RELEASE}+{digest}"


def _files() -> list[Path]:
    found = (path for package in _PACKAGES for path in (PROJECT_ROOT / package).rglob("*"))
    return sorted(path for path in found if path.suffix in _SUFFIXES)


_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "healthcare-assets"
version = "{version}"
description = "The steps of the asset graph, as they run on a cluster."
requires-python = ">=3.11"

[tool.hatch.build.targets.wheel]
packages = {packages}
"""

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist")
    folder.mkdir(parents=True, exist_ok=True)
    print(build_wheel(folder))  # noqa: T201 - the answer of the command
