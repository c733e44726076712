"""Drift of a million rows against a million, ten columns: this project's statistics against Evidently's on the same.

Each way is a process of its own, which starts cold, imports what it needs, reads Parquet and ends with the statistics
of every column. The columns are made by the rules of the project's own tables; five of the ten are shifted.

- `one_pass`: the training population's file is profiled, and the day's file counted on the profiles: each column of
  either is read once, the day's rows in batches;
- `saved_profile`: the profiles were written as JSON when the model was trained, and only the day's file is read;
- `evidently`: a `Report` of `DataDriftPreset`, as its documentation has it, of two pandas frames.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from healthcare_assets_tests.bench.measure import Taken, markdown, measured, peak_mb

if TYPE_CHECKING:
    import pyarrow as pa

    from healthcare_assets.domain.monitoring.findings import DriftStatistic
    from healthcare_assets.domain.monitoring.profile import Profile

ROWS = 1_000_000
RUNS = 3
NUMBERS = ("age", "bmi", "children", "smoking_impact", "health_risk_composite", "charges", "predicted_charges")
CATEGORIES = ("smoker", "sex", "region")
_BATCH_ROWS = 50_000
_BUFFER_BYTES = 64 * 1024
"""Read of a column at a time: without it a whole row group of all columns is held."""


def compared(folder: Path, *, runs: int) -> dict[str, Any]:
    """Every way of comparing the two files, in turn, `runs` times: medians; and Evidently's times as ours."""
    _make(folder)
    ways = [*_WAYS] if _evidently_version() else [name for name in _WAYS if name != "evidently"]
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name in ways:
            taken[name].append(_in_a_process(folder, name))
    found: dict[str, Any] = {
        "rows": ROWS,
        "columns": len(NUMBERS) + len(CATEGORIES),
        "measured": "work: from opening the files to the last statistic, everything imported before; process: "
        "the interpreter and all imports too; peak_mb: the largest resident set of the whole process, imports included",
        "evidently": _evidently_version() or "not available: not installed in this environment, so not compared",
        "ways": {name: _median(repeated) for name, repeated in taken.items()},
    }
    if "evidently" in ways:
        found["times_as_fast"] = {
            name: {
                part: found["ways"]["evidently"][part]["wall_s"] / found["ways"][name][part]["wall_s"]
                for part in ("work", "process")
            }
            for name in ways
            if name != "evidently"
        }
    return found


def table(found: Mapping[str, Any]) -> str:
    """What was measured as Markdown: a way a line."""
    head = ("drift, 1M × 1M rows", "wall", "processor", "whole process", "peak memory", "times as fast")
    lines = [
        (
            name.replace("_", " "),
            f"{way['work']['wall_s']:.2f} s",
            f"{way['work']['cpu_s']:.2f} s",
            f"{way['process']['wall_s']:.2f} s",
            f"{way['peak_mb']:,.0f} MB",
            f"{found['times_as_fast'][name]['work']:.0f}" if name in found.get("times_as_fast", {}) else "",
        )
        for name, way in found["ways"].items()
    ]
    if "evidently" not in found["ways"]:
        lines.append(("evidently", str(found["evidently"]), "", "", "", ""))
    return markdown(head, lines)


def one_pass(folder: Path) -> int:
    """Profile the training population, then count the day on it."""
    profiles = _profiled(folder / "reference.parquet")
    return len(_statistics(folder / "current.parquet", profiles))


def saved_profile(folder: Path) -> int:
    """Read the profiles that were saved, and count the day on them."""
    from healthcare_assets.domain.monitoring.profile import CategoricalProfile, numeric_profile_from

    saved = json.loads((folder / "profiles.json").read_text(encoding="utf-8"))
    profiles: dict[str, Profile] = {
        name: numeric_profile_from(fields) if name in NUMBERS else CategoricalProfile(**fields)
        for name, fields in saved.items()
    }
    return len(_statistics(folder / "current.parquet", profiles))


