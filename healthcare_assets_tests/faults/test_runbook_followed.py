"""The runbook is followed word by word: each command of it, in the state that its section is about."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from healthcare_assets_tests.faults import states_elsewhere
from healthcare_assets_tests.faults.disks import closed, locked, opened
from healthcare_assets_tests.faults.on_call import OnCall, section_ids, told
from healthcare_assets_tests.killing.homes import DAYS, Homes
from healthcare_assets_tests.killing.warm import Warm
from healthcare_assets_tests.machine import leave_out

pytestmark = pytest.mark.slow

FIRST, SECOND, THIRD = DAYS[:3]
SCORING, MONITORING = ("daily_scoring", SECOND), ("daily_monitoring", SECOND)
RUBBISH = b"rubbish " * 1000


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Homes, Warm]]:
    if not (Path(".venv") / "bin" / "dg").exists():
        pytest.skip("the environment of make is not there, in which the runbook's commands stand")
    if not hasattr(os, "pidfd_open"):
        leave_out("trials of the runbook", lacking="the kernel tells nothing of processes and folders (Linux does)")
    with Warm() as warm:
        yield Homes(tmp_path_factory.mktemp("on-call"), warm), warm


@pytest.mark.parametrize("heading", section_ids())
def test_the_runbook_is_followed(beginnings: tuple[Homes, Warm], tmp_path: Path, heading: str) -> None:
    homes, warm = beginnings
    STATES[heading](OnCall(homes, warm, tmp_path))


def _a_day_again(on_call: OnCall) -> None:
    """Its records have been delivered anew."""
    on_call.finds("two days", source="corrected")
    before = on_call.tables()
    on_call.follows("A day again")
    after = on_call.tables()
    changed = {name for name in before if before[name].get(SECOND) != after[name].get(SECOND)}
    assert changed >= {"silver_patients", "risk_features", "predictions", "care_management"}
    assert before["silver_patients"][FIRST] == after["silver_patients"][FIRST]


def _several_days_again(on_call: OnCall) -> None:
    on_call.finds("two days")
    before = on_call.tables()
    shutil.rmtree(on_call.table("risk_features"))
    on_call.follows("Several days again")
    assert on_call.tables() == before


def _a_training_and_the_way_back(on_call: OnCall) -> None:
    on_call.finds("three days")
    assert on_call.run(("training", None)) == ""
    assert _champions(on_call) == ["1", "2"]
    on_call.follows("A training, and the way back", 1)
    assert _champions(on_call) == ["1", "2", "1"]


def _champions(on_call: OnCall) -> list[str]:
    history = pl.read_delta(str(on_call.table("champion_history"))).sort("moved_at")
    return history["model_version"].to_list()


def _a_backup(on_call: OnCall) -> None:
    """What a log without one of its entries is answered with."""
    heading = "A backup, and a table back from it"
    on_call.finds("two days")
    before = on_call.tables()
    on_call.follows(heading, 0)
    entry = sorted((on_call.table("silver_patients") / "_delta_log").glob("*.json"))[1]
    entry.unlink()
    told("An entry of a table's log is damaged or missing", on_call.run(SCORING))
    on_call.follows(heading, 1)
    assert on_call.run(SCORING) == ""
    assert on_call.tables() == before


def _a_damaged_entry(on_call: OnCall) -> None:
    on_call.finds("two days")
    before = on_call.tables()
    folder = on_call.table("silver_patients")
    for entry in (folder / "_delta_log").glob("*.json"):
        entry.write_text("no log")
    told("An entry of a table's log is damaged or missing", on_call.run(SCORING))
    folder.rename(on_call.home / "damaged-silver_patients")
    assert on_call.run(*(("daily_patients", day) for day in (SECOND, FIRST))) == ""
    assert on_call.tables() == before


def _quarantine(on_call: OnCall) -> None:
    heading = "`silver_patients: quarantine_rate`"
    on_call.finds("two days")
    whole = on_call.variables["HEALTHCARE_SOURCE"]
    on_call.variables["HEALTHCARE_SOURCE"] = _delivered_anew(
        on_call, pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("200")).otherwise(pl.col("age")).alias("age")
    )
    assert "silver_patients" in (said := on_call.run(SCORING))
    assert "was stopped by a check" in said
    assert "age" in on_call.follows(heading)
    on_call.variables["HEALTHCARE_SOURCE"] = whole
    assert on_call.run(SCORING) == ""


def _delivered_anew(on_call: OnCall, *changed: pl.Expr, members: int | None = None) -> str:
    """The second day's delivery with other columns or fewer members, and that of the others as it was."""
    folder = on_call.folder / "delivered"
    shutil.copytree(Path(on_call.variables["HEALTHCARE_SOURCE"]).parent, folder)
    file = folder / f"members-{SECOND}.csv"
    rows = pl.read_csv(file, infer_schema=False).with_columns(*changed)
    (rows if members is None else rows.head(members)).write_csv(file)
    return str(folder / "members-{date}.csv")


