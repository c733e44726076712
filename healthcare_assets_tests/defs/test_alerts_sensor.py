"""The alerts sensor over a real Dagster instance: runs, ticks, days."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from healthcare_assets.defs.sensors import evaluations
from healthcare_assets.defs.sensors.alerts import alerts
from healthcare_assets_tests.loopback import Answer, refusing, serving

DAILY = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-03-01", timezone="UTC")
SECRET = "Jane Doe, 123-45-6789"  # noqa: S105 - what an exception may quote


class Hospital:
    """A small graph whose days go as the test says, an instance, and whoever is on call."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.outcomes: dict[str, str] = {}
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.cursor: str | None = None
        self.skip_reason = ""
        self.definitions = self._definitions()

    def _definitions(self) -> dg.Definitions:
        @dg.multi_asset(
            specs=[dg.AssetSpec("records", partitions_def=DAILY)],
            check_specs=[
                dg.AssetCheckSpec("complete", asset="records", blocking=True, partitions_def=DAILY),
                *(dg.AssetCheckSpec(name, asset="records", partitions_def=DAILY) for name in "abcdef"),
            ],
        )
        def records(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
            outcome = self.outcomes.get(context.partition_key, "well")
            if outcome == "crash":
                raise ValueError(SECRET)
            if outcome == "refuse":
                raise dg.Failure("The file of the day is not there: deliver it.", allow_retries=False)
            bad = {"incomplete": ["complete"], "all ill": list("abcdef")}.get(outcome, [outcome])
            yield dg.MaterializeResult(
                asset_key="records",
                check_results=[
                    dg.AssetCheckResult(
                        check_name=name,
                        passed=name not in bad,
                        description=f"{name} on {context.partition_key}: {'half' if name in bad else 'all'} of them.",
                        severity=dg.AssetCheckSeverity.ERROR if name == "complete" else dg.AssetCheckSeverity.WARN,
                    )
                    for name in ("complete", *"abcdef")
                ],
            )

        @dg.asset
        def model() -> None:
            if self.outcomes.get("training") == "crash":
                raise ValueError(SECRET)

        return dg.Definitions(
            assets=[records, model],
            jobs=[
                dg.define_asset_job("nightly", dg.AssetSelection.assets("records")),
                dg.define_asset_job("training", dg.AssetSelection.assets("model")),
            ],
            sensors=[alerts],
            executor=dg.in_process_executor,
        )

    def night(self, day: str | None, outcome: str) -> None:
        """A run of the nightly job, or without a day of the training."""
        self.outcomes[day or "training"] = outcome
        job = self.definitions.resolve_job_def("nightly" if day else "training")
        job.execute_in_process(instance=self.instance, partition_key=day, raise_on_error=False)

    def tick(self) -> list[str]:
        """A tick of the sensor; returns the titles that arrived."""
        before = len(self.received)
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=self.definitions)
        result = alerts(context)
        assert isinstance(result, dg.SensorResult)
        assert isinstance(result.skip_reason, dg.SkipReason)
        self.cursor, self.skip_reason = result.cursor, result.skip_reason.skip_message or ""
        return [body["title"].removeprefix("[local] ") for body in self.received[before:]]

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if self.status == 200:
            self.received.append(body)
        return self.status, {}


@pytest.fixture
def hospital(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hospital]:
    monkeypatch.delenv("HEALTHCARE_ENV", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        hospital = Hospital(instance)
        with serving(hospital.answer) as port:
            monkeypatch.setenv("HEALTHCARE_ALERT_URLS", f"json://127.0.0.1:{port}/")
            yield hospital


def test_a_check_is_told_of_once_over_days_and_ticks(hospital: Hospital) -> None:
    assert hospital.tick() == []
    hospital.night("2026-01-05", "well")
    assert hospital.tick() == []
    hospital.night("2026-01-06", "a")
    assert hospital.tick() == ["records: a failed for 2026-01-06"]
    assert hospital.received[-1]["message"].startswith("a on 2026-01-06: half of them.\n")
    assert hospital.received[-1]["type"] == "warning"
    assert hospital.tick() == []
    hospital.night("2026-01-07", "a")
    hospital.night("2026-01-05", "well")
    assert hospital.tick() == []
    hospital.night("2026-01-07", "well")
    assert hospital.tick() == ["records: a cleared for 2026-01-07"]
    hospital.night("2026-01-04", "b")
    assert hospital.tick() == []
    assert hospital.skip_reason == "0 of 9 checks and jobs fail. Messages delivered: 0; notices waiting: 0."


def test_the_first_tick_on_an_old_instance_tells_of_the_newest_day_alone(hospital: Hospital) -> None:
    for day in range(1, 7):
        hospital.night(f"2026-01-{day:02}", "all ill")
    hospital.night("2026-01-07", "b")
    assert hospital.tick() == ["records: b failed for 2026-01-07"]
    hospital.cursor = "damaged"
    assert hospital.tick() == ["records: b failed for 2026-01-07"]


def test_many_at_once_are_a_digest(hospital: Hospital) -> None:
    hospital.night("2026-01-06", "all ill")
    assert hospital.tick() == ["6 checks failed, 0 cleared"]
    hospital.night("2026-01-07", "well")
    assert hospital.tick() == ["0 checks failed, 6 cleared"]


def test_a_failing_delivery_neither_fails_the_tick_nor_loses_the_message(hospital: Hospital) -> None:
    hospital.status = 503
    hospital.night("2026-01-06", "a")
    assert hospital.tick() == []
    assert hospital.skip_reason == (
        "1 of 9 checks and jobs fail. Messages delivered: 0; notices waiting: 1. "
        "URL 1 of HEALTHCARE_ALERT_URLS answered 503."
    )
    hospital.status = 200
    assert hospital.tick() == [], "the next attempt is a minute away"
    assert hospital.cursor is not None
    assert "127.0.0.1" not in hospital.cursor


def test_a_run_that_a_check_stops_is_told_of_as_the_check(hospital: Hospital) -> None:
    hospital.night("2026-01-06", "incomplete")
    assert hospital.tick() == ["records: complete failed for 2026-01-06"]
    assert hospital.received[-1]["type"] == "failure"


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("crash", "Step records stopped with an unexpected ValueError.\n"),
        ("refuse", "Step records: The file of the day is not there: deliver it.\n"),
    ],
)
def test_a_run_that_crashes_is_told_of_until_the_job_succeeds(hospital: Hospital, outcome: str, sentence: str) -> None:
    hospital.night("2026-01-06", outcome)
    assert hospital.tick() == ["nightly: run failed for 2026-01-06"]
    assert hospital.received[-1]["message"].startswith(sentence)
    assert SECRET not in str(hospital.received)
    assert SECRET not in str(hospital.cursor)
    hospital.night("2026-01-07", outcome)
    hospital.night("2026-01-03", "well")
    assert hospital.tick() == []
    hospital.night("2026-01-07", "well")
    assert hospital.tick() == ["nightly: run cleared for 2026-01-07"]


