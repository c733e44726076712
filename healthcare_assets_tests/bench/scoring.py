"""Rows a second that each candidate predicts: as it is scored here, by scikit-learn, and by other evaluators of it.

Every way predicts the same patients with the same fitted model, in batches as large as scoring has them, on all cores:

- `scored`: the form that travels with the model, from the batch as the table gives it (Arrow) to charges;
- `scikit-learn`: `predict` of the estimator, from its matrix. What comes before, features to matrix, is not counted;
- `ONNX Runtime`: the same by `skl2onnx`, from the matrix in single precision;
- `treelite`: its interpreter (GTIL), of those models that it can import.

The greatest relative difference from scikit-learn stands beside each.
"""

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.candidates import CANDIDATES, Candidate
from healthcare_assets.domain.compiled import differences
from healthcare_assets.domain.compiling import compile_pipeline
from healthcare_assets.domain.model_features import LABEL, design_frame, predicted_charges
from healthcare_assets.domain.people import people_of
from healthcare_assets.domain.training import _fitted, canonical_order
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.bench.measure import markdown, measured, say
from healthcare_assets_tests.bench.training import synthetic_patients

PATIENTS = 10_000
ROWS = 1_000_000
RUNS = 3
BATCH_ROWS = 50_000
SCORED, SKLEARN = "scored", "scikit-learn"
Predict = Callable[[int, int], Floats]
"""Charges of the rows from the one to before the other."""


def rates(*, patients: int, rows: int, runs: int) -> dict[str, Any]:
    """By candidate and way: rows a second, and the greatest relative difference from scikit-learn."""
    everybody = synthetic_patients(patients + rows)
    known, others = everybody.iloc[:patients], everybody.iloc[patients:]
    known = canonical_order(known, seed=POLICY.training.seed)
    return {
        "patients": patients,
        "rows": rows,
        "batch_rows": BATCH_ROWS,
        "candidates": {
            candidate.name: _of_candidate(candidate, known, others.reset_index(drop=True), runs=runs)
            for candidate in CANDIDATES
        },
    }


def table(found: Mapping[str, Any]) -> str:
    """What was measured as Markdown: a candidate a line, a way a column."""
    ways = list(dict.fromkeys(way for by_way in found["candidates"].values() for way in by_way["ways"]))
    head = [f"rows a second, {found['patients']:,} patients trained on", *ways, "times scikit-learn"]
    lines = [
        [
            candidate.replace("_", " "),
            *(_cell(by_way["ways"].get(way)) for way in ways),
            f"{by_way['ways'][SCORED]['rows_a_second'] / by_way['ways'][SKLEARN]['rows_a_second']:.0f}",
        ]
        for candidate, by_way in found["candidates"].items()
    ]
    return markdown(head, lines)


def _cell(way: Mapping[str, Any] | None) -> str:
    if way is None or "left_out" in way:
        return "–"
    thousands = f"{way['rows_a_second'] / 1000:,.0f}k"
    return thousands if way["difference"] is None else f"{thousands} ({way['difference']:.0e})"


def _of_candidate(candidate: Candidate, known: pd.DataFrame, others: pd.DataFrame, *, runs: int) -> dict[str, Any]:
    say(f"scoring by {candidate.name}")
    pipeline = _fitted(candidate, design_frame(known), known[LABEL].to_numpy(dtype=np.float64), POLICY)
    with measured("compiling") as compiling:
        compilation = compile_pipeline(pipeline, known)
    matrix = np.asarray(pipeline[:-1].transform(design_frame(others)), dtype=np.float64)
    estimator = pipeline.steps[-1][1]
    ways: dict[str, Predict | str] = {
        SCORED: _scored(pipeline, compilation.model, others),
        SKLEARN: lambda start, stop: np.maximum(estimator.predict(matrix[start:stop]), 0.0),
        **{name: _or_why(make, estimator, matrix) for name, make in _OTHERS.items()},
    }
    measurable = {name: way for name, way in ways.items() if not isinstance(way, str)}
    seconds: dict[str, list[float]] = {name: [] for name in measurable}
    charges: dict[str, Floats] = {}
    for _ in range(runs):
        for name, predict in measurable.items():
            with measured(name) as taken:
                charges[name] = _in_batches(predict, len(others))
            seconds[name].append(taken.wall_s)
    return {
        "compiled": compilation.kind,
        "compiling_s": compiling.wall_s,
        "ways": {
            name: {"left_out": way}
            if isinstance(way, str)
            else {
                "rows_a_second": len(others) / statistics.median(seconds[name]),
                "difference": None if name == SKLEARN else float(differences(charges[name], charges[SKLEARN]).max()),
            }
            for name, way in ways.items()
        },
    }


