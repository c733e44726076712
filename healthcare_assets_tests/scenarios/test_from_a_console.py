"""What a newcomer does: the whole graph in a process of its own, read afterwards with another tool."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable

from healthcare_assets.dagster_home import prepare
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.environments import settings_from
from healthcare_assets.policy import POLICY

ROOT = Path(__file__).parents[2]
INSURANCE = ROOT.parent / "shared" / "data" / "insurance.csv"

pytestmark = pytest.mark.slow


def _environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEALTHCARE_", "DAGSTER_", "DATABRICKS_"))}
    return {**kept, "HEALTHCARE_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"), **variables}


def _run(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "healthcare_assets"],
        cwd=ROOT,
        env=_environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


def _table(home: Path, name: str) -> pl.DataFrame:
    frame = pl.from_arrow(DeltaTable(home / "lakehouse" / name).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _criteria(home: Path) -> Mapping[str, Mapping[str, Any]]:
    (verdict,) = _table(home, "governance_verdict").sort("decided_at").tail(1).to_dicts()
    return {criterion["name"]: criterion for criterion in verdict["criteria"]}


def _row_counts_in_the_ui(home: Path) -> dict[str, Any]:
    """By table: what its newest materialisation says under Dagster's own keys for a day's rows and a table's rows."""
    found = {}
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for name in TABLES:
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            if event is None:
                continue  # of a job that has its own times
            assert event.asset_materialization is not None
            metadata = event.asset_materialization.metadata
            count = metadata.get("dagster/partition_row_count") or metadata.get("dagster/row_count")
            found[name] = count.value if count else None
    return found


@pytest.mark.skipif(not INSURANCE.exists(), reason="insurance.csv does not lie beside the project")
def test_the_public_insurance_records_become_governed_predictions(tmp_path: Path) -> None:
    run = _run(tmp_path, HEALTHCARE_SOURCE=str(INSURANCE))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "approved" in run.stdout
    silver, quarantined = _table(tmp_path, "silver_patients"), _table(tmp_path, "quarantined_patients")
    assert (silver.height, quarantined.height, silver["source_records"].sum() - silver.height) == (1337, 0, 1)
    assert _table(tmp_path, "bronze_patients").height == 1338
    dimension, predictions = _table(tmp_path, "dim_patients"), _table(tmp_path, "predictions")
    assert dimension.height == dimension["patient_key"].n_unique() == dimension["is_current_record"].sum() == 1337
    assert predictions.height == predictions["patient_key"].n_unique() == 1337
    assert predictions.null_count().sum_horizontal().item() == 0
    assert _table(tmp_path, "governance_verdict")["decision"].to_list() == ["approved"]
    assert _criteria(tmp_path)["risk_score_r2"]["value"] >= 0.74
    assert _criteria(tmp_path)["risk_score_mae"]["value"] <= 9.0
    assert _criteria(tmp_path)["high_risk_recall"]["value"] >= 0.80
    row_counts, care = _row_counts_in_the_ui(tmp_path), _table(tmp_path, "care_management")
    assert row_counts.pop("care_management") == care.height
    assert 200 < care.height < 350
    assert care["within_capacity"].sum() == POLICY.care.capacity
    exported = pl.read_csv(tmp_path / "exports" / "care_management-2026-01-01.csv")
    assert exported["patient_key"].to_list() == care.sort("rank").head(POLICY.care.capacity)["patient_key"].to_list()
    assert row_counts == {
        "bronze_patients": 1338,
        "silver_patients": 1337,
        "quarantined_patients": 0,
        "dim_patients": 1337,
        "risk_features": 1337,
        "training_patients": 1337,
        "governance_verdict": 1,
        "champion_history": 1,
        "predictions": 1337,
        "observed_outcomes": 0,
        "quarantined_outcomes": 0,
        "drift_report": 121,
        "model_performance": 0,
        "pricing_factors": 62,
        "population_health": 44,
    }
    assert "set HEALTHCARE_OUTCOMES" in run.stdout
    assert (tmp_path / "reports" / "drift_report_2026-01-01.html").is_file()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such file"),
        ("", "is empty"),
        ("age,sex\n1,male\n", "bmi"),
        ("age,sex,region,bmi,smoker,children,charges\n", "0 patients have known charges"),
    ],
)
def test_a_wrong_source_is_one_sentence_and_no_stack_trace(tmp_path: Path, content: str | None, sentence: str) -> None:
    source = tmp_path / "members.csv"
    if content is not None:
        source.write_text(content, encoding="utf-8")
    run = _run(tmp_path / "home", HEALTHCARE_SOURCE=str(source))
    assert run.returncode == 1
    assert sentence in run.stdout
    assert "Traceback" not in run.stdout + run.stderr