def evidently(folder: Path) -> int:
    """What a user of Evidently writes."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    reference, current = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current"))
    columns = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES))
    both = (Dataset.from_pandas(frame, data_definition=columns) for frame in (current, reference))
    return len(Report([DataDriftPreset()]).run(*both).dict()["metrics"])


_IMPORTED: Mapping[str, tuple[str, ...]] = {
    "one_pass": ("healthcare_assets.domain.monitoring.drift", "pyarrow.parquet", "pandas", "scipy.special"),
    "saved_profile": ("healthcare_assets.domain.monitoring.drift", "pyarrow.parquet", "pandas", "scipy.special"),
    "evidently": ("evidently", "evidently.presets", "pyarrow.parquet", "pandas"),
}
"""What a way imports: a process that lives longer than one comparison pays for it once."""
_WAYS: Mapping[str, Callable[[Path], int]] = {
    "one_pass": one_pass,
    "saved_profile": saved_profile,
    "evidently": evidently,
}


def _profiled(file: Path) -> "dict[str, Profile]":
    from healthcare_assets.domain.monitoring.profile import categorical_profile, numeric_profile

    profiles: dict[str, Profile] = {}
    for name in (*NUMBERS, *CATEGORIES):
        if name in NUMBERS:
            profiles[name] = numeric_profile(_numbers(file, name))
        else:
            profiles[name] = categorical_profile(_read(file, [name]).column(0).to_pandas().rename(name))
    return profiles


def _numbers(file: Path, name: str) -> Any:
    import numpy as np
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, buffer_size=_BUFFER_BYTES) as opened:
        values, filled = np.empty(opened.metadata.num_rows), 0
        for batch in opened.iter_batches(_BATCH_ROWS, columns=[name], use_threads=False):
            values[filled : filled + len(batch)] = batch.column(0).to_numpy(zero_copy_only=False)
            filled += len(batch)
    return values


def _read(file: Path, columns: list[str]) -> "pa.Table":
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, read_dictionary=list(CATEGORIES)) as opened:
        return opened.read(columns, use_threads=False)


def _statistics(file: Path, profiles: "Mapping[str, Profile]") -> "list[DriftStatistic]":
    import pyarrow as pa

    from healthcare_assets.domain.monitoring.drift import column_statistics
    from healthcare_assets.domain.monitoring.profile import added_up, counter
    from healthcare_assets.policy import POLICY

    count = counter(profiles)
    cells = added_up(pa.Table.from_batches([count(batch) for batch in _batches(file)]), profiles)
    return [
        statistic
        for name, profile in profiles.items()
        for statistic in column_statistics(name, profile, cells[name], policy=POLICY)
    ]


def _batches(file: Path) -> "Iterator[pa.RecordBatch]":
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, buffer_size=_BUFFER_BYTES) as opened:
        yield from opened.iter_batches(_BATCH_ROWS, use_threads=False)


def _make(folder: Path) -> None:
    """The two populations, and the profiles of the first as they are saved with a model."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "profiles.json").exists():
        return
    for name, shifted in (("reference", False), ("current", True)):
        pq.write_table(_population(shifted=shifted), folder / f"{name}.parquet", row_group_size=_BATCH_ROWS)
    profiles = _profiled(folder / "reference.parquet")
    text = json.dumps({name: asdict(profile) for name, profile in profiles.items()})
    (folder / "profiles.json").write_text(text, encoding="utf-8")


def _population(*, shifted: bool) -> "pa.Table":
    """Patients by the features' formulas. Shifted are BMI, charges and what follows from them, smokers and regions."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(int(shifted))
    age = random.integers(18, 91, ROWS)
    bmi = np.clip(random.normal(30.5 if shifted else 29.0, 6.0, ROWS), 12.0, 60.0)
    smoker = random.random(ROWS) < (0.26 if shifted else 0.20)
    expected = 250.0 * age + smoker * (8_000.0 + 14_000.0 * (bmi > 30))
    charges = expected * random.lognormal(0.0, 0.4, ROWS) * (1.15 if shifted else 1.0)
    age_score = 1 + sum((age >= edge).astype(np.int64) for edge in (25, 35, 50, 65))
    regions = np.array(["northeast", "northwest", "southeast", "southwest"])
    shares = [0.3, 0.2, 0.3, 0.2] if shifted else [0.25] * 4
    return pa.table(
        {
            "age": age,
            "bmi": bmi,
            "children": random.poisson(1.1, ROWS),
            "smoking_impact": age * np.where(smoker, 2.5, 1.0),
            "health_risk_composite": 20.0 * age_score + 50.0 * smoker + 30.0 * (bmi > 30),
            "charges": np.round(charges, 2),
            "predicted_charges": expected * 1.08,
            "smoker": smoker,
            "sex": np.array(["female", "male"])[random.integers(0, 2, ROWS)],
            "region": regions[random.choice(4, ROWS, p=shares)],
        }
    )


def _evidently_version() -> str | None:
    try:
        return version("evidently")
    except PackageNotFoundError:
        return None


def _in_a_process(folder: Path, way: str) -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, "--folder", str(folder), "--way", way]
    quiet = {**os.environ, "DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore"}
    with measured("process") as process:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        raise RuntimeError(f"Drift by {way} failed: {done.stderr}")
    return {**json.loads(done.stdout.splitlines()[-1]), "process": _times(process)}


def _times(taken: Taken) -> dict[str, float]:
    return {"wall_s": taken.wall_s, "cpu_s": taken.cpu_s}


def _median(repeated: list[dict[str, Any]]) -> dict[str, Any]:
    middle = {
        part: {unit: statistics.median(run[part][unit] for run in repeated) for unit in ("wall_s", "cpu_s")}
        for part in ("work", "process")
    }
    return {
        **middle,
        **{one: statistics.median(run[one] for run in repeated) for one in ("imported_mb", "peak_mb", "statistics")},
    }


def _one(folder: Path, way: str) -> dict[str, Any]:
    for name in _IMPORTED[way]:
        import_module(name)
    imported_mb = peak_mb()
    if way != "evidently":
        # Arrow's own pool keeps what was freed for the next time, which a process that ends has none of.
        import pyarrow as pa

        pa.set_memory_pool(pa.system_memory_pool())
    with measured(way) as taken:
        found = _WAYS[way](folder)
    return {
        "work": _times(taken),
        "imported_mb": imported_mb,
        "peak_mb": max(imported_mb, taken.peak_mb),
        "statistics": found,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--way", choices=_WAYS)
    given = parser.parse_args()
    place = given.folder.absolute() if given.way else given.folder.absolute() / "drift"
    json.dump(_one(place, given.way) if given.way else compared(place, runs=given.runs), sys.stdout)