def _in_batches(predict: Predict, rows: int) -> Floats:
    return np.concatenate([predict(start, min(start + BATCH_ROWS, rows)) for start in range(0, rows, BATCH_ROWS)])


def _scored(pipeline: Any, model: Any, others: pd.DataFrame) -> Predict:
    if model is None:
        return lambda start, stop: predicted_charges(pipeline, design_frame(others.iloc[start:stop]))
    batch = pa.RecordBatch.from_pandas(others, preserve_index=False)

    def predict(start: int, stop: int) -> Floats:
        people = people_of(batch.slice(start, stop - start))
        charges: Floats = model.predict(people)
        return charges

    return predict


def _or_why(make: Callable[[Any, Any], Predict], estimator: Any, matrix: Any) -> Predict | str:
    """The way, or why it cannot be taken."""
    try:
        return make(estimator, matrix)
    except Exception as error:  # noqa: BLE001 - whatever another library raises is why it is left out
        return f"{type(error).__name__}: {error}".splitlines()[0]


def _parts(estimator: Any) -> list[tuple[Any, bool]]:
    """Of what the model predicts the mean: estimators, and whether the exponential of what they add up is meant."""
    parts = getattr(estimator, "estimators_", None) if type(estimator).__name__ == "VotingRegressor" else [estimator]
    return [(part, getattr(part, "loss", "") == "poisson") for part in parts or ()]


def _onnx(estimator: Any, exact: Floats) -> Predict:
    import onnxruntime
    from skl2onnx import to_onnx

    matrix = exact.astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # The converter leaves the logarithmic link of the Poisson loss out.
    sessions = [
        (
            onnxruntime.InferenceSession(
                to_onnx(part, matrix[:1]).SerializeToString(), options, ["CPUExecutionProvider"]
            ),
            exponential,
        )
        for part, exponential in _parts(estimator)
    ]

    def predict(start: int, stop: int) -> Floats:
        total = np.zeros(stop - start)
        for session, exponential in sessions:
            raw = session.run(None, {"X": matrix[start:stop]})[0].ravel().astype(np.float64)
            total += np.exp(raw) if exponential else raw
        return np.maximum(total / len(sessions), 0.0)

    return predict


def _treelite(estimator: Any, exact: Floats) -> Predict:
    import treelite

    models = [treelite.sklearn.import_model(part) for part, _ in _parts(estimator)]
    # Histogram boosting compares in double precision, the other two round to single precision first.
    matrix = exact if "Hist" in type(_parts(estimator)[0][0]).__name__ else exact.astype(np.float32)

    def predict(start: int, stop: int) -> Floats:
        total = np.zeros(stop - start)
        for model in models:
            total += treelite.gtil.predict(model, matrix[start:stop]).ravel().astype(np.float64)
        return np.maximum(total / len(models), 0.0)

    return predict


_OTHERS: Mapping[str, Callable[[Any, Any], Predict]] = {"ONNX Runtime": _onnx, "treelite": _treelite}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="as every part has it; nothing is written here")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    json.dump(rates(patients=given.patients, rows=given.rows, runs=given.runs), sys.stdout)
