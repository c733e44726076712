"""What is installed: locked to the byte, under licences that a health insurer can use, and listed for whoever asks."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from healthcare_assets.environments import PROJECT_ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-emulator.lock")
RUN_LOCK = "requirements.lock"
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)")

ALLOWED = (
    "0BSD",
    "Apache",
    "BSD",
    "CC0",
    "ISC",
    "MIT",
    "MPL",
    "Mozilla Public License 2.0",
    "PSF",
    "Python Software Foundation",
    "Unlicense",
    "Zlib",
)
"""Permissive ones, and the Mozilla licence, which asks something of changes to its own files alone."""

READ_BY_HAND: Mapping[str, str] = {"huey": "MIT", "skops": "MIT"}
"""Licences of packages that carry their text and no name of it."""


def _pins(lock: str) -> list[tuple[str, str]]:
    """Packages with their versions, of which a lock for all systems may name several."""
    lines = (PROJECT_ROOT / lock).read_text(encoding="utf-8").splitlines()
    return sorted((_plain(found[1]), found[2]) for line in lines if (found := _PINNED.match(line)))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tool(name: str, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT_ROOT)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_is_pinned_with_hashes_and_no_index_is_named(lock: str) -> None:
    text = (PROJECT_ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) == len(_pins(lock)) > 20
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://\S+|--(?:extra-)?index-url|--find-links", text) == []


def test_what_runs_is_under_licences_that_are_allowed() -> None:
    pins = {name for name, _ in _pins(RUN_LOCK)}
    found = json.loads(_tool("pip-licenses", "--from=mixed", "--format=json", "--with-system", "--packages", *pins))
    licences = {_plain(package["Name"]): package["License"] for package in found}
    unknown = {name for name, licence in licences.items() if licence == "UNKNOWN"}
    assert unknown <= READ_BY_HAND.keys()
    refused = {name: licence for name, licence in licences.items() if name not in unknown and not _allowed(licence)}
    assert refused == {}
    # The others are of other systems than this one.
    assert len(licences) > 0.9 * len(pins)


def _allowed(licence: str) -> bool:
    """Of several that hold together each has to be, of several to choose from one."""
    return all(any(known in part for known in ALLOWED) for part in re.split(r" AND |; ", licence))


@pytest.mark.parametrize("licence", ["GPL-3.0", "MIT AND GPL-2.0-only", "Apache Software License; AGPL", "Proprietary"])
def test_a_licence_that_is_not_allowed_is_found(licence: str) -> None:
    assert not _allowed(licence)


def test_the_bill_of_materials_lists_each_package_that_runs_with_its_hashes(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    _tool("cyclonedx-py", "requirements", RUN_LOCK, "--pyproject", "pyproject.toml", "--of", "JSON", "-o", str(file))
    bill: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    listed = sorted((_plain(component["name"]), component["version"]) for component in bill["components"])
    assert listed == _pins(RUN_LOCK)
    assert all(reference["hashes"] for c in bill["components"] for reference in c["externalReferences"])


def test_a_release_carries_the_bill_of_materials_and_each_change_is_audited() -> None:
    workflows = {
        name: yaml.safe_load((PROJECT_ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
        for name in ("ci", "deploy")
    }
    audited = [step.get("run", "") for step in workflows["ci"]["jobs"]["supply_chain"]["steps"]]
    assert {"make audit", "make licences"} <= set(audited)
    released = [step.get("run", "") for step in workflows["deploy"]["jobs"]["bill_of_materials"]["steps"]]
    assert any(run.startswith("gh release upload") for run in released)
    assert "make sbom" in released