def _report_of_drift(on_call: OnCall) -> None:
    on_call.finds("two days")
    assert f"drift_report_{SECOND}.html" in on_call.follows(
        "`drift_report: feature_drift`, `drift_report: prediction_drift`, `drift_report: outcome_drift`"
    )


def _low_volume(on_call: OnCall) -> None:
    on_call.finds("two days")
    on_call.variables["HEALTHCARE_SOURCE"] = _delivered_anew(on_call, members=40)
    assert on_call.run(SCORING, MONITORING) == ""
    assert "40" in on_call.follows("`drift_report: prediction_volume`")


def _audit(on_call: OnCall) -> None:
    on_call.finds("two days")
    assert "no faults found" in on_call.follows("`audit_trail: audit_chain_whole`")


def _full_disk(on_call: OnCall) -> None:
    heading = "The disk is full"
    on_call.finds("two days")
    before = on_call.tables()
    for folder in ("lakehouse", "mlflow", "dagster"):
        with on_call.on_a_disk_of_its_own(on_call.home / folder) as disk:
            space = os.statvfs(disk)
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(space.f_bavail * space.f_frsize))
            told(heading, on_call.make_run() if folder == "dagster" else on_call.run(SCORING))
            if folder == "lakehouse":
                assert "100%" in on_call.follows(heading, HEALTHCARE_HOME=str(disk))
            ballast.unlink()
    assert on_call.run(SCORING) == ""
    assert on_call.tables() == before


def _closed_disk(on_call: OnCall) -> None:
    heading = "The folder cannot be written to"
    on_call.finds("two days")
    before = on_call.tables()
    with on_call.on_a_disk_of_its_own(on_call.home / "lakehouse") as disk:
        closed(disk)
        told(heading, on_call.run(SCORING))
        assert "ro," in on_call.follows(heading, HEALTHCARE_HOME=str(disk))
        opened(disk)
    with on_call.on_a_disk_of_its_own(on_call.home / "dagster") as disk:
        closed(disk)
        told(heading, on_call.make_run())
        opened(disk)
    assert on_call.run(SCORING) == ""
    assert on_call.tables() == before


def _damaged_files(on_call: OnCall) -> None:
    heading = "A file of a table is damaged"
    on_call.finds("two days")
    before = on_call.tables()
    _cut(on_call.table("predictions") / f"partition_date={SECOND}")
    told(heading, on_call.run(MONITORING))
    assert on_call.run(SCORING, MONITORING) == ""
    _cut(on_call.table("dim_patients"))
    assert "dim_patients" in on_call.run(SCORING)
    on_call.follows(heading)
    assert on_call.run(*(("daily_patients", day) for day in (SECOND, FIRST))) == ""
    assert on_call.tables() == before


def _cut(folder: Path) -> None:
    for file in folder.glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-100])


def _locked_registry(on_call: OnCall) -> None:
    heading = "The model registry is locked"
    on_call.finds("two days")
    with locked(on_call.home / "mlflow" / "mlflow.db"):
        told(heading, on_call.run(SCORING))
        assert str(os.getpid()) in on_call.follows(heading)
    assert on_call.run(SCORING) == ""


def _damaged_registry(on_call: OnCall) -> None:
    heading = "The model registry is damaged"
    on_call.finds("two days")
    shutil.copytree(on_call.home, on_call.backup)
    (on_call.home / "mlflow" / "mlflow.db").write_bytes(RUBBISH)
    told(heading, on_call.run(SCORING))
    on_call.follows(heading)
    assert on_call.run(SCORING) == ""


def _locked_storage(on_call: OnCall) -> None:
    heading = "Dagster's storage is locked"
    on_call.finds("two days")
    with locked(on_call.home / "dagster" / "history" / "runs.db"):
        told(heading, on_call.make_run())
        assert str(os.getpid()) in on_call.follows(heading)
    assert on_call.run(SCORING) == ""


def _damaged_storage(on_call: OnCall) -> None:
    heading = "Dagster's storage is damaged"
    on_call.finds("two days")
    (on_call.home / "dagster" / "history" / "runs.db").write_bytes(RUBBISH)
    told(heading, on_call.make_run())
    assert on_call.follows(heading) == ""
    assert on_call.run(SCORING) == ""


