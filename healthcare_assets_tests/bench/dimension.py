"""A day of changes into a large dimension: how long it takes, and which files it touches."""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

from healthcare_assets.domain.key_ranges import KEY
from healthcare_assets.domain.sampling import scattered_numbers
from healthcare_assets.domain.tables import DIM_PATIENTS, REGIONS, SEXES, SILVER_PATIENTS
from healthcare_assets.steps import dimension
from healthcare_assets.steps.runtime import Runtime, ranges_of
from healthcare_assets_tests.bench.bench_home import FIRST_DAY, BenchHome
from healthcare_assets_tests.bench.measure import Taken, markdown, measured, median_of

PATIENTS, CHANGES, RUNS = 10_000_000, 100_000, 3
_AT_A_TIME = 1_000_000


def dimension_of_changes(home: BenchHome, *, patients: int, changes: int, runs: int) -> dict[str, Any]:
    """A day of so many changed patients, and a day of all patients of whom so many changed, into all patients' table.

    Each run is a day of its own: the dimension grows by the changes.
    """
    runtime = home.runtime("dimension", source="nothing")
    home.say(f"making a dimension of {patients:,} patients")
    _deliver(runtime, FIRST_DAY, patients, None)
    dimension.run(runtime, FIRST_DAY)
    taken: dict[str, list[list[Taken]]] = {"changes alone": [], "everybody": []}
    files: dict[str, list[Mapping[str, int]]] = {name: [] for name in taken}
    for run in range(runs):
        for number, name in enumerate(taken, start=1):
            day = FIRST_DAY + timedelta(days=2 * run + number)
            home.say(f"{name}, run {run + 1} of {runs}")
            first = (2 * run + number) * changes % patients
            changed = range(first, first + changes)
            _deliver(runtime, day, patients, changed, alone=name == "changes alone")
            before = _files(runtime)
            with measured(name) as stage:
                dimension.run(runtime, day)
            after = _files(runtime)
            taken[name].append([stage])
            files[name].append({"files": len(before), "written_anew": len(before - after)})
    shutil.rmtree(home.folder / "dimension")
    return {
        "patients": patients,
        "changes": changes,
        "runs": runs,
        "days": {name: asdict(median_of(stages)[0]) | dict(files[name][-1]) for name, stages in taken.items()},
    }


def table(found: Mapping[str, Any]) -> str:
    """What the days took, as Markdown."""
    head = (f"{found['changes']:,} changes into {found['patients']:,} patients", "time", "processor", "memory", "files")
    lines = [
        (
            name,
            f"{day['wall_s']:.1f} s",
            f"{day['cpu_s']:.1f} s",
            f"{day['peak_mb']:,.0f} MB",
            f"{day['written_anew']} of {day['files']}",
        )
        for name, day in found["days"].items()
    ]
    return markdown(head, lines)


def _deliver(
    runtime: Runtime,
    day: date,
    patients: int,
    changed: range | None,
    *,
    alone: bool = False,
) -> None:
    """The day's silver patients: everybody, or those alone who changed; each has a body-mass index of the day's own."""
    numbers = changed if alone and changed is not None else range(patients)
    frames = [
        _silver(np.arange(start, min(start + _AT_A_TIME, numbers.stop)), changed)
        for start in range(numbers.start, numbers.stop, _AT_A_TIME)
    ]
    lakehouse = runtime.lakehouse
    whole = nw.concat(frames)
    lakehouse.replace_day(SILVER_PATIENTS, day, *lakehouse.divided(whole, ranges_of(lakehouse, whole)))


def _silver(numbers: "np.typing.NDArray[np.int64]", changed: range | None) -> nw.LazyFrame[Any]:
    """Patients by number: keys spread evenly, as pseudonyms are, and attributes that follow from the number."""
    number = pl.col("number")
    new = pl.lit(False) if changed is None else number.is_between(changed.start, changed.stop, closed="left")
    frame = pl.LazyFrame({"number": numbers, KEY: _keys(numbers)}).select(
        KEY,
        (number % 73 + 18).alias("age"),
        pl.lit(SEXES[0]).alias("sex"),
        pl.lit(REGIONS[0]).alias("region"),
        (number % 200 / 10 + 18 + pl.when(new).then(0.05).otherwise(0.0)).alias("bmi"),
        (number % 5 == 0).alias("smoker"),
        (number % 4).alias("children"),
        (number % 40_000).cast(pl.Float64).alias("charges"),
        pl.lit("silver").alias("insurance_plan"),
        pl.lit(2020, pl.Int64).alias("coverage_start_year"),
        pl.lit("021").alias("zip3"),
        pl.lit(100.0).alias("data_quality_score"),
        pl.lit(True).alias("hipaa_deidentified"),
        pl.lit(1, pl.Int64).alias("source_records"),
    )
    return nw.from_native(frame)


def _keys(numbers: "np.typing.NDArray[np.int64]") -> pl.Series:
    """For each number 32 hexadecimal digits of a hash of it."""
    high = scattered_numbers(numbers.astype(np.uint64))
    digests = np.stack([high, scattered_numbers(high)], axis=1)
    binary = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(digests))]
    )
    keys = pl.from_arrow(binary.cast(pa.binary()))
    assert isinstance(keys, pl.Series)
    return keys.bin.encode("hex")


def _files(runtime: Runtime) -> frozenset[str]:
    return frozenset(DeltaTable(runtime.lakehouse.location(DIM_PATIENTS)).file_uris())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    home = BenchHome(given.folder.absolute(), lambda sentence: print(sentence, file=sys.stderr, flush=True))  # noqa: T201
    found = dimension_of_changes(home, patients=given.patients, changes=given.changes, runs=given.runs)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
