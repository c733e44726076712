"""The page on scaling says what its own measurement and formula give."""

import json
from dataclasses import replace

import pytest

from healthcare_assets.compute import WarmCluster
from healthcare_assets.environments import ENVIRONMENTS
from healthcare_assets_tests.bench.scaling import (
    PAGE,
    Assumptions,
    computed,
    core_seconds,
    day_estimate,
    newest_measurement,
    page_with,
    step_seconds,
)

COST = {"fixed_s": 10.0, "wall_s_a_million": 22.0, "driver_s_a_million": 2.0, "rows_a_second_a_core": 22_727.3}
GIVEN = Assumptions(workers=4, cores_a_node=5, core_speed=1.0, efficiency=0.5, start_s=60)


def test_the_page_agrees_with_the_newest_measurement() -> None:
    newest = newest_measurement()
    if newest is None:
        pytest.skip("no measurement of Spark is committed")
    page = PAGE.read_text(encoding="utf-8")
    again = f"run `python -m healthcare_assets_tests.bench.scaling {newest.name}` from docs/benchmarks"
    assert page == page_with(page, computed(json.loads(newest.read_text(encoding="utf-8")))), again


def test_a_step_is_its_fixed_part_the_drivers_and_the_cores() -> None:
    # Of 22 s a million on 2 cores the driver takes 2 s; the rest holds both: 40 s of a core, over 20 cores at half.
    assert core_seconds(COST, cores=2) == 40
    assert step_seconds(COST, members=3_000_000, cores=2, given=GIVEN) == pytest.approx(10 + 3 * (2 + 4))


def test_more_workers_help_all_but_the_driver() -> None:
    many = replace(GIVEN, workers=4_000_000)
    assert step_seconds(COST, members=3_000_000, cores=2, given=many) == pytest.approx(10 + 3 * 2, abs=0.01)


def test_a_core_of_half_the_speed_takes_twice_the_time() -> None:
    slow = replace(GIVEN, core_speed=0.5)
    assert step_seconds(COST, members=3_000_000, cores=2, given=slow) == pytest.approx(2 * (10 + 3 * (2 + 4)))


def test_units_are_counted_while_it_works_and_machines_from_their_start() -> None:
    given = replace(GIVEN, dbu_a_node_hour=2.0, dollars_a_dbu=0.5, dollars_a_node_hour=1.0)
    estimate = day_estimate({"cores": 2, "steps": {"silver": COST}}, members=3_000_000, given=given)
    assert estimate.seconds == pytest.approx(28 + 60)
    assert estimate.dbu == pytest.approx(28 / 3600 * 5 * 2)
    assert estimate.dollars == pytest.approx(28 / 3600 * 5 * 2 * 0.5 + 88 / 3600 * 5)


def test_the_assumed_cluster_is_prods() -> None:
    workspace = ENVIRONMENTS["prod"].workspace
    assert workspace is not None
    compute = workspace.compute["daily"]
    assert isinstance(compute, WarmCluster)
    assert (compute.shape.max_workers, compute.shape.node_type) == (Assumptions().workers, "m6id.2xlarge")
