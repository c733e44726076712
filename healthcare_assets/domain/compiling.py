"""Compiling a trained model: found out by trying, verified against the model itself, or left out with the reason."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthcare_assets.domain.compiled import (
    DIFFERENCE_AT_MOST,
    TERMS,
    CompiledModel,
    Polynomials,
    TreeTable,
    differences,
    terms,
)
from healthcare_assets.domain.compiling_trees import NotATableError, tree_table
from healthcare_assets.domain.features import BMI_BANDS
from healthcare_assets.domain.model_features import design_frame, has_log_link, linear_scores, predicted_charges
from healthcare_assets.domain.people import CATEGORIES, attributes_frame, design_of, grid, people_of
from healthcare_assets.policy import POLICY

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True, eq=False)
class Compilation:
    """A compiled model that was verified, or why there is none."""

    model: CompiledModel | None
    kind: str
    """In words: what it is, or why there is none."""
    difference: float | None
    """The greatest relative difference of the charges that it and the pipeline predict; None without a model."""


def compile_pipeline(pipeline: "Pipeline", verify_on: pd.DataFrame) -> Compilation:
    """The pipeline's compiled form, when it has one that predicts what the pipeline does for all of `verify_on`.

    `verify_on` has the model features of one person or more, all of whom are to be predicted again: the patients that
    the model was fitted on, and made-up ones.
    """
    from sklearn.linear_model import TweedieRegressor

    try:
        is_glm = isinstance(pipeline.steps[-1][1], TweedieRegressor)
        model: TreeTable | Polynomials = _polynomials(pipeline) if is_glm else tree_table(pipeline)
    except NotATableError as error:
        return Compilation(model=None, kind=f"none: {error}", difference=None)
    expected = predicted_charges(pipeline, design_frame(verify_on))
    difference = float(differences(model.predict(people_of(verify_on)), expected).max())
    if not difference <= DIFFERENCE_AT_MOST:
        reason = f"none: its predictions would differ by {difference:.1g} of their amount"
        return Compilation(model=None, kind=reason, difference=None)
    return Compilation(model=model, kind=_in_words(model), difference=difference)


def _polynomials(pipeline: "Pipeline") -> Polynomials:
    """By the score of 27 people in each combination of categories, and least squares: ten coefficients each."""
    ages, children = (0, 45, 90), (0, 2, 5)
    limits = [POLICY.ranges.bmi[0], *(limit for _, limit in BMI_BANDS), POLICY.ranges.bmi[1]]
    sizes = tuple(map(len, CATEGORIES.values()))
    coefficients = np.empty((2, *sizes, len(limits) - 1, TERMS))
    for position in np.ndindex(coefficients.shape[:-1]):
        smoker, sex, region, category = position
        low, high = limits[category], limits[category + 1]
        bmis = [low, (low + high) / 2, float(np.nextafter(high, low))]
        some = grid(age=ages, sex=[sex], region=[region], bmi=bmis, smoker=[smoker], children=children)
        scores = linear_scores(pipeline, design_of(attributes_frame(some)))
        matrix = np.column_stack(terms(some.age, some.bmi, some.children))
        coefficients[position] = np.linalg.lstsq(matrix, scores, rcond=None)[0]
    return Polynomials(coefficients=coefficients, log_link=has_log_link(pipeline))


def _in_words(model: TreeTable | Polynomials) -> str:
    if isinstance(model, Polynomials):
        return f"{model.coefficients[..., 0].size} polynomials"
    return f"a table of {model.charges.size:,} cells"