def _clock(on_call: OnCall) -> None:
    assert "UTC" in on_call.finds("two days").follows("The clock was set back")


def _killed_worker(on_call: OnCall) -> None:
    heading = "A worker was killed"
    on_call.finds("two days")
    told(heading, states_elsewhere.told_of_a_run_without_a_step())
    assert on_call.killed(("daily_scoring", THIRD), moment={"kind": "time", "what": "1"}) < 0
    assert on_call.follows(heading)
    assert on_call.run(("daily_scoring", THIRD)) == ""


def _missing_key(on_call: OnCall) -> None:
    heading = "The pseudonym key is missing"
    on_call.finds("two days")
    on_call.backup.mkdir()
    (on_call.backup / "pseudonym.key").write_text(on_call.variables.pop("HEALTHCARE_PSEUDONYM_KEY"))
    told(heading, on_call.run(SCORING))
    on_call.variables["HEALTHCARE_PSEUDONYM_KEY"] = "another secret, which is long enough too"
    told(heading, on_call.run(SCORING))
    del on_call.variables["HEALTHCARE_PSEUDONYM_KEY"]
    on_call.follows(heading)
    assert on_call.run(SCORING) == ""


def _wrong_source(on_call: OnCall) -> None:
    heading = "The source is missing or wrong"
    on_call.finds("two days")
    whole, delivery = on_call.variables["HEALTHCARE_SOURCE"], on_call.folder / "members.csv"
    on_call.variables["HEALTHCARE_SOURCE"] = str(delivery)
    for day in (FIRST, SECOND):  # without a date in its name the file is the first day's, so that the second has none
        told(heading, on_call.run(("daily_scoring", day)))
        delivery.write_text("patient_id,age,sex,region,smoker,children\nM1,44,f,ne,no,2\n")
        told(heading, on_call.run(("daily_scoring", day)))
    assert "smoker" in (said := on_call.follows(heading, DELIVERY=str(delivery)))
    assert "M1" not in said
    on_call.variables["HEALTHCARE_SOURCE"] = whole
    assert on_call.run(("daily_scoring", FIRST), SCORING) == ""


def _no_champion(on_call: OnCall) -> None:
    heading = "No champion yet"
    on_call.finds("patients")
    told(heading, on_call.run(("daily_scoring", FIRST)))
    assert "approved" in on_call.follows(heading)
    assert on_call.run(("daily_scoring", FIRST)) == ""


def _maintenance(on_call: OnCall) -> None:
    on_call.finds("two days").follows("`maintenance: run`")


def _a_month(on_call: OnCall) -> None:
    on_call.finds("two days").follows("`monthly_insight: run`")
    month = pl.read_delta(str(on_call.table("pricing_factors")))["partition_date"].unique().to_list()
    assert [day.isoformat() for day in month] == [f"{FIRST[:8]}01"]
    assert on_call.table("population_health").is_dir()


STATES: dict[str, Callable[[OnCall], None]] = {
    "A day again": _a_day_again,
    "Several days again": _several_days_again,
    "A training, and the way back": _a_training_and_the_way_back,
    "A backup, and a table back from it": _a_backup,
    "An entry of a table's log is damaged or missing": _a_damaged_entry,
    "`silver_patients: quarantine_rate`": _quarantine,
    "`drift_report: feature_drift`, `drift_report: prediction_drift`, `drift_report: outcome_drift`": _report_of_drift,
    "`drift_report: prediction_volume`": _low_volume,
    "`audit_trail: audit_chain_whole`": _audit,
    "`maintenance: run`": _maintenance,
    "`monthly_insight: run`": _a_month,
    "The disk is full": _full_disk,
    "The folder cannot be written to": _closed_disk,
    "A file of a table is damaged": _damaged_files,
    "The model registry is locked": _locked_registry,
    "The model registry is damaged": _damaged_registry,
    "Dagster's storage is locked": _locked_storage,
    "Dagster's storage is damaged": _damaged_storage,
    "The clock was set back": _clock,
    "Two runs at once": states_elsewhere.two_runs_at_once,
    "A worker was killed": _killed_worker,
    "A step cannot be launched on Databricks": states_elsewhere.no_launch,
    "PostgreSQL is down": states_elsewhere.postgres_down,
    "The pseudonym key is missing": _missing_key,
    "The source is missing or wrong": _wrong_source,
    "No champion yet": _no_champion,
    "No alert arrives": states_elsewhere.no_alert,
}
