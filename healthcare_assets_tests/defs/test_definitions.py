"""The graph as Dagster sees it."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy

from healthcare_assets.definitions import defs
from healthcare_assets.domain.lineage import LINEAGE
from healthcare_assets.domain.tables import TABLES

ROOT = Path(__file__).parents[2]
DAILY = {
    "bronze_patients",
    "silver_patients",
    "quarantined_patients",
    "dim_patients",
    "risk_features",
    "predictions",
    "care_management",
    "observed_outcomes",
    "quarantined_outcomes",
    "drift_report",
    "model_performance",
    "predictions_quality_monitor",
}
MONTHLY = {"pricing_factors", "population_health"}
SCORED = {
    "bronze_patients",
    "silver_patients",
    "quarantined_patients",
    "dim_patients",
    "risk_features",
    "predictions",
    "care_management",
}
MONITORED = {
    "predictions",
    "risk_features",
    "silver_patients",
    "quarantined_patients",
    "observed_outcomes",
    "training_patients",
}
TRAINED_FROM = {"risk_features", "silver_patients", "observed_outcomes"}
GRAPH = {
    "bronze_patients": set(),
    "silver_patients": {"bronze_patients"},
    "quarantined_patients": {"bronze_patients"},
    "dim_patients": {"silver_patients"},
    "risk_features": {"dim_patients", "silver_patients"},
    "trained_model": TRAINED_FROM,
    "training_patients": TRAINED_FROM,
    "governance_verdict": {"trained_model", "training_patients"},
    "champion_history": {"trained_model", "training_patients"},
    "predictions": {"risk_features", "governance_verdict"},
    "care_management": {"predictions"},
    "observed_outcomes": {"dim_patients"},
    "quarantined_outcomes": {"dim_patients"},
    "drift_report": MONITORED,
    "model_performance": MONITORED,
    "predictions_quality_monitor": {"predictions"},
    "serving_endpoint": {"champion_history"},
    "data_retention": set(),
    "table_maintenance": {"data_retention"},
    "audit_trail": {"table_maintenance"},
    "pricing_factors": {"silver_patients", "observed_outcomes"},
    "population_health": {"silver_patients", "predictions", "observed_outcomes"},
}
CHECKS = {
    "silver_patients": {"schema_matches_contract", "no_record_lost", "quarantine_rate", "one_row_per_patient"},
    "dim_patients": {"schema_matches_contract", "one_current_record_per_patient"},
    "risk_features": {"schema_matches_contract", "feature_ranges", "one_row_per_patient"},
    "predictions": {"schema_matches_contract", "complete_predictions"},
    "care_management": {"schema_matches_contract", "one_row_per_patient", "ranks_without_gaps"},
    "observed_outcomes": {"schema_matches_contract", "no_record_lost"},
    "drift_report": {"schema_matches_contract"},
    "pricing_factors": {"schema_matches_contract", "relativities_allowed"},
    "population_health": {"schema_matches_contract", "no_small_cell_published"},
}
"""Those that stop what follows."""
WATCHING = {
    "feature_drift",
    "prediction_drift",
    "outcome_drift",
    "risk_score_error",
    "prediction_volume",
    "demographic_bias",
    "outcomes_overdue",
}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}


def test_the_graph_is_the_contract_s(specs: dict[str, dg.AssetSpec]) -> None:
    assert {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()} == GRAPH


def test_daily_assets_have_a_partition_a_day_and_models_have_none(specs: dict[str, dg.AssetSpec]) -> None:
    partitioned = {name for name, spec in specs.items() if spec.partitions_def is not None}
    assert partitioned == DAILY | MONTHLY
    keys = specs["predictions"].partitions_def
    assert isinstance(keys, dg.DailyPartitionsDefinition)
    assert keys.get_first_partition_key() == "2026-01-01"


@pytest.mark.parametrize("name", sorted(MONTHLY))
def test_a_month_is_known_by_its_first_day_and_is_there_when_it_has_ended(
    name: str, specs: dict[str, dg.AssetSpec]
) -> None:
    keys = specs[name].partitions_def
    assert isinstance(keys, dg.MonthlyPartitionsDefinition)
    with dg.partition_loading_context(datetime(2026, 3, 31, 23, 59, tzinfo=UTC)):
        assert keys.get_partition_keys() == ["2026-01-01", "2026-02-01"]


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_every_asset_says_what_it_is(name: str, specs: dict[str, dg.AssetSpec]) -> None:
    spec = specs[name]
    assert spec.description
    assert spec.group_name != "default"
    assert spec.owners
    assert spec.kinds
    assert {"patient_data", "cadence"} <= spec.tags.keys()
    assert spec.code_version
    if name in TABLES:
        schema = spec.metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == list(TABLES[name].column_names)
        for column in schema.columns:
            assert column.description
            origins = {table for table, _ in LINEAGE.get(name, {}).get(column.name, ())}
            assert all(origin in column.description for origin in origins)


def test_the_checks_of_data_block_the_others_watch_and_those_of_days_are_partitioned() -> None:
    graph = defs().resolve_asset_graph()
    blocking: dict[str, set[str]] = {}
    watching: dict[str, set[str]] = {}
    for key in graph.asset_check_keys:
        check = graph.get_check_spec(key)
        assert (check.partitions_def is None) == (key.asset_key.to_user_string() == "audit_trail")
        assert check.description
        found = blocking if check.blocking else watching
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert blocking == CHECKS
    assert watching == {"drift_report": WATCHING, "audit_trail": {"audit_chain_whole", "tables_on_record"}}


@pytest.mark.parametrize(("name", "hour"), [("daily_scoring_schedule", 2), ("daily_monitoring_schedule", 6)])
def test_a_day_that_ended_is_scored_at_two_and_monitored_at_six(name: str, hour: int) -> None:
    definitions = defs()
    schedule = definitions.resolve_schedule_def(name)
    assert schedule.cron_schedule == f"0 {hour} * * *"
    tick = schedule.evaluate_tick(
        dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 3, 2, hour, tzinfo=UTC),
            repository_def=definitions.get_repository_def(),
        )
    )
    assert [request.partition_key for request in tick.run_requests or []] == ["2026-03-01"]
    assert schedule.execution_timezone == "UTC"


def test_a_month_that_ended_is_looked_back_on_after_its_last_day_is_scored_and_monitored() -> None:
    definitions = defs()
    schedule = definitions.resolve_schedule_def("monthly_insight_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 7 1 * *", "UTC")
    tick = schedule.evaluate_tick(
        dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 3, 1, 7, tzinfo=UTC),
            repository_def=definitions.get_repository_def(),
        )
    )
    assert [request.partition_key for request in tick.run_requests or []] == ["2026-02-01"]
    insight = definitions.resolve_job_def("monthly_insight")
    assert {key.to_user_string() for key in insight.asset_layer.executable_asset_keys} == MONTHLY


def test_a_training_runs_once_a_month() -> None:
    training = defs().resolve_schedule_def("monthly_training_schedule")
    assert (training.cron_schedule, training.execution_timezone) == ("0 3 1 * *", "UTC")


def test_the_files_are_looked_after_once_a_week() -> None:
    maintenance = defs().resolve_schedule_def("weekly_maintenance_schedule")
    assert (maintenance.cron_schedule, maintenance.execution_timezone) == ("0 8 * * SUN", "UTC")


def test_predictions_and_the_care_team_s_list_are_due_at_three_and_the_drift_report_at_seven(
    specs: dict[str, dg.AssetSpec],
) -> None:
    due = {name: spec.freshness_policy for name, spec in specs.items() if spec.freshness_policy is not None}
    found = {name: policy.deadline_cron for name, policy in due.items() if isinstance(policy, CronFreshnessPolicy)}
    assert found == {
        "predictions": "0 3 * * *",
        "care_management": "0 3 * * *",
        "drift_report": "0 7 * * *",
        "model_performance": "0 7 * * *",
    }


def test_the_sensors_run_unless_somebody_stops_them() -> None:
    sensors = {sensor.name: sensor.default_status for sensor in defs().sensors or []}
    assert sensors == dict.fromkeys(("alerts", "retraining", "follow_champion"), dg.DefaultSensorStatus.RUNNING)


def test_the_daily_job_does_not_train_and_the_training_job_is_not_partitioned() -> None:
    definitions = defs()
    daily = definitions.resolve_job_def("daily_scoring")
    assert {key.to_user_string() for key in daily.asset_layer.executable_asset_keys} == SCORED
    monitoring = definitions.resolve_job_def("daily_monitoring")
    assert {key.to_user_string() for key in monitoring.asset_layer.executable_asset_keys} == DAILY - SCORED
    training = definitions.resolve_job_def("training")
    assert {key.to_user_string() for key in training.asset_layer.executable_asset_keys} == {
        "trained_model",
        "training_patients",
        "governance_verdict",
        "champion_history",
    }
    assert training.partitions_def is None


def _calls(code: str) -> int:
    """How many calls a fresh interpreter makes: what the code costs, and the same on a busy machine."""
    script = (
        "import sys\ncalls = 0\ndef count(*_):\n    global calls\n    calls += 1\n"
        f"sys.setprofile(count)\n{code}\nsys.setprofile(None)\nprint(calls)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEALTHCARE_", "DAGSTER_"))}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=environment,
        text=True,
    )
    return int(run.stdout)


def test_loading_costs_little_more_than_dagster_and_needs_no_variable() -> None:
    loading = "from healthcare_assets.definitions import defs; defs().get_repository_def()"
    assert _calls(loading) <= 1.5 * _calls("import dagster")


@pytest.mark.parametrize("environment", ["local", "prod"])
def test_loading_imports_no_engine(environment: str) -> None:
    code = (
        "from healthcare_assets.definitions import defs; defs().get_repository_def(); import sys; "
        "print(*({'mlflow', 'dagster_mlflow', 'dagster_databricks', 'pyspark', 'sklearn', 'polars', 'deltalake',"
        " 'pandas'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "HEALTHCARE_ENV": environment},
        text=True,
    )
    assert run.stdout.split() == []
