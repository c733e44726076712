"""The learning curve: what a training takes, and how good its model is, by the number of patients that it is given.

For each number of patients every candidate is fitted once, on so many of one synthetic population (the smaller numbers
are parts of the larger ones), and judged on the same patients whom none of them has seen. So the points of a curve
differ by what was learnt alone. A fit that would take longer than `--seconds` by the one before it is left out, and
said to be.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from healthcare_assets.domain.candidates import CANDIDATES, Candidate
from healthcare_assets.domain.evaluation import judged, metrics
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.groups import groups_of
from healthcare_assets.domain.model_features import LABEL, PATIENT_KEY, design_frame, predicted_charges
from healthcare_assets.domain.synthetic import SyntheticPopulation, charges_on, members_on
from healthcare_assets.domain.tables import REGIONS, SEXES
from healthcare_assets.domain.training import _fitted, canonical_order
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.bench.bench_home import FIRST_DAY
from healthcare_assets_tests.bench.measure import Taken, markdown, measured, say

SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
HELD_OUT = 20_000
RUNS = 3
SECONDS = 60.0
_SKILLS = ("r2_charges", "mae_charges", "risk_score_r2", "risk_score_mae", "high_risk_recall", "predictive_ratio")
_POLICY = replace(POLICY, training=replace(POLICY.training, bootstrap_resamples=200))


def curves(*, sizes: Sequence[int], runs: int, seconds: float) -> dict[str, Any]:
    """By population, candidate and number of patients: seconds, and each skill with its bootstrap 95 % interval."""
    return {
        "held_out": HELD_OUT,
        "measured": "one fit on so many patients, in one process, serially; skill on the same held-out patients",
        "populations": {
            name: {
                candidate.name: _curve(candidate, patients, sizes=sizes, runs=runs, seconds=seconds)
                for candidate in CANDIDATES
            }
            for name, patients in _populations(max(sizes) + HELD_OUT).items()
        },
    }


def table(found: Mapping[str, Any]) -> str:
    """R² of the charges and the seconds of a fit as Markdown: a number of patients a line, a candidate a column."""
    return "\n\n".join(_table(name, by_candidate) for name, by_candidate in found["populations"].items())


def _table(name: str, by_candidate: Mapping[str, Mapping[str, Any]]) -> str:
    head = [f"R² of charges, {name} costs", *by_candidate]
    sizes = list(next(iter(by_candidate.values())))
    lines = [[f"{int(size):,} patients", *(_cell(points[size]) for points in by_candidate.values())] for size in sizes]
    return markdown(head, lines)


def _cell(point: Mapping[str, Any]) -> str:
    if "left_out" in point:
        return "not fitted"
    skill = point["skill"]["r2_charges"]
    return f"{skill['value']:.4f} ({skill['lower']:.3f} to {skill['upper']:.3f}), {point['wall_s']:.1f} s"


def _curve(
    candidate: Candidate, patients: pd.DataFrame, *, sizes: Sequence[int], runs: int, seconds: float
) -> dict[str, Any]:
    held_out, known = patients.iloc[:HELD_OUT], patients.iloc[HELD_OUT:]
    points: dict[str, Any] = {}
    last_s, last_size = 0.0, 1
    for size in sizes:
        if last_s * size / last_size > seconds:
            points[str(size)] = {"left_out": f"would take over {seconds:.0f} s"}
            continue
        points[str(size)] = _point(candidate, known.iloc[:size], held_out, runs=runs)
        last_s, last_size = points[str(size)]["wall_s"], size
        say(f"{candidate.name}, {size:,} patients: {last_s:.1f} s, R² {_r2(points[str(size)]):.4f}")
    return points


def _point(candidate: Candidate, rows: pd.DataFrame, held_out: pd.DataFrame, *, runs: int) -> dict[str, Any]:
    # In the order in which training has them, which shows in the last bit.
    rows = canonical_order(rows, seed=_POLICY.training.seed)
    features, charges = design_frame(rows), rows[LABEL].to_numpy(dtype=np.float64)
    taken: list[Taken] = []
    for _ in range(runs):
        with measured(candidate.name) as once:
            fitted = _fitted(candidate, features, charges, _POLICY)
        taken.append(once)
    # Halves, so that a patient's score is a percentile among others' charges.
    fold = np.arange(len(held_out), dtype=np.int64) % 2
    of_held_out = judged(
        patient_key=held_out[PATIENT_KEY].to_numpy(),
        fold=fold,
        charges=held_out[LABEL].to_numpy(dtype=np.float64),
        predicted=predicted_charges(fitted, design_frame(held_out)),
        groups=groups_of(held_out),
    )
    found = metrics(of_held_out, policy=_POLICY)
    return {
        "wall_s": statistics.median(one.wall_s for one in taken),
        "cpu_s": statistics.median(one.cpu_s for one in taken),
        "skill": {
            name: {"value": found[name].value, "lower": found[name].lower, "upper": found[name].upper}
            for name in _SKILLS
        },
    }


def _populations(count: int) -> dict[str, pd.DataFrame]:
    return {
        "demonstration": synthetic_patients(count),
        "realistic": synthetic_patients(count, realistic=True),
    }


def synthetic_patients(count: int, *, realistic: bool = False) -> pd.DataFrame:
    """So many members on the first day as training takes them, shuffled."""
    population = SyntheticPopulation(members=count, realistic=realistic)
    number = np.random.default_rng(0).permutation(population.members)
    members = members_on(population, number, first_day=FIRST_DAY, day=FIRST_DAY)
    ordinal = (FIRST_DAY - FIRST_DAY.replace(year=1970, month=1, day=1)).days
    attributes = pd.DataFrame(
        {
            PATIENT_KEY: [f"{one:032x}" for one in number],
            "age": np.minimum(np.floor(members.age_on(ordinal)).astype(np.int64), 90),
            "sex": np.asarray(SEXES)[members.sex],
            "region": np.asarray(REGIONS)[members.region],
            "bmi": members.bmi,
            "smoker": members.smoker == 1,
            "children": members.children,
        }
    )
    features = risk_features(nw.from_native(attributes).lazy()).collect().to_pandas()
    return features.assign(charges=charges_on(population, members, first_day=FIRST_DAY, day=FIRST_DAY))


def _r2(point: Mapping[str, Any]) -> float:
    return float(point["skill"]["r2_charges"]["value"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="as every part has it; nothing is written here")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="PATIENTS")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the longest that a fit may take")
    given = parser.parse_args()
    json.dump(curves(sizes=given.sizes, runs=given.runs, seconds=given.seconds), sys.stdout)
