"""Two who run everything at the same moment on the same tables."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from healthcare_assets.domain.tables import DIM_PATIENTS, PREDICTIONS, RISK_FEATURES, SILVER_PATIENTS
from healthcare_assets.steps.audit import examine
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.members import rows_of
from healthcare_assets_tests.training_populations import made_up_population

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENTS = 700


def test_two_make_runs_at_once_both_end_well_and_the_tables_are_those_of_one(tmp_path: Path) -> None:
    columns = ["age", "sex", "region", "bmi", "smoker", "children", "charges"]
    source = tmp_path / "members.csv"
    pl.from_pandas(made_up_population(PATIENTS)[columns]).write_csv(source)
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HEALTHCARE_", "DAGSTER_"))},
        "HEALTHCARE_HOME": str(tmp_path / "home"),
        "HEALTHCARE_SOURCE": str(source),
    }
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "healthcare_assets"],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=500)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(said)
    assert not any("Traceback" in text for text in said)
    runtime = runtime_at(tmp_path / "home")
    for table in (SILVER_PATIENTS, DIM_PATIENTS, RISK_FEATURES, PREDICTIONS):
        rows = rows_of(runtime.lakehouse, table)
        assert len(rows) == len({row["patient_key"] for row in rows}) == PATIENTS, table.name
    assert (examine(runtime)[0].faults, examine(runtime)[1]) == ((), [])
    registry = runtime.registry
    champion = registry.required_version("champion")
    assert {row["model_version"] for row in rows_of(runtime.lakehouse, PREDICTIONS)} <= {"1", "2"}
    assert registry.load(champion)
