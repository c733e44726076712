"""The runbook knows every alert, and each of its commands works in the state that it is for."""

import os
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from healthcare_assets.dagster_home import prepare
from healthcare_assets.definitions import defs
from healthcare_assets.environments import settings_from
from healthcare_assets.steps.audit import examine
from healthcare_assets_tests.champions import promoted
from healthcare_assets_tests.steps.members import members_runtime, run_days, write_members

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
DAYS = (date(2026, 1, 1), date(2026, 1, 2))
_EARLIER = {"timestamp": ""}
HOME = 'export HEALTHCARE_HOME="$PWD/.healthcare" DAGSTER_HOME="$PWD/.healthcare/dagster"'


def test_every_check_has_a_section_and_every_job_is_named() -> None:
    graph = defs().resolve_asset_graph()
    headings = " ".join(SECTIONS)
    assert {key.name for key in graph.asset_check_keys if f"`{key.name}`" not in headings} == set()
    jobs = {job.name for job in defs().jobs or []}
    assert {name for name in jobs if f"`{name}`" not in TEXT} == set()


def test_no_section_is_about_a_check_that_there_is_not() -> None:
    names = {key.name for key in defs().resolve_asset_graph().asset_check_keys}
    assert {name for heading in SECTIONS for name in re.findall(r"`(\w+)`", heading)} <= names


def _commands(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of patients and a second champion."""
    home = tmp_path_factory.mktemp("runbook")
    for day in DAYS:
        write_members(home, day, {"patient_id": "A1", **_EARLIER}, {"patient_id": "C3", "bmi": "?", **_EARLIER})
    runtime = members_runtime(home, key=None)
    run_days(runtime, *DAYS)
    for _ in range(2):
        promoted(runtime.registry)
    prepare(settings_from({"HEALTHCARE_HOME": str(home)}))
    return home


def _damage(home: Path, section: str) -> None:
    """What the section is for, where it is more than an alert."""
    lakehouse = home / "lakehouse"
    if section == "`quarantine_rate`":  # what was wrong has been delivered again
        write_members(home, DAYS[1], {"patient_id": "A1", **_EARLIER}, {"patient_id": "C3", **_EARLIER})
    if section == "A file of a table is damaged":
        for file in lakehouse.glob(f"silver_patients/partition_date={DAYS[1]}/*.parquet"):
            file.write_bytes(file.read_bytes()[:50])
    if section == "A table's log is damaged":
        (lakehouse / "risk_features" / "_delta_log" / "00000000000000000001.json").write_text("{")
    (home / "reports").mkdir(exist_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if _commands(text)])
def test_the_commands_of_a_section_work(home: Path, section: str) -> None:
    _damage(home, section)
    assert HOME in TEXT
    script = "\n".join(["set -eu", *_commands(SECTIONS[section])])
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEALTHCARE_", "DAGSTER_"))}
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={
            **environment,
            "HEALTHCARE_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "HEALTHCARE_SOURCE": str(home / "members-{date}.csv"),
            "PYTHONWARNINGS": "ignore",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    found, _ = examine(members_runtime(home, key=None))
    assert found.faults == ()
