"""The tags by which assets are found: what patient data they hold, and how often they are made."""

from collections.abc import Mapping

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets.defs.jobs import serving
from healthcare_assets.domain.retention import days_kept
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.policy import POLICY

CADENCES: Mapping[str, str] = {"* * *": "daily", "1 * *": "monthly", "* * SUN": "weekly"}
"""By the last three fields of a schedule's cron: day of the month, month, day of the week."""


@pytest.fixture(scope="module")
def tags() -> dict[str, Mapping[str, str]]:
    return {spec.key.to_user_string(): spec.tags for spec in defs().resolve_all_asset_specs()}


def test_only_what_is_delivered_is_phi_and_patients_rows_are_known_as_such(tags: dict[str, Mapping[str, str]]) -> None:
    by_data: dict[str, set[str]] = {}
    for name, found in tags.items():
        by_data.setdefault(found["patient_data"], set()).add(name)
    assert by_data["phi"] == {"bronze_patients"}
    rules = POLICY.retention
    kept_as_patients = {name for name, table in TABLES.items() if days_kept(table, rules) == rules.patients}
    assert by_data["de_identified"] == kept_as_patients
    assert by_data["no_patient_rows"] == tags.keys() - {"bronze_patients"} - kept_as_patients


def test_an_asset_s_cadence_is_that_of_the_schedule_that_makes_it(tags: dict[str, Mapping[str, str]]) -> None:
    definitions = defs()
    scheduled: dict[str, str] = {}
    for schedule in definitions.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert isinstance(schedule.cron_schedule, str)
        cadence = CADENCES[schedule.cron_schedule.split(maxsplit=2)[2]]
        scheduled |= dict.fromkeys(_assets_of(schedule.job_name), cadence)
    assert scheduled | dict.fromkeys(_assets_of(serving.name), "on_promotion") == {
        name: found["cadence"] for name, found in tags.items()
    }


def _assets_of(job: str) -> list[str]:
    layer = defs().resolve_job_def(job).asset_layer
    return [key.to_user_string() for key in layer.executable_asset_keys]
