"""`make bench`: measure, print a table, and write what was measured as JSON.

Each run of a day is a process of its own, so that neither memory nor caches of one size are those of another. The
machine may be shared: figures are medians of several runs, and the runs are made in turn.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from healthcare_assets_tests.bench.bench_home import BenchHome
from healthcare_assets_tests.bench.machine import machine
from healthcare_assets_tests.bench.measure import Taken, median_of

SIZES = (10_000, 100_000, 1_000_000)
RUNS = 3


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
    command = ["-m", "healthcare_assets_tests.bench.day", "--folder", str(home.folder), "--members", str(size)]
    done = subprocess.run([sys.executable, *command, "--name", name], capture_output=True, text=True, check=False)
    shutil.rmtree(home.folder / name, ignore_errors=True)
    if done.returncode:
        raise RuntimeError(f"The day of {size:,} records failed: {done.stderr}")
    return [Taken(**stage) for stage in json.loads(done.stdout)]


def table(measured: Mapping[int, Sequence[Taken]]) -> str:
    """The days as Markdown: a stage a line, its seconds by size; and the memory and the records a second of all."""
    sizes = list(measured)
    head = ["stage", *(f"{size:,} records" for size in sizes)]
    lines = [
        [stages[0].name, *(f"{stage.wall_s:.2f} s" for stage in stages)]
        for stages in zip(*measured.values(), strict=True)
    ]
    totals = {size: sum(stage.wall_s for stage in measured[size]) for size in sizes}
    lines += [
        ["the whole day", *(f"{totals[size]:.1f} s" for size in sizes)],
        ["processor", *(f"{sum(stage.cpu_s for stage in measured[size]):.1f} s" for size in sizes)],
        ["records a second", *(f"{size / totals[size]:,.0f}" for size in sizes)],
        ["peak memory", *(f"{max(stage.peak_mb for stage in measured[size]):,.0f} MB" for size in sizes)],
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where deliveries and tables are put")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="RECORDS")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--out", type=Path, help="the folder for <date>.json")
    given = parser.parse_args()

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - how far it is

    home = BenchHome(given.folder.absolute(), say)
    home.with_champion()
    measured = days(home, given.sizes, runs=given.runs)
    print(table(measured))  # noqa: T201 - the answer of the command
    if given.out:
        now = datetime.now(UTC)
        found = {
            "measured_at": now.isoformat(timespec="seconds"),
            "machine": machine(),
            "runs": given.runs,
            "days": {str(size): [asdict(stage) for stage in stages] for size, stages in measured.items()},
        }
        given.out.mkdir(parents=True, exist_ok=True)
        path = given.out / f"{now:%Y-%m-%d}.json"
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        say(f"written to {path}")


if __name__ == "__main__":
    main()
