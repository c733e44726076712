"""From an ensemble of trees to one table over the six attributes.

The cells are found by trying: every age, every number of children and one BMI between two neighbouring thresholds go
through the features' formulas and the pipeline's own preprocessing, so that no formula stands here a second time. Then
each leaf of each tree is a box of cells, to which it adds its value, tree after tree, as scikit-learn adds them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.compiled import TreeTable
from healthcare_assets.domain.features import BMI_BANDS
from healthcare_assets.domain.people import ATTRIBUTES, CATEGORIES, Integers, People, attributes_frame, design_of, grid
from healthcare_assets.policy import POLICY

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

CELLS_AT_MOST = 25_000_000
"""Some 200 MB: it is stored with the model, loaded before each scoring, and looked up at random."""

_AXES = ("age", "children", "bmi")
_TYPICAL = {"age": 40, "sex": 0, "region": 0, "bmi": 27.0, "smoker": 0, "children": 1}

_LIMITS = (*(limit for _, limit in BMI_BANDS), float(np.nextafter(BMI_BANDS[-1][1], np.inf)))
"""The least BMIs of the categories, and the least over the last limit, where obesity counts."""

_Tested = dict[tuple[int, bool], Floats]
"""By column, and whether it is rounded first, the thresholds that it is compared with anywhere, ascending."""


class NotATableError(Exception):
    """The model is no table over the attributes, or too large a one; says why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """One tree: by node the column that is asked, its threshold (at most: to the left), the children, and the value."""

    column: list[int]
    """Negative at a leaf."""
    threshold: Floats
    left: list[int]
    right: list[int]
    value: list[float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """`link(base + Σ value)`, or its mean over the trees."""

    trees: Sequence[Tree]
    base: float
    mean: bool
    exponential: bool
    single: bool
    """Whether features are rounded to single precision before they are compared."""


def tree_table(pipeline: "Pipeline") -> TreeTable:
    """The pipeline's ensemble as a table. NotATableError, with the reason, when it is none."""
    parts = _ensembles(pipeline.steps[-1][1])
    column = _bmi_column(pipeline)
    tested = _tested(parts)
    bmi_from = _bmi_boundaries(pipeline, tested, column)
    axes = {
        "age": np.arange(POLICY.ranges.age_years[1] + 1, dtype=np.float64),
        "children": np.arange(POLICY.ranges.children[1] + 1, dtype=np.float64),
        # A boundary lies in the cell above it; below the first one, its neighbour does.
        "bmi": np.concatenate([[np.nextafter(bmi_from[0], -np.inf)], bmi_from]),
    }
    regimes = [_Regime(pipeline, axes, smoker, cells) for smoker, cells in product((0, 1), _regimes(bmi_from))]
    cells = {name: _merged(regimes, tested, name) for name in ("age", "children")}
    shape = (2, *map(len, CATEGORIES.values()), *(int(c[-1]) + 1 for c in cells.values()), len(axes["bmi"]))
    if (size := int(np.prod(shape))) > CELLS_AT_MOST:
        raise NotATableError(f"it has {size:,} cells, and at most {CELLS_AT_MOST:,} are stored")
    charges = np.zeros(shape)
    for regime in regimes:
        regime.keep(cells)
        part = charges[regime.smoker, ..., regime.bmi_cells]
        for ensemble in parts:
            part += _filled(ensemble, regime, part.shape)
        part /= len(parts)
    return TreeTable(
        age_cells=cells["age"],
        children_cells=cells["children"],
        bmi_from=bmi_from,
        charges=np.maximum(charges, 0.0),
    )


class _Regime:
    """Smokers or others within a category of the BMI: here every column follows from one attribute alone."""

    def __init__(self, pipeline: "Pipeline", axes: dict[str, Floats], smoker: int, bmi_cells: slice) -> None:
        self.smoker, self.bmi_cells = smoker, bmi_cells
        typical = {**_TYPICAL, "smoker": smoker, "bmi": axes["bmi"][bmi_cells][0]}
        along = {**axes, "bmi": axes["bmi"][bmi_cells], **{name: np.arange(len(c)) for name, c in CATEGORIES.items()}}
        self.columns: dict[str, Floats] = {
            name: _transformed(pipeline, grid(**{n: values if n == name else [typical[n]] for n in ATTRIBUTES}))
            for name, values in along.items()
        }
        """By attribute, what the estimator sees of a person in whom it alone varies: (values, columns)."""
        varies = {name: (matrix != matrix[0]).any(axis=0) for name, matrix in self.columns.items()}
        self.attribute: list[str] = []
        for column in range(next(iter(self.columns.values())).shape[1]):
            on = [name for name, changed in varies.items() if changed[column]]
            if len(on) > 1:
                raise NotATableError(f"one of its features follows from {' and '.join(on)} together")
            self.attribute.append(on[0] if on else "age")

    def keep(self, cells: dict[str, Integers]) -> None:
        """Of the ages and the numbers of children, one a cell."""
        for name, of in cells.items():
            self.columns[name] = self.columns[name][np.unique(of, return_index=True)[1]]

    def passed(self, tree: Tree, column: int, node: int, *, single: bool) -> "NDArray[np.bool_]":
        """Which values of the column's attribute go to the left."""
        values = self.columns[self.attribute[column]][:, column]
        passed: NDArray[np.bool_] = _as_compared(values, single=single) <= tree.threshold[node]
        return passed


def _filled(ensemble: Ensemble, regime: _Regime, shape: tuple[int, ...]) -> Floats:
    """What the ensemble predicts in the regime: by sex, region, cells of age, children and BMI."""
    total = np.full(shape, 0.0 if ensemble.mean else ensemble.base)
    for tree in ensemble.trees:
        for value, reached in _leaves(tree, regime, single=ensemble.single):
            box = tuple(_span(reached[name]) for name in ("age", "children", "bmi"))
            for sex, region in product(np.nonzero(reached["sex"])[0], np.nonzero(reached["region"])[0]):
                total[sex, region][box] += value
    if ensemble.mean:
        total /= len(ensemble.trees)
    return np.exp(total) if ensemble.exponential else total


def _leaves(tree: Tree, regime: _Regime, *, single: bool) -> "Iterator[tuple[float, dict[str, NDArray[np.bool_]]]]":
    """Each leaf that somebody reaches: its value, and by attribute who does."""
    everybody = {name: np.ones(len(matrix), dtype=np.bool_) for name, matrix in regime.columns.items()}
    waiting = [(0, everybody)]
    while waiting:
        node, here = waiting.pop()
        column = tree.column[node]
        if column < 0:
            yield tree.value[node], here
            continue
        name, passed = regime.attribute[column], regime.passed(tree, column, node, single=single)
        for child, chosen in ((tree.right[node], ~passed), (tree.left[node], passed)):
            some = here[name] & chosen
            if some.any():
                waiting.append((child, {**here, name: some}))


def _span(chosen: "NDArray[np.bool_]") -> slice:
    """The run of cells that are chosen. Features rise or fall with an attribute, and so a leaf is a box."""
    first, last = int(chosen.argmax()), len(chosen) - int(chosen[::-1].argmax())
    if not chosen[first:last].all():
        raise NotATableError("one of its features neither rises nor falls with an attribute")
    return slice(first, last)


def _merged(regimes: Sequence[_Regime], tested: _Tested, name: str) -> Integers:
    """The cell of each value of the attribute: neighbours whom no tree anywhere tells apart share one."""
    parted: NDArray[np.bool_] = np.zeros(len(regimes[0].columns[name]) - 1, dtype=np.bool_)
    for regime, ((column, single), thresholds) in product(regimes, tested.items()):
        if regime.attribute[column] == name:
            place = np.searchsorted(
                thresholds, _as_compared(regime.columns[name][:, column], single=single), side="left"
            )
            parted |= place[1:] != place[:-1]
    return np.concatenate([[0], np.cumsum(parted)]).astype(np.int64)


def _bmi_column(pipeline: "Pipeline") -> int:
    """The column in which the estimator sees the BMI itself."""
    bmis = np.array([28.125, 28.25, 28.5])
    seen = _transformed(pipeline, grid(**{name: bmis if name == "bmi" else [_TYPICAL[name]] for name in ATTRIBUTES}))
    same = np.nonzero((seen == bmis[:, None]).all(axis=0))[0]
    if len(same) != 1:
        raise NotATableError("it does not see the BMI as it is")
    return int(same[0])


def _tested(parts: Sequence[Ensemble]) -> _Tested:
    """What the trees compare columns with."""
    found: dict[tuple[int, bool], set[float]] = {}
    for ensemble in parts:
        for tree in ensemble.trees:
            for column, threshold in zip(tree.column, tree.threshold.tolist(), strict=True):
                if column >= 0:
                    found.setdefault((column, ensemble.single), set()).add(threshold)
    return {key: np.array(sorted(thresholds)) for key, thresholds in found.items()}


def _bmi_boundaries(pipeline: "Pipeline", tested: _Tested, column: int) -> Floats:
    """Ascending: the least BMIs that a threshold, or the formula of a feature, tells from those below."""
    found, others = set(_LIMITS), {}
    for (compared, single), thresholds in tested.items():
        if compared == column:
            found.update(_first_above(thresholds, single=single).tolist())
        else:
            others[compared, single] = thresholds
    return np.array(sorted(found.union(_passed_by_formula(pipeline, others))))


def _passed_by_formula(pipeline: "Pipeline", tested: _Tested) -> Iterator[float]:
    """The least BMIs at which a feature that is made of the BMI passes a threshold.

    By halving, within a category and for smokers and others, where such a feature rises or falls all the way.
    """
    lowest, highest = POLICY.ranges.bmi
    for smoker, (first, behind) in product((0, 1), pairwise([lowest, *_LIMITS, float(np.nextafter(highest, np.inf))])):
        typical = {name: [value] for name, value in {**_TYPICAL, "smoker": smoker}.items()}
        last = float(np.nextafter(behind, -np.inf))
        ends = _transformed(pipeline, grid(**{**typical, "bmi": [first, last]}))
        for (column, single), thresholds in tested.items():
            begins, ends_at = _as_compared(ends[:, column], single=single)
            crossed = thresholds[(begins <= thresholds) != (ends_at <= thresholds)]
            below, above = np.full(len(crossed), first), np.full(len(crossed), last)
            while (np.nextafter(below, np.inf) < above).any():
                middle = below + (above - below) / 2
                values = _transformed(pipeline, grid(**{**typical, "bmi": middle}))[:, column]
                as_first = (_as_compared(values, single=single) <= crossed) == (begins <= crossed)
                below, above = np.where(as_first, middle, below), np.where(as_first, above, middle)
            yield from above.tolist()


def _first_above(thresholds: Floats, *, single: bool) -> Floats:
    """The least number of double precision that is compared as greater than each threshold."""
    if not single:
        return np.nextafter(thresholds, np.inf)
    rounded = thresholds.astype(np.float32)
    below = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(np.float32)
    above = np.nextafter(below, np.float32(np.inf)).astype(np.float64)
    middle = (below.astype(np.float64) + above) / 2  # exact; it rounds to the even one of the two
    return np.where(middle.astype(np.float32) > thresholds, middle, np.nextafter(middle, np.inf))


def _regimes(bmi_from: Floats) -> list[slice]:
    """The runs of BMI cells within which no feature jumps: each rises or falls with the BMI all the way, or stays."""
    starts = [0, *(int(np.searchsorted(bmi_from, limit)) + 1 for limit in _LIMITS), len(bmi_from) + 1]
    return [slice(start, stop) for start, stop in pairwise(starts)]


def _transformed(pipeline: "Pipeline", people: People) -> Floats:
    matrix = pipeline[:-1].transform(design_of(attributes_frame(people)))
    return np.asarray(matrix, dtype=np.float64)


def _as_compared(values: Floats, *, single: bool) -> Floats:
    return values.astype(np.float32).astype(np.float64) if single else values


def _ensembles(model: Any) -> list[Ensemble]:  # noqa: ANN401 - any estimator
    """The ensembles of which the model predicts the mean."""
    from sklearn.ensemble import (
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
        RandomForestRegressor,
        VotingRegressor,
    )

    if isinstance(model, VotingRegressor) and model.weights is None:
        return [part for estimator in model.estimators_ for part in _ensembles(estimator)]
    if isinstance(model, RandomForestRegressor):
        trees = [_plain_tree(tree.tree_, scale=1.0) for tree in model.estimators_]
        return [Ensemble(trees=trees, base=0.0, mean=True, exponential=False, single=True)]
    if isinstance(model, GradientBoostingRegressor) and hasattr(model.init_, "constant_"):
        trees = [_plain_tree(stage.tree_, scale=model.learning_rate) for stage in model.estimators_[:, 0]]
        base = float(model.init_.constant_.ravel()[0])
        return [Ensemble(trees=trees, base=base, mean=False, exponential=False, single=True)]
    if isinstance(model, HistGradientBoostingRegressor):
        trees = [_histogram_tree(stage[0].nodes) for stage in model._predictors]  # noqa: SLF001 - no public form
        base = float(np.ravel(model._baseline_prediction)[0])  # noqa: SLF001
        exponential = model.loss in ("poisson", "gamma")
        return [Ensemble(trees=trees, base=base, mean=False, exponential=exponential, single=False)]
    raise NotATableError(f"{type(model).__name__} is no ensemble of trees that is known here")


def _plain_tree(tree: Any, *, scale: float) -> Tree:  # noqa: ANN401 - Cython's own type
    leaf = tree.children_left < 0
    return Tree(
        column=np.where(leaf, -1, tree.feature).tolist(),
        threshold=tree.threshold.astype(np.float64),
        left=tree.children_left.tolist(),
        right=tree.children_right.tolist(),
        value=(tree.value[:, 0, 0] * scale).tolist(),
    )


def _histogram_tree(nodes: "NDArray[Any]") -> Tree:
    if (nodes["is_categorical"] != 0).any():
        raise NotATableError("it splits on categories")
    leaf = nodes["is_leaf"] != 0
    return Tree(
        column=np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)).tolist(),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=nodes["left"].astype(np.int64).tolist(),
        right=nodes["right"].astype(np.int64).tolist(),
        value=nodes["value"].tolist(),
    )
