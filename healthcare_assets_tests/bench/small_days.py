"""Small days: what is spent that does not depend on how many records there are.

- `day`: a day of 500 records through the jobs `daily_scoring` and `daily_monitoring`, in one process, on Dagster's own
  storage, after the definitions are loaded. `first` is the first day of the process, which imports what the steps need,
  `next` the day after it in the same process, and `in_memory` that day again with Dagster's storage in memory. What an
  asset costs beyond its step is the time of the jobs without the time inside the steps' functions, by materialised
  asset.
- `definitions`: loading the code location against a bare `import dagster`, in fresh processes: calls of functions,
  which are the same on a busy machine, and seconds.
- `make_run`: what `make run` does after set-up, into an empty folder.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from healthcare_assets_tests.bench.bench_home import DAY, FIRST_DAY, BenchHome
from healthcare_assets_tests.bench.measure import Taken, markdown, measured

RECORDS = 500
RUNS = 3
_TRAINED_ON = 2_000
_DAYS = ("first", "next", "in_memory")
_JOBS = ("daily_scoring", "daily_monitoring")
_LOADED = "from healthcare_assets.definitions import defs; defs().get_repository_def()"
_COUNTING = "import sys\ncalls = 0\ndef count(*_):\n global calls\n calls += 1\nsys.setprofile(count)\n{code}\n"
_COUNTED = "sys.setprofile(None)\nprint(calls)"


def small_days(folder: Path, *, runs: int) -> dict[str, Any]:
    """The three measurements; medians of `runs` processes, and ratios of what was run in turn."""
    home = folder / "small-days"
    shutil.rmtree(home, ignore_errors=True)
    deliveries = BenchHome(folder)
    days = (DAY, DAY + timedelta(days=1))
    trained_from, source = deliveries.delivery(_TRAINED_ON, day=FIRST_DAY), deliveries.delivery(RECORDS, day=days[0])
    deliveries.delivery(RECORDS, day=days[1])
    _own("--prepare", home, trained_from)
    found = [json.loads(_own("--day", home, source)) for _ in range(runs)]
    return {
        "records": RECORDS,
        "day": {which: _middle([one[which] for one in found]) for which in _DAYS},
        "steps": {
            which: {
                step: statistics.median(one["steps"][which][step] for one in found) for step in found[0]["steps"][which]
            }
            for which in _DAYS
        },
        "definitions": _definitions(runs),
        "make_run": _make_run(folder / "make-run", runs=runs),
    }


def table(found: Mapping[str, Any]) -> str:
    """What was measured as Markdown."""
    days, loading = found["day"], found["definitions"]
    lines = [
        (f"a day of {found['records']} records, the first of a process", f"{days['first']['wall_s']:.2f} s"),
        ("of which the job `daily_scoring`", f"{days['first']['daily_scoring_s']:.2f} s"),
        ("the next day in the same process", f"{days['next']['wall_s']:.2f} s"),
        ("of which the job `daily_scoring`", f"{days['next']['daily_scoring_s']:.2f} s"),
        ("an asset beyond its step", f"{days['in_memory']['beyond_the_step_ms_an_asset']:.0f} ms"),
        ("the same with its events in Dagster's SQLite", f"{days['next']['beyond_the_step_ms_an_asset']:.0f} ms"),
        ("loading the definitions ÷ `import dagster`, in calls", f"{loading['calls_ratio']:.2f}"),
        ("the same in seconds", f"{loading['wall_ratio']:.2f}"),
        ("`make run` after set-up", f"{found['make_run']['wall_s']:.0f} s"),
    ]
    return markdown(("small days", "figure"), lines)


def _definitions(runs: int) -> dict[str, float]:
    codes = {"definitions": _LOADED, "dagster": "import dagster"}
    walls: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(max(runs, 3)):
        for name, code in codes.items():
            with measured(name) as taken:
                _python("-c", code)
            walls[name].append(taken.wall_s)
    calls = {name: int(_python("-c", _COUNTING.format(code=code) + _COUNTED)) for name, code in codes.items()}
    wall = {name: statistics.median(taken) for name, taken in walls.items()}
    return {
        "definitions_s": wall["definitions"],
        "dagster_s": wall["dagster"],
        "wall_ratio": wall["definitions"] / wall["dagster"],
        "calls_ratio": calls["definitions"] / calls["dagster"],
    }


def _make_run(home: Path, *, runs: int) -> dict[str, float]:
    taken: list[Taken] = []
    for _ in range(runs):
        shutil.rmtree(home, ignore_errors=True)
        with measured("make run") as once:
            _python("-m", "healthcare_assets", HEALTHCARE_HOME=str(home), DAGSTER_HOME=str(home / "dagster"))
        taken.append(once)
    shutil.rmtree(home, ignore_errors=True)
    return {unit: statistics.median(getattr(one, unit) for one in taken) for unit in ("wall_s", "cpu_s")}


def _own(what: str, home: Path, source: str) -> str:
    places = {"HEALTHCARE_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"), "HEALTHCARE_SOURCE": source}
    return _python("-m", __spec__.name, "--folder", str(home), what, **places).splitlines()[-1]


def _python(*arguments: str, **variables: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HEALTHCARE_", "DAGSTER_"))}
    quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DAGSTER_DISABLE_TELEMETRY": "yes"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **quiet, **variables},
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed: {done.stderr or done.stdout}")
    return done.stdout or "\n"


def _middle(repeated: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in repeated) for name in repeated[0]}


def _prepare() -> None:
    """A champion, and Dagster's storage, in the home that the environment names."""
    from healthcare_assets.dagster_home import prepare
    from healthcare_assets.definitions import defs
    from healthcare_assets.environments import settings_from

    prepare(settings_from())
    _ran(defs(), "daily_patients", FIRST_DAY.isoformat())
    _ran(defs(), "training", None)