def test_a_day_that_has_not_ended_is_left_out_and_said_so(tmp_path: Path) -> None:
    """It is no partition yet."""
    today = datetime.now(UTC).date()
    (tmp_path / f"{today}.csv").write_text("age,sex,region,bmi,smoker,children\n", encoding="utf-8")
    source = str(tmp_path / "{date}.csv")
    only_today = _run(tmp_path / "home", HEALTHCARE_SOURCE=source)
    assert only_today.returncode == 1
    assert "The source has records for no day from 2026-01-01 to" in only_today.stdout
    assert "correct HEALTHCARE_SOURCE or HEALTHCARE_FIRST_DAY" in only_today.stdout
    (tmp_path / "2026-01-01.csv").write_text("age,sex\n", encoding="utf-8")
    assert f"Left out for now: {today} and later" in _run(tmp_path / "home", HEALTHCARE_SOURCE=source).stdout


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_who_ends_it_in_a_step_is_told_what_is_left(tmp_path: Path, how: str) -> None:
    source = tmp_path / "members.csv"
    source.write_text("age,sex,region,bmi,smoker,children\n40,female,northeast,27,no,0\n")
    ended = (
        "import signal, sys\nfrom healthcare_assets.steps import silver\n"
        f"silver.run = lambda *_: signal.raise_signal(signal.{how})\n"
        "from healthcare_assets.__main__ import main\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", ended],
        cwd=ROOT,
        env=_environment(tmp_path / "home", HEALTHCARE_SOURCE=str(source)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stdout.splitlines()[-1] == (
        "Interrupted. Every table is as its last finished step left it; run again to go on."
    )
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "value"), [("HEALTHCARE_RATING_STATE", "ZZ"), ("HEALTHCARE_AGE_CURVE", "/srv/none.toml")]
)
def test_a_setting_that_the_last_step_needs_is_refused_before_the_first(
    tmp_path: Path, variable: str, value: str
) -> None:
    done = _run(tmp_path / "home", **{variable: value})
    assert done.returncode == 1
    [said] = done.stdout.splitlines()
    assert said.startswith(f"{variable} is ")


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = _run(tmp_path / "file" / "home")
    assert run.returncode == 1
    assert "set HEALTHCARE_HOME to a folder that you may write to" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize("pattern", ["members-[a-z].csv", "members[/all].csv"])
def test_a_source_is_named_as_it_was_given(tmp_path: Path, pattern: str) -> None:
    """Brackets are a glob's, and not the console's markup."""
    missing = _run(tmp_path / "home", HEALTHCARE_SOURCE=f"{tmp_path}/{pattern}")
    assert (missing.returncode, missing.stderr) == (1, "")
    assert pattern in missing.stdout


def test_seven_days_backfilled_by_seven_processes_beside_the_daily_job(tmp_path: Path) -> None:
    """Dagster's own commands, a process a day, all on one lakehouse that is not there yet."""
    assets = "bronze_patients,silver_patients,quarantined_patients,dim_patients,risk_features"
    days = [f"2026-01-0{number}" for number in range(1, 8)]
    prepare(settings_from({"HEALTHCARE_HOME": str(tmp_path)}))
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "asset", "materialize"]
    command += ["-m", "healthcare_assets.definitions"]
    backfill = [[*command, "--select", assets, "--partition", day] for day in days]
    newest = "2026-01-08"
    job = [str(Path(sys.executable).with_name("dg")), "launch", "--job", "daily_patients", "--partition", newest]
    processes = [
        subprocess.Popen(
            each, cwd=ROOT, env=_environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for each in (*backfill, job)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outputs
    days.append(newest)
    silver, dimension = _table(tmp_path, "silver_patients"), _table(tmp_path, "dim_patients")
    assert sorted(str(day) for day in silver["partition_date"].unique()) == days
    assert dimension["is_current_record"].sum() == silver["patient_key"].n_unique()
    for name in ("bronze_patients", "risk_features"):
        assert _table(tmp_path, name)["partition_date"].n_unique() == len(days)
    assert _versions(silver) == _versions_of(dimension)


_ATTRIBUTES = ["age", "sex", "region", "bmi", "smoker", "children", "charges", "insurance_plan", "coverage_start_year"]


def _versions(silver: pl.DataFrame) -> set[tuple[str, Any]]:
    """(patient, day on which an attribute differs from the patient's day before)."""
    ordered = silver.sort("patient_key", "partition_date")
    changed = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1).over("patient_key")) for name in _ATTRIBUTES
    )
    first = pl.col("partition_date") == pl.col("partition_date").min().over("patient_key")
    return set(ordered.filter(changed | first).select("patient_key", "partition_date").rows())


def _versions_of(dimension: pl.DataFrame) -> set[tuple[str, Any]]:
    return set(dimension.select("patient_key", "effective_date").rows())
