"""The care team's list and its file, from days of predictions, on either engine."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import narwhals as nw
import pytest

from healthcare_assets.domain import care_export
from healthcare_assets.domain import care_list as care_rules
from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.care_export import HEADER
from healthcare_assets.errors import LakehouseError
from healthcare_assets.policy import POLICY, CareRules
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse
from healthcare_assets.steps import care
from healthcare_assets.steps.audit import examine
from healthcare_assets.steps.report import Markdown
from healthcare_assets.steps.running import run_step
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.steps.care_days import REASONS, care_list, predicted, prediction
from healthcare_assets_tests.steps.members import on_polars

DAY = date(2026, 1, 9)
CARE_ORDER = ("high_cost", "requires_review", "risen", "critical")
DAYS_BEFORE = [DAY - timedelta(days=days) for days in range(1, 12)]


def _runtime(home: Path, lakehouse: Lakehouse, capacity: int | None = None) -> Runtime:
    return runtime_at(home, lakehouse=lakehouse, care_capacity=capacity)


def _made(runtime: Runtime, day: date = DAY) -> Any:
    (report,) = run_step("care", runtime, day=day)
    assert [check.description for check in report.checks if not check.passed] == []
    return report


def _file(runtime: Runtime, day: date = DAY) -> Path:
    return runtime.settings.home / "exports" / f"care_management-{day}.csv"


def _exported(runtime: Runtime, day: date = DAY) -> list[dict[str, str]]:
    with _file(runtime, day).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _three_days(lakehouse: Lakehouse) -> None:
    """Everybody who is listed by a rule, and those who are nearly."""
    tables = on_polars(lakehouse)
    predicted(tables, DAYS_BEFORE[9], prediction("back", 20.0), prediction("twice", 90.0), prediction("costly", 99.0))
    predicted(
        tables,
        DAYS_BEFORE[0],
        prediction("twice", 40.0),
        prediction("risen", 40.0),
        prediction("nearly", 40.0),
        prediction("still low", 2.0),
        prediction("another model", 41.0, model_version="0"),
        prediction("fallen", 88.0),
    )
    predicted(
        tables,
        DAY,
        prediction("costly", 96.0),
        prediction("reviewed", 90.04),
        prediction("smoker", 61.0, smoker=True),
        prediction("back", 80.0),
        prediction("twice", 55.0),
        prediction("risen", 55.0, predicted_charges=23_000.0),
        prediction("nearly", 54.9),
        prediction("still low", 29.0),
        prediction("another model", 60.0),
        prediction("critical", 85.0),
        prediction("fallen", 59.0),
        prediction("healthy", 10.0),
    )
    predicted(tables, DAY + timedelta(days=1), prediction("reviewed", 10.0))


def test_who_needs_attention_is_listed_by_urgency_and_nobody_else(tmp_path: Path, lakehouse: Lakehouse) -> None:
    _three_days(lakehouse)
    report = _made(_runtime(tmp_path, lakehouse, capacity=3))
    rows = care_list(lakehouse, DAY)
    assert [(row["rank"], row["patient_key"], row["rule"], row["within_capacity"]) for row in rows] == [
        (1, "costly", "high_cost", True),
        (2, "reviewed", "requires_review", True),
        (3, "smoker", "requires_review", True),
        (4, "back", "risen", False),
        (5, "another model", "risen", False),
        (6, "risen", "risen", False),
        (7, "twice", "risen", False),
        (8, "critical", "critical", False),
    ]
    by_key = {row["patient_key"]: row for row in rows}
    changes = {key: (row["score_change"], row["last_scored_on"]) for key, row in by_key.items()}
    assert changes == {
        "costly": (-3.0, DAYS_BEFORE[9]),
        "reviewed": (None, None),
        "smoker": (None, None),
        "back": (60.0, DAYS_BEFORE[9]),
        "another model": (19.0, DAYS_BEFORE[0]),
        "risen": (15.0, DAYS_BEFORE[0]),
        "twice": (15.0, DAYS_BEFORE[0]),
        "critical": (None, None),
    }
    assert by_key["costly"]["reasons"] == REASONS
    assert by_key["risen"]["reasons"] == []
    assert by_key["costly"]["why"] == (
        "High cost: $38,400 a year are predicted, which is among the highest 5 %. Down 3.0 points since 2025-12-30. "
        "What raises the cost most: Smokes: +$23,900 a year; BMI 36.2 (obese): +$5,100 a year."
    )
    assert by_key["another model"]["why"] == (
        "Risen: the risk score is 60.0. Up 19.0 points since 2026-01-08, when the patient was scored by another model "
        "(version 0, now 1): the difference may be the models'. "
        "What raises the cost is worked out for patients who are high risk or require review only."
    )
    assert by_key["reviewed"]["why"].startswith("Requires review: the risk score, 90.04, is over 90. No score in the")
    assert (report.rows, report.metadata["capacity"], report.metadata["beyond_capacity"]) == (8, 3, 5)
    assert isinstance(report.metadata["by_rule"], Markdown)
    assert "| risen | withheld | none |" in report.metadata["by_rule"].text


def test_the_file_has_whom_the_team_can_call_and_is_on_record(tmp_path: Path, lakehouse: Lakehouse) -> None:
    _three_days(lakehouse)
    runtime = _runtime(tmp_path, lakehouse, capacity=3)
    report = _made(runtime)
    file = _file(runtime)
    assert [row["patient_key"] for row in _exported(runtime)] == ["costly", "reviewed", "smoker"]
    first = _exported(runtime)[0]
    assert tuple(first) == HEADER
    assert (first["predicted_charges"], first["risk_score"], first["score_change"]) == ("38400.00", "96.000", "-3.000")
    assert first["reasons"] == "Smokes: +$23,900 a year; BMI 36.2 (obese): +$5,100 a year"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    digest = sha256(file.read_bytes()).hexdigest()
    assert (report.metadata["export"], report.metadata["export_sha256"]) == (str(file), digest)
    [entry] = [row for row in entries(lakehouse) if row["action"] == "exported"]
    assert (entry["subject"], entry["day"]) == ("care_management", DAY)
    assert json.loads(entry["detail"]) == {"file": file.name, "rows": 3, "sha256": digest}
    assert json.loads(entry["read"]) == {"care_management": lakehouse.version(CARE_MANAGEMENT)}
    found, unrecorded = examine(runtime)
    assert (found.faults, [text for text in unrecorded if "predictions" not in text]) == ((), [])
    # Once more, whatever the day after has brought: the same list, the same file.
    before = care_list(lakehouse, DAY)
    assert _made(runtime).metadata["export_sha256"] == digest
    assert care_list(lakehouse, DAY) == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_dagster_keeps_names_no_patient(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    _three_days(polars_lakehouse)
    report = _made(_runtime(tmp_path, polars_lakehouse, capacity=3))
    keys = {row["patient_key"] for row in care_list(polars_lakehouse, DAY)} - set(CARE_ORDER)
    first = report.metadata["first_of_the_list"].text
    assert "| 1 | high_cost | critical | 96.0 | -3.0 | $38,400 |" in first
    assert keys
    assert not any(key in repr(report.metadata) for key in keys)


@pytest.mark.parametrize("capacity", [1, 8, 1000])
def test_the_capacity_decides_how_many_are_exported(
    tmp_path: Path, polars_lakehouse: Lakehouse, capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "_EXPORTED_AT_A_TIME", 3)
    _three_days(polars_lakehouse)
    runtime = _runtime(tmp_path, polars_lakehouse, capacity=capacity)
    report = _made(runtime)
    expected = min(capacity, 8)
    assert [row["rank"] for row in _exported(runtime)] == [str(rank) for rank in range(1, expected + 1)]
    assert sum(row["within_capacity"] for row in care_list(polars_lakehouse, DAY)) == expected
    assert report.metadata["beyond_capacity"] == 8 - expected


def test_without_a_setting_the_capacity_is_the_policy_s(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    keys = [f"p{number:03}" for number in range(POLICY.care.capacity + 5)]
    predicted(polars_lakehouse, DAY, *(prediction(key, 95.0) for key in keys))
    runtime = _runtime(tmp_path, polars_lakehouse)
    assert _made(runtime).metadata["beyond_capacity"] == 5
    # Of equals the keys decide, which say nothing of anybody.
    assert [row["patient_key"] for row in _exported(runtime)] == keys[: POLICY.care.capacity]


@pytest.mark.parametrize("rows", [[], [prediction("healthy", 10.0)]], ids=["nobody", "the healthy"])
def test_a_day_on_which_nobody_needs_attention_has_a_file_without_rows(
    tmp_path: Path, lakehouse: Lakehouse, rows: list[dict[str, Any]]
) -> None:
    if rows:
        predicted(on_polars(lakehouse), DAY, *rows)
    runtime = _runtime(tmp_path, lakehouse)
    report = _made(runtime)
    assert (report.rows, report.metadata["beyond_capacity"]) == (0, 0)
    assert _file(runtime).read_text(encoding="utf-8") == ",".join(HEADER) + "\n"


def test_a_day_in_ranges_is_the_day(tmp_path: Path) -> None:
    listed = []
    for keys_at_a_time in (2_000_000, 20):
        lakehouse = PolarsLakehouse(tmp_path / str(keys_at_a_time))
        lakehouse.keys_at_a_time = keys_at_a_time
        for days_before in (0, 1, 2, 3, 8):
            predicted(
                lakehouse,
                DAY - timedelta(days=days_before),
                *(
                    prediction(sha256(str(number).encode()).hexdigest()[:32], float((number * 7 + days_before) % 101))
                    for number in range(400)
                    if days_before == 0 or number % (days_before + 3) == 0
                ),
            )
        _made(_runtime(tmp_path / "home", lakehouse))
        listed.append(care_list(lakehouse, DAY))
    assert listed[0] == listed[1] != []
    assert [row["rank"] for row in listed[0]] == list(range(1, len(listed[0]) + 1))
    by_urgency = [
        (CARE_ORDER.index(row["rule"]), -row["risk_score"], -row["predicted_charges"], row["patient_key"])
        for row in listed[0]
    ]
    assert by_urgency == sorted(by_urgency)


def test_no_more_is_looked_at_than_it_takes_to_find_the_last_scores(
    tmp_path: Path, polars_lakehouse: Lakehouse
) -> None:
    """And nothing beyond the year that is looked back on."""
    long_ago = DAY - timedelta(days=POLICY.care.look_back_days + 1)
    predicted(polars_lakehouse, long_ago, prediction("long ago", 20.0), prediction("back", 20.0))
    predicted(polars_lakehouse, DAY - timedelta(days=POLICY.care.look_back_days), prediction("back", 30.0))
    predicted(polars_lakehouse, DAY, prediction("long ago", 80.0), prediction("back", 81.0))
    _made(_runtime(tmp_path, polars_lakehouse))
    [row] = care_list(polars_lakehouse, DAY)
    assert (row["patient_key"], row["score_change"]) == ("back", 51.0)


def test_the_rules_are_the_policy_s(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    _three_days(polars_lakehouse)
    rules = CareRules(risen_points=14.0, risen_from_category="low", capacity=2)
    _made(replace_policy(_runtime(tmp_path, polars_lakehouse), rules))
    rows = {row["patient_key"]: row for row in care_list(polars_lakehouse, DAY)}
    assert rows.keys() >= {"nearly", "still low"}
    assert sum(row["within_capacity"] for row in rows.values()) == 2


def replace_policy(runtime: Runtime, rules: CareRules) -> Runtime:
    changed = replace(runtime, policy=replace(runtime.policy, care=rules))
    vars(changed)["lakehouse"] = runtime.lakehouse
    return changed


def test_what_a_writer_that_died_left_behind_goes_with_the_next_run(
    tmp_path: Path, polars_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _three_days(polars_lakehouse)
    runtime = _runtime(tmp_path, polars_lakehouse, capacity=3)
    _made(runtime)
    whole = _file(runtime).read_bytes()
    left = _file(runtime).with_name(f"{_file(runtime).name}.12345")
    left.write_text("half of a list")
    _made(runtime)
    assert [path.name for path in _file(runtime).parent.iterdir()] == [_file(runtime).name]
    # And until its replacement is whole, the file is the one before.
    monkeypatch.setattr(care_export, "cells", _failing)
    with pytest.raises(RuntimeError):
        run_step("care", runtime, day=DAY)
    assert _file(runtime).read_bytes() == whole


def _failing(rows: Any) -> Iterator[list[str]]:
    yield ["1"]
    raise RuntimeError("power cut")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, polars_lakehouse: Lakehouse) -> None:
    _three_days(polars_lakehouse)
    runtime = _runtime(tmp_path, polars_lakehouse)
    _file(runtime).mkdir(parents=True)
    with pytest.raises(LakehouseError, match=r"The export .*care_management-2026-01-09.csv cannot be written"):
        _made(runtime)


def test_a_list_that_breaks_a_rule_is_not_exported(
    tmp_path: Path, polars_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _three_days(polars_lakehouse)
    runtime = _runtime(tmp_path, polars_lakehouse)
    _made(runtime)
    monkeypatch.setattr(care_rules, "ranked", _without_first(care_rules.ranked))
    (report,) = run_step("care", runtime, day=DAY)
    assert [check.name for check in report.checks if not check.passed] == ["ranks_without_gaps"]
    assert report.metadata["export"] == "none: the list does not pass its checks"
    assert not _file(runtime).exists()


def _without_first(ranked: Any) -> Any:
    return lambda *arguments, **more: ranked(*arguments, **more).filter(nw.col("rank") > 1)