def test_a_job_without_days_is_told_of_too(hospital: Hospital) -> None:
    hospital.night(None, "crash")
    hospital.night("2026-01-06", "well")
    assert hospital.tick() == ["training: run failed"]
    hospital.night(None, "well")
    assert hospital.tick() == ["training: run cleared"]


def test_while_a_day_is_evaluated_again_its_last_word_stands(hospital: Hospital) -> None:
    hospital.night("2026-01-06", "a")
    hospital.tick()
    for day in ("2026-01-06", "2026-01-07"):
        job = hospital.definitions.resolve_job_def("nightly")
        hospital.instance.create_run_for_job(job, tags={"dagster/partition": day})
    assert hospital.tick() == []
    assert hospital.skip_reason.startswith("1 of 9")


def test_where_nothing_has_run_since_the_last_look_nothing_is_read(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "_OVERLAP", timedelta(0))
    hospital.night("2026-01-06", "a")
    hospital.cursor = _looked_at(datetime.now(UTC))
    assert hospital.tick() == []
    # The same look while a run is under way, which has long begun and may have evaluated its checks.
    run = hospital.instance.create_run_for_job(hospital.definitions.resolve_job_def("training"))
    hospital.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "training"), run_id=run.run_id
    )
    hospital.cursor = _looked_at(datetime.now(UTC))
    assert hospital.tick() == ["records: a failed for 2026-01-06"]


def _looked_at(moment: datetime) -> str:
    return f'{{"version":1,"looked_at":{moment.timestamp()},"checks":{{}},"recipients":{{}}}}'


def test_a_clock_that_is_set_back_holds_no_alert_up(hospital: Hospital) -> None:
    """The last look lies in the future, and so does the next attempt of what could not be delivered."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    hospital.cursor = _looked_at(tomorrow)
    hospital.night("2026-01-06", "a")
    assert hospital.tick() == ["records: a failed for 2026-01-06"]
    hospital.status = 503
    hospital.night("2026-01-07", "b")
    assert hospital.tick() == []
    hospital.status, state = 200, json.loads(str(hospital.cursor))
    state["looked_at"] = tomorrow.timestamp()
    [recipient] = state["recipients"].values()
    for attempts in recipient["waiting"].values():
        attempts[2] = tomorrow.timestamp()
    hospital.cursor = json.dumps(state)
    assert sorted(hospital.tick()) == ["records: a cleared for 2026-01-07", "records: b failed for 2026-01-07"]


def test_a_check_that_is_taken_out_of_the_graph_is_forgotten(hospital: Hospital) -> None:
    hospital.night("2026-01-06", "a")
    hospital.tick()
    hospital.definitions = dg.Definitions(sensors=[alerts])
    assert hospital.tick() == []
    assert hospital.skip_reason.startswith("0 of 0")


def test_without_a_url_the_sensor_s_log_is_told(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEALTHCARE_ALERT_URLS", " , ")
    monkeypatch.setenv("HEALTHCARE_ENV", "prod")
    hospital.night("2026-01-06", "a")
    capsys.readouterr()
    assert hospital.tick() == []
    assert "[prod] records: a failed for 2026-01-06" in capsys.readouterr().err
    assert hospital.skip_reason.startswith("1 of 9 checks and jobs fail. Messages delivered: 1;")


def test_one_of_two_urls_down(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as port, serving(hospital.answer) as other:
        urls = f"json://127.0.0.1:{port}/,json://127.0.0.1:{other}/"
        monkeypatch.setenv("HEALTHCARE_ALERT_URLS", urls)
        hospital.night("2026-01-06", "a")
        assert hospital.tick() == ["records: a failed for 2026-01-06"]
        assert "URL 1 of HEALTHCARE_ALERT_URLS could not be reached" in hospital.skip_reason
        assert hospital.tick() == []


def test_it_runs_by_itself_every_minute() -> None:
    assert alerts.minimum_interval_seconds == 60
    assert alerts.default_status == dg.DefaultSensorStatus.RUNNING


@pytest.mark.slow
def test_on_an_instance_that_keeps_a_file_a_run(hospital: Hospital, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        hospital.instance = instance
        hospital.night("2026-01-06", "a")
        hospital.night("2026-01-07", "crash")
        assert sorted(hospital.tick()) == ["nightly: run failed for 2026-01-07", "records: a failed for 2026-01-06"]
        hospital.night("2026-01-07", "well")
        assert sorted(hospital.tick()) == ["nightly: run cleared for 2026-01-07", "records: a cleared for 2026-01-07"]
