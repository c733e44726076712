"""Costs as they become known, on either engine: what is kept, refused and counted; and what training makes of them."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import pytest

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.deidentification import pseudonyms
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES, QUARANTINED_OUTCOMES
from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.synthetic_outcomes import LONGEST_LAG, SHORTEST_LAG
from healthcare_assets.domain.tables import DIM_PATIENTS, RISK_FEATURES, SILVER_PATIENTS
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets.steps import bronze, dimension, examination, features, outcomes, silver
from healthcare_assets.steps.report import AssetReport
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets.steps.training import training_table
from healthcare_assets_tests.domain.frames import GOOD_RECORD
from healthcare_assets_tests.runtimes import KEY, runtime_at

DAY, LATER, STILL_LATER = date(2026, 1, 5), date(2026, 1, 20), date(2026, 1, 21)

Rows = list[dict[str, Any]]


def _key(patient: str) -> str:
    return pseudonyms(KEY.encode())(patient)


def _write(path: Path, columns: Sequence[str], records: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)


def _patients(folder: Path, *records: Mapping[str, str], day: date = DAY) -> None:
    _write(folder / f"members-{day}.csv", list(GOOD_RECORD), [{**GOOD_RECORD, **r} for r in records])  # type: ignore[dict-item]


def _costs(folder: Path, day: date, *lines: str) -> None:
    (folder / f"costs-{day}.csv").write_text("\n".join(["patient_id,charges,service_date", *lines, ""]))


def _runtime(folder: Path, lakehouse: Lakehouse, **settings: Any) -> Runtime:
    places = {"source": str(folder / "members-{date}.csv"), "outcomes": str(folder / "costs-{date}.csv")}
    return runtime_at(folder, lakehouse=lakehouse, **{**places, **settings})


def _with_patients(folder: Path, lakehouse: Lakehouse) -> Runtime:
    """A1 and B2 have records of the day, A1 without charges. Their tables are made on Polars, which takes a second."""
    _patients(folder, {"patient_id": "A1", "charges": ""}, {"patient_id": "B2", "charges": "500"})
    made = PolarsLakehouse(folder / "made")
    _patient_steps(_runtime(folder, made), DAY)
    for table in (DIM_PATIENTS, SILVER_PATIENTS, RISK_FEATURES):
        shutil.copytree(made.location(table), lakehouse.location(table))
    return _runtime(folder, lakehouse)


def _patient_steps(runtime: Runtime, day: date) -> None:
    for step in (bronze, silver, dimension, features):
        step.run(runtime, day)


def _run(runtime: Runtime, day: date) -> AssetReport:
    observed, quarantined = outcomes.run(runtime, day)
    assert (observed.asset, quarantined.asset) == ("observed_outcomes", "quarantined_outcomes")
    assert observed.metadata["quarantined"] == quarantined.rows
    assert [check.name for check in observed.checks] == ["schema_matches_contract", "no_record_lost"]
    assert all(check.passed for check in observed.checks), [check.description for check in observed.checks]
    return observed


def _rows(lakehouse: Lakehouse, table: Table, day: date | None = None) -> Rows:
    rows: Rows = lakehouse.collect(lakehouse.scan(table, day=day)).to_pylist()
    return rows


def test_a_day_s_costs_are_observed_or_refused_with_the_reason_and_counted(
    tmp_path: Path, lakehouse: Lakehouse
) -> None:
    runtime = _with_patients(tmp_path, lakehouse)
    lines = [
        "A1,120.5,2026-01-05",
        " a1 ,120.50,2026-01-05",  # the same again
        "B2,1,2026-01-05",
        "B2,2,2026-01-05",  # a contradiction
        "C3,7,2026-01-05",  # of nobody known
        "A1,7,2026-01-04",  # known only since the day after
        ",?,2026-02-30",
        "A1,7,2026-01-20,superfluous",
    ]
    _costs(tmp_path, LATER, *lines)
    report = _run(runtime, LATER)
    assert _rows(lakehouse, OBSERVED_OUTCOMES) == [
        {
            "patient_key": _key("a1"),
            "charges": 120.5,
            "service_date": DAY,
            "source_records": 2,
            "partition_date": LATER,
        }
    ]
    refused = {row["source_row"]: row for row in _rows(lakehouse, QUARANTINED_OUTCOMES)}
    assert sorted(refused) == [3, 4, 5, 6, 7, 8]
    assert (refused[3]["patient_key"], refused[3]["charges"], refused[3]["service_date"]) == (_key("b2"), 1.0, DAY)
    assert refused[3]["reasons"] == refused[4]["reasons"]
    assert "other charges of the same patient_id" in refused[3]["reasons"][0]
    assert refused[5]["reasons"] == refused[6]["reasons"]
    assert "unknown patient" in refused[5]["reasons"][0]
    assert refused[7]["reasons"] == [
        "patient_id is missing",
        "charges is not a number",
        "service_date is not a date",
    ]
    assert "fields" in refused[8]["reasons"][0]
    assert report.checks[1].metadata == {"records_in": 8, "observed": 1, "quarantined": 6, "repetitions": 1}


def test_a_day_that_is_read_again_replaces_itself_and_nothing_else(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    runtime = _with_patients(tmp_path, polars_lakehouse)
    _costs(tmp_path, LATER, "A1,1,2026-01-05", "Z9,1,2026-01-05")
    _costs(tmp_path, STILL_LATER, "A1,2,2026-01-05", "B2,3,2026-01-05")
    for day in (STILL_LATER, LATER):
        _run(runtime, day)
    before = [
        _rows(polars_lakehouse, table, day) for table in (OBSERVED_OUTCOMES, QUARANTINED_OUTCOMES) for day in (LATER,)
    ]
    correction = sorted(_rows(polars_lakehouse, OBSERVED_OUTCOMES, STILL_LATER), key=lambda row: str(row["charges"]))
    assert [row["charges"] for row in correction] == [2.0, 3.0]
    _run(runtime, LATER)
    assert before == [
        _rows(polars_lakehouse, t, d) for t in (OBSERVED_OUTCOMES, QUARANTINED_OUTCOMES) for d in (LATER,)
    ]
    (tmp_path / f"costs-{LATER}.csv").unlink()
    report = _run(runtime, LATER)
    assert report.rows == 0
    assert "There is no file" in str(report.metadata["notes"])
    assert _rows(polars_lakehouse, OBSERVED_OUTCOMES, LATER) == []
    assert len(_rows(polars_lakehouse, OBSERVED_OUTCOMES, STILL_LATER)) == 2


def test_an_unknown_patient_is_known_once_their_days_are_materialised(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    runtime = _runtime(tmp_path, polars_lakehouse)
    _patients(tmp_path, {"patient_id": "A1"})
    _costs(tmp_path, LATER, "A1,1,2026-01-05")
    assert _run(runtime, LATER).rows == 0
    _patient_steps(runtime, DAY)
    assert _run(runtime, LATER).rows == 1
    assert _rows(polars_lakehouse, QUARANTINED_OUTCOMES) == []


def test_the_newest_cost_of_the_service_day_is_what_is_trained_on(tmp_path: Path, lakehouse: Lakehouse) -> None:
    runtime = _with_patients(tmp_path, lakehouse)
    assert [row["charges"] for row in training_table(lakehouse).to_dict("records")] == [500.0]
    assert examination._known_share(runtime, len(training_table(lakehouse))) == 0.5
    _costs(tmp_path, LATER, "A1,1,2026-01-05", "B2,600,2026-01-05")
    _costs(tmp_path, STILL_LATER, "A1,2,2026-01-05")
    for day in (STILL_LATER, LATER):  # in whatever order they are materialised
        _run(runtime, day)
    table = training_table(lakehouse).set_index("patient_key")
    assert table["charges"].to_dict() == {_key("a1"): 2.0, _key("b2"): 600.0}
    assert {str(day) for day in table["service_date"]} == {"2026-01-05"}
    assert examination._known_share(runtime, len(table)) == 1.0
    observed_then = lakehouse.scan(OBSERVED_OUTCOMES).filter(nw.col("partition_date") <= nw.lit(LATER))
    as_then = lakehouse.collect(outcomes.newest_outcomes(lakehouse, observed_then)).to_pylist()
    assert {row["patient_key"]: row["charges"] for row in as_then} == {_key("a1"): 1.0, _key("b2"): 600.0}


def test_an_outcome_is_of_its_service_day_and_not_of_a_later_record(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    """A1 comes back changed, and the cost of that day is not known yet: the earlier day is trained on, as it was."""
    runtime = _with_patients(tmp_path, polars_lakehouse)
    _patients(tmp_path, {"patient_id": "A1", "charges": "", "region": "NE"}, day=LATER)
    _patient_steps(runtime, LATER)
    _costs(tmp_path, LATER, "A1,1,2026-01-05")
    _run(runtime, LATER)
    (row,) = (r for r in training_table(polars_lakehouse).to_dict("records") if r["patient_key"] == _key("a1"))
    assert (row["charges"], row["region"], str(row["service_date"])) == (1.0, "southwest", "2026-01-05")


def test_without_a_source_of_outcomes_there_are_none_and_the_user_is_told_what_to_set(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    said: list[str] = []
    _patients(tmp_path, {"patient_id": "A1"})
    report = _run(_runtime(tmp_path, polars_lakehouse, outcomes=None, log=said.append), DAY)
    assert report.rows == 0
    assert "set HEALTHCARE_OUTCOMES" in said[0]


@pytest.mark.slow
def test_the_arrivals_costs_become_known_within_six_weeks_and_training_uses_them(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    runtime = runtime_at(tmp_path, lakehouse=polars_lakehouse)
    first_day = runtime.settings.first_day
    population = SyntheticPopulation(members=200, arrivals_per_day=40, changes_per_day=0)
    runtime.__dict__["source"] = SyntheticSource(population, first_day=first_day)
    days = [first_day + timedelta(days=number) for number in range(4)]
    for day in days:
        _patient_steps(runtime, day)
    before = len(training_table(polars_lakehouse))
    arrivals = sum(len(_rows(polars_lakehouse, RISK_FEATURES, day)) for day in days[1:])
    assert before == len(_rows(polars_lakehouse, RISK_FEATURES, first_day))
    known = []
    for number in range(1 + SHORTEST_LAG, len(days) + LONGEST_LAG):
        _run(runtime, first_day + timedelta(days=number))
        known.append(len(training_table(polars_lakehouse)) - before)
    assert 0 < known[10] < arrivals
    assert known == sorted(known)
    assert known[-1] == arrivals
    assert examination._known_share(runtime, before + known[-1]) == 1.0
    strangers = [reason for row in _rows(polars_lakehouse, QUARANTINED_OUTCOMES) for reason in row["reasons"]]
    assert all("unknown patient" in reason for reason in strangers)  # of days not materialised, and refused records
