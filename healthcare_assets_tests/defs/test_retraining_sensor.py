"""The sensor that asks for a training, over days, with a real instance."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from healthcare_assets.defs.sensors.retraining import CAUSE_TAG, retraining
from healthcare_assets.domain.monitoring.retraining import MonitoredEvidence

FIRST = date(2026, 3, 1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def monitored(instance: dg.DagsterInstance, day: date, *, version: str = "1", **found: object) -> None:
    """What the monitoring step reports of a day."""
    evidence = MonitoredEvidence(
        day=day,
        monitored_at=datetime(2026, 3, 1, tzinfo=UTC),
        model_version=version,
        **{"drift": False, **found},  # type: ignore[arg-type]
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization("drift_report", partition=day.isoformat(), metadata=evidence.as_metadata())
    )


class Watch:
    """The sensor's ticks, each with the cursor of the one before."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> dg.RunRequest | str:
        """The run that is asked for, or why none is."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = retraining(context)
        if isinstance(result, dg.SkipReason):
            return str(result.skip_message)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        [request] = result.run_requests or []
        return request


def test_a_fortnight_asks_once_when_drift_lasts(instance: dg.DagsterInstance) -> None:
    watch, asked = Watch(instance), {}
    assert watch.tick() == "No day has been monitored yet."
    for number in range(14):
        day = FIRST + timedelta(days=number)
        monitored(instance, day, drift=number >= 7)
        for _ in range(3):
            if isinstance(request := watch.tick(), dg.RunRequest):
                asked[day] = request
    assert list(asked) == [FIRST + timedelta(days=8)]
    [request] = asked.values()
    assert request.run_key == "drift-version-1-2026-03-09"
    assert request.tags[CAUSE_TAG] == (
        "The data drifted from what version 1 was trained on, on 2 of the last 5 days (2026-03-08, 2026-03-09)."
    )
    assert request.tags["healthcare/retraining_kind"] == "drift"


def test_an_error_over_the_limit_asks_and_a_training_since_answers_it(instance: dg.DagsterInstance) -> None:
    monitored(instance, FIRST, matured_mae=19.5, matured_day=date(2026, 1, 10), matured_version="1")
    watch = Watch(instance)
    request = watch.tick()
    assert isinstance(request, dg.RunRequest)
    assert "19.5 points off on 2026-01-10" in request.tags[CAUSE_TAG]
    again = Watch(instance)
    instance.report_runless_asset_event(dg.AssetMaterialization("trained_model"))
    assert again.tick() == f"A model has been trained since {FIRST} was monitored."


@pytest.mark.parametrize("by", ["the training job", "the asset graph"])
def test_nothing_is_asked_for_while_a_training_is_under_way(instance: dg.DagsterInstance, by: str) -> None:
    monitored(instance, FIRST, drift=True)
    monitored(instance, FIRST + timedelta(days=1), drift=True)
    create_run_for_test(
        instance,
        job_name="training" if by == "the training job" else "__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey("trained_model")}),
    )
    assert Watch(instance).tick() == "A training is under way."


def test_a_day_monitored_again_counts_as_it_was_last(instance: dg.DagsterInstance) -> None:
    monitored(instance, FIRST, drift=True)
    monitored(instance, FIRST + timedelta(days=1), drift=True)
    monitored(instance, FIRST, drift=False)
    assert Watch(instance).tick() == f"The monitoring of {FIRST + timedelta(days=1)} gives no cause."


def test_a_backfill_of_old_days_is_no_cause(instance: dg.DagsterInstance) -> None:
    monitored(instance, FIRST + timedelta(days=20))
    for number in range(12):
        monitored(instance, FIRST + timedelta(days=number), drift=True)
    assert Watch(instance).tick() == f"The monitoring of {FIRST + timedelta(days=20)} gives no cause."


def test_a_materialisation_by_hand_without_evidence_is_no_cause_and_no_crash(instance: dg.DagsterInstance) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("drift_report", partition=FIRST.isoformat()))
    assert Watch(instance).tick() == f"The monitoring of {FIRST} gives no cause."
