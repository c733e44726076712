"""The day on a JVM Spark of two cores, a step a line, beside the embedded engine in the same run.

`python -m healthcare_assets_tests.bench.spark --folder DIR` prints one JSON object. Two sizes are measured on a warm
session, so that what a step costs at all and what a row costs more are told apart by the difference. What a row costs
is split in turn: what the driver's Python does for it no further machine takes over, what the JVM and its Python
workers do is spread over all cores.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from healthcare_assets.environments import EngineName
from healthcare_assets.resources.spark_session import DELTA_COORDINATES, local_spark_session
from healthcare_assets.steps.catalogue import STEPS
from healthcare_assets_tests.bench.bench_home import DAY, BenchHome
from healthcare_assets_tests.bench.day import STAGES
from healthcare_assets_tests.bench.measure import markdown, say
from healthcare_assets_tests.bench.processes import Processes

CORES = 2
SIZES = (100_000, 1_000_000)
RUNS = 3
_WARM_UP = 10_000
_MILLION = 1_000_000

Figures = Mapping[str, float]
"""Of a step: `wall_s`, and processor seconds `driver_s`, `jvm_s`, `workers_s`."""


def day(home: BenchHome, engine: EngineName, members: int) -> dict[str, Figures]:
    """A day of so many records on the engine, into tables that are empty before: its figures by step."""
    name = f"{engine}-{members}"
    runtime = home.runtime(name, source=home.delivery(members))
    runtime = replace(runtime, settings=replace(runtime.settings, engine=engine))
    processes = Processes()
    found: dict[str, Figures] = {}
    for step in STAGES:
        run = import_module(STEPS[step].module).run
        before, began = processes.spent(), time.perf_counter()
        with processes.watched():
            run(runtime, DAY)
        wall, taken = time.perf_counter() - began, processes.spent().since(before)
        found[step] = {"wall_s": wall, "driver_s": taken.driver, "jvm_s": taken.jvm, "workers_s": taken.workers}
    for table in (home.folder / name / "lakehouse").glob("[!.]*"):  # what Spark has staged it removes at the end
        shutil.rmtree(table)
    return found


def measurements(home: BenchHome, sizes: tuple[int, int], *, runs: int) -> dict[str, Any]:
    """Days of both sizes on both engines in turn: medians of the runs, and what follows from the two sizes."""
    home.with_champion()
    local_spark_session({"spark.master": f"local[{CORES}]"})
    days: dict[tuple[EngineName, int], list[dict[str, Figures]]] = {}
    engines: tuple[EngineName, ...] = ("spark", "polars")
    for engine in engines:
        day(home, engine, _WARM_UP)
    busy = [os.getloadavg()[0]]
    for run in range(runs):
        for size in sizes:
            for engine in engines:
                home.say(f"a day of {size:,} records on {engine}, run {run + 1} of {runs}")
                days.setdefault((engine, size), []).append(day(home, engine, size))
        busy.append(os.getloadavg()[0])
    medians = {key: _medians(repeated) for key, repeated in days.items()}
    return {
        "cores": CORES,
        "runs": runs,
        "sizes": list(sizes),
        "pyspark": version("pyspark"),
        "delta": DELTA_COORDINATES.rpartition(":")[2],
        "load_average": busy,
        "steps": {
            step: {
                "spark": {str(size): medians["spark", size][step] for size in sizes},
                "polars": {str(size): medians["polars", size][step] for size in sizes},
                **_cost({engine: [medians[engine, size][step] for size in sizes] for engine in engines}, sizes),
            }
            for step in STAGES
        },
    }


def _medians(repeated: Sequence[Mapping[str, Figures]]) -> dict[str, Figures]:
    return {
        step: {name: statistics.median(day[step][name] for day in repeated) for name in figures}
        for step, figures in repeated[0].items()
    }


def _cost(days: Mapping[str, Sequence[Figures]], sizes: tuple[int, int]) -> dict[str, Any]:
    """The step's cost on Spark, what is fixed apart from what a row adds; and the engines beside each other."""
    small, large = days["spark"]
    millions = (sizes[1] - sizes[0]) / _MILLION
    driver = max(0.0, large["driver_s"] - small["driver_s"]) / millions
    spread = max(0.0, _spread(large) - _spread(small)) / millions
    wall = max(0.0, large["wall_s"] - small["wall_s"]) / millions
    embedded_small, embedded_large = (figures["driver_s"] for figures in days["polars"])
    embedded = max(0.0, embedded_large - embedded_small) / millions
    return {
        "fixed_s": max(0.0, small["wall_s"] - wall * sizes[0] / _MILLION),
        "wall_s_a_million": wall,
        "driver_s_a_million": driver,
        "spread_s_a_million": spread,
        "rows_a_second_a_core": None if wall == 0 else _MILLION / (wall * CORES),
        "processor_beside_embedded": None if embedded == 0 else (driver + spread) / embedded,
        "wall_beside_embedded": large["wall_s"] / days["polars"][1]["wall_s"],
    }


def _spread(figures: Figures) -> float:
    return figures["jvm_s"] + figures["workers_s"]


def table(found: Mapping[str, Any]) -> str:
    """What `measurements` found as Markdown, a step a line."""
    large = str(found["sizes"][1])
    head = [
        "step on Spark",
        f"{int(large):,} records",
        "fixed",
        "rows a second a core",
        "driver a million",
        "spread a million, s",
        "processor, times the embedded engine's",
    ]
    lines = [
        [
            step,
            f"{cost['spark'][large]['wall_s']:.1f} s",
            f"{cost['fixed_s']:.1f} s",
            _shown(cost["rows_a_second_a_core"], ",.0f"),
            f"{cost['driver_s_a_million']:.1f} s",
            _shown(cost["spread_s_a_million"], ".1f"),
            _shown(cost["processor_beside_embedded"], ".1f"),
        ]
        for step, cost in found["steps"].items()
    ]
    return markdown(head, lines)


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where deliveries and tables are put")
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, metavar="RECORDS")
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()

    small, large = sorted(given.sizes)
    found = measurements(BenchHome(given.folder.absolute(), say), (small, large), runs=given.runs)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
