"""`make bench`: measure, print tables, and write what was measured as JSON.

Each run of a day is a process of its own, so that neither memory nor caches of one size are those of another; so is
each of the other parts. The machine may be shared: figures are medians of several runs, and the runs are made in turn.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from healthcare_assets_tests.bench.bench_home import BenchHome
from healthcare_assets_tests.bench.machine import machine
from healthcare_assets_tests.bench.measure import Taken, markdown, median_of, say

SIZES = (10_000, 100_000, 1_000_000)
RUNS = 3
DAYS = "days"
PARTS = ("small_days", "scoring", "drift", "training", "dimension", "spark")
"""Besides the days: modules of this package, each of which measures by itself, prints an object as JSON, and makes a
table of it."""


def days(home: BenchHome, sizes: Sequence[int], *, runs: int) -> dict[int, list[Taken]]:
    """The stages of a whole day for each number of records."""
    found: dict[int, list[list[Taken]]] = {size: [] for size in sizes}
    for size in sizes:
        home.delivery(size)
    for run in range(runs):
        for size in sizes:
            home.say(f"a day of {size:,} records, run {run + 1} of {runs}")
            found[size].append(_day(home, size))
    return {size: median_of(repeated) for size, repeated in found.items()}


def _day(home: BenchHome, size: int) -> list[Taken]:
    name = f"day-{size}"
    stages = _answer(home, "day", "--members", str(size), "--name", name)
    shutil.rmtree(home.folder / name, ignore_errors=True)
    return [Taken(**stage) for stage in stages]


def part(home: BenchHome, name: str, *, runs: int) -> dict[str, Any]:
    """What one of `PARTS` measures."""
    home.say(f"measuring {name}")
    found: dict[str, Any] = _answer(home, name, "--runs", str(runs))
    return found


def _answer(home: BenchHome, module: str, *arguments: str) -> Any:
    """What a module of this package prints, run in a process of its own; what it says meanwhile is seen."""
    command = [sys.executable, "-W", "ignore", "-m", f"{__package__}.{module}", "--folder", str(home.folder)]
    done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Measuring {module} {' '.join(arguments)} failed: see above.")
    return json.loads(done.stdout)


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The days as Markdown: a stage a line, its seconds by size; and the memory and the records a second of all."""
    sizes = {int(size): stages for size, stages in found.items()}
    head = ["stage", *(f"{size:,} records" for size in sizes)]
    lines = [
        [stages[0]["name"], *(f"{stage['wall_s']:.2f} s" for stage in stages)]
        for stages in zip(*sizes.values(), strict=True)
    ]
    totals = {size: sum(stage["wall_s"] for stage in stages) for size, stages in sizes.items()}
    lines += [
        ["the whole day", *(f"{total:.1f} s" for total in totals.values())],
        ["processor", *(f"{sum(stage['cpu_s'] for stage in stages):.1f} s" for stages in sizes.values())],
        ["records a second", *(f"{size / total:,.0f}" for size, total in totals.items())],
        ["peak memory", *(f"{max(stage['peak_mb'] for stage in stages):,.0f} MB" for stages in sizes.values())],
    ]
    return markdown(head, lines)


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """A Markdown table for each part that is in the object of a `<date>.json`."""
    made = {DAYS: table(found[DAYS])} if DAYS in found else {}
    return made | {name: import_module(f"{__package__}.{name}").table(found[name]) for name in PARTS if name in found}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where deliveries and tables are put")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="RECORDS")
    parser.add_argument("--parts", nargs="*", default=(DAYS, *PARTS), choices=(DAYS, *PARTS))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--out", type=Path, help="the folder for <date>.json; parts that are in it already stay")
    given = parser.parse_args()

    home = BenchHome(given.folder.absolute(), say)
    found: dict[str, Any] = {}
    for name in given.parts:
        if name == DAYS:
            home.with_champion()
            measured = days(home, given.sizes, runs=given.runs)
            found[DAYS] = {str(size): [asdict(stage) for stage in stages] for size, stages in measured.items()}
        else:
            found[name] = part(home, name, runs=given.runs)
    print("\n\n".join(tables(found).values()))  # noqa: T201 - the answer of the command
    if given.out:
        say(f"written to {_written(given.out, found, runs=given.runs)}")


def _written(folder: Path, found: Mapping[str, Any], *, runs: int) -> Path:
    """The file of today's measurements, with these in the place of earlier ones of the same parts and sizes."""
    now = datetime.now(UTC)
    path = folder / f"{now:%Y-%m-%d}.json"
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts: dict[str, Any] = {**before, **found}
    if of_days := {**before.get(DAYS, {}), **found.get(DAYS, {})}:
        parts[DAYS] = dict(sorted(of_days.items(), key=lambda day: int(day[0])))
    measured = [name for name in found if name != DAYS] + [f"{DAYS} {size}" for size in found.get(DAYS, {})]
    times = {**before.get("runs", {}), **dict.fromkeys(measured, runs)}
    described = {"measured_at": now.isoformat(timespec="seconds"), "machine": machine(), "runs": times}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**parts, **described}, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
