"""The whole day, from the source to the drift report, in one process and on record: a stage a line."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from healthcare_assets.steps.running import run_step
from healthcare_assets_tests.bench.bench_home import DAY, BenchHome
from healthcare_assets_tests.bench.measure import Taken, measured

STAGES = ("bronze", "silver", "dimension", "features", "scoring", "care", "monitoring")


def day(home: BenchHome, members: int, *, name: str) -> list[Taken]:
    """The stages of a day of so many records, into tables that are empty before."""
    runtime = home.runtime(name, source=home.delivery(members))
    stages = []
    for stage in STAGES:
        with measured(stage) as taken:
            run_step(stage, runtime, day=DAY)
        stages.append(taken)
    return stages


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--members", type=int, required=True)
    parser.add_argument("--name", required=True)
    given = parser.parse_args()
    found = day(BenchHome(given.folder), given.members, name=given.name)
    json.dump([asdict(taken) for taken in found], sys.stdout)