def _ran(definitions: Any, job: str, day: str | None, *, in_memory: bool = False) -> int:
    """Run the job; returns how many assets it materialised."""
    import dagster as dg

    storage = dg.DagsterInstance.ephemeral if in_memory else dg.DagsterInstance.get
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with storage() as instance:
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance, partition_key=day, run_config=quiet
        )
    return len(result.get_asset_materialization_events())


def _day() -> dict[str, Any]:
    """Two days after each other, and the seconds inside each step."""
    from healthcare_assets.definitions import defs
    from healthcare_assets.steps import running

    definitions = defs()
    definitions.get_repository_def()
    inside: dict[str, float] = {}
    inside_cpu: dict[str, float] = {}
    run_step = running.run_step

    def timed(name: str, runtime: Any, *, day: Any) -> Any:
        began, began_cpu = time.perf_counter(), time.process_time()
        try:
            return run_step(name, runtime, day=day)
        finally:
            inside[name] = time.perf_counter() - began
            inside_cpu[name] = time.process_time() - began_cpu

    running.run_step = timed
    found: dict[str, Any] = {"steps": {}}
    for which in _DAYS:
        day = (DAY if which == "first" else DAY + timedelta(days=1)).isoformat()
        inside.clear()
        with measured(which) as taken:
            job_seconds, assets = dict[str, float](), 0
            for job in _JOBS:
                began = time.perf_counter()
                assets += _ran(definitions, job, day, in_memory=which == "in_memory")
                job_seconds[job] = time.perf_counter() - began
        beyond = taken.wall_s - sum(inside.values())
        found[which] = {
            "wall_s": taken.wall_s,
            **{f"{job}_s": seconds for job, seconds in job_seconds.items()},
            "cpu_s": taken.cpu_s,
            "assets": assets,
            "beyond_the_steps_s": beyond,
            "beyond_the_step_ms_an_asset": 1000.0 * beyond / assets,
            "beyond_the_step_cpu_ms_an_asset": 1000.0 * (taken.cpu_s - sum(inside_cpu.values())) / assets,
        }
        found["steps"][which] = dict(inside)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--day", action="store_true")
    given = parser.parse_args()
    if given.prepare:
        _prepare()
    else:
        json.dump(_day() if given.day else small_days(given.folder.absolute(), runs=given.runs), sys.stdout)
