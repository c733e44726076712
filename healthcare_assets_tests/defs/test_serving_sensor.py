"""The endpoint follows the champion."""

import dagster as dg

from healthcare_assets.definitions import defs
from healthcare_assets.defs.sensors.serving import follow_champion


def _asked(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[list[dg.RunRequest], str | None]:
    with dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs()) as context:
        told = follow_champion.evaluate_tick(context)
        return list(told.run_requests or []), told.cursor


def test_the_endpoint_is_asked_to_follow_once_each_time_that_the_champion_has_moved() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert _asked(instance)[0] == []
        instance.report_runless_asset_event(dg.AssetMaterialization("champion_history"))
        first, cursor = _asked(instance)
        assert len(first) == 1
        assert _asked(instance, cursor)[0] == []
        instance.report_runless_asset_event(dg.AssetMaterialization("champion_history"))
        second, _ = _asked(instance, cursor)
        assert len(second) == 1
        assert second[0].run_key != first[0].run_key


def test_what_it_asks_for_is_the_endpoint_and_nothing_else() -> None:
    job = defs().resolve_job_def("serving")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {"serving_endpoint"}
