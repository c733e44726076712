"""The models that training tries. A data scientist adds one by adding an entry to `CANDIDATES`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from healthcare_assets.domain.model_features import BOOLEAN_FEATURES, CATEGORICAL_FEATURES, NUMERIC_FEATURES

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin
    from sklearn.pipeline import Pipeline

Parameters = Mapping[str, float | int | str | bool]
Steps = list[tuple[str, Any]]
"""Named scikit-learn transformers, in the order in which they are applied."""

GLM = "tweedie_glm"
"""The actuary's model: every other candidate is shown beside it."""

_SQUARED_AND_POISSON = ("squared_error", "poisson")


def _for_trees() -> Steps:
    """Numbers as they are, categories one-hot: trees split on order, which no scaling changes."""
    from sklearn.compose import ColumnTransformer

    numbers = ("numbers", "passthrough", [*NUMERIC_FEATURES, *BOOLEAN_FEATURES])
    return [("columns", ColumnTransformer([numbers, _one_hot(drop=None)]))]


def _for_glm() -> Steps:
    """The raw attributes and all their products of two, scaled, so that one penalty fits them all."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    numbers = ("numbers", StandardScaler(), ["age", "bmi", "children", "smoker"])
    return [
        ("columns", ColumnTransformer([numbers, _one_hot(drop="first")])),
        ("interactions", PolynomialFeatures(degree=2, include_bias=False)),
        ("scale", StandardScaler()),
    ]


def _one_hot(*, drop: str | None) -> tuple[str, Any, list[str]]:
    from sklearn.preprocessing import OneHotEncoder

    categories = [list(known) for known in CATEGORICAL_FEATURES.values()]
    encoder = OneHotEncoder(categories=categories, drop=drop, sparse_output=False)
    return "categories", encoder, list(CATEGORICAL_FEATURES)


def _random_forest(parameters: Parameters, seed: int) -> "RegressorMixin":
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(**parameters, random_state=seed)


def _gradient_boosting(parameters: Parameters, seed: int) -> "RegressorMixin":
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(**parameters, random_state=seed)


def _histogram_gradient_boosting(parameters: Parameters, seed: int) -> "RegressorMixin":
    """The mean of two boostings that differ in their loss.

    Squared errors see to the costliest patients, the Poisson deviance, with its log link, to the many cheap ones.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor

    return VotingRegressor(
        [
            (loss, HistGradientBoostingRegressor(**parameters, loss=loss, random_state=seed + number))
            for number, loss in enumerate(_SQUARED_AND_POISSON)
        ]
    )


def _tweedie_glm(parameters: Parameters, seed: int) -> "RegressorMixin":  # noqa: ARG001 - nothing in it is random
    from sklearn.linear_model import TweedieRegressor

    return TweedieRegressor(**parameters)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that training tries: an estimator of charges in US dollars, its parameters besides the seed, and what is
    done to the features before it."""

    name: str
    estimator: "Callable[[Parameters, int], RegressorMixin]"
    parameters: Parameters
    preprocessing: Callable[[], Steps] = _for_trees


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(
        name="random_forest",
        estimator=_random_forest,
        parameters={"n_estimators": 100, "max_depth": 10, "min_samples_split": 5, "min_samples_leaf": 2},
    ),
    Candidate(
        name="gradient_boosting",
        estimator=_gradient_boosting,
        parameters={"n_estimators": 100, "learning_rate": 0.1, "max_depth": 6},
    ),
    Candidate(
        name="histogram_gradient_boosting",
        estimator=_histogram_gradient_boosting,
        parameters={
            "max_iter": 150,
            "learning_rate": 0.05,
            "max_depth": 6,
            # Few leaves, and some of the features a split: the default learns a thousand patients by heart.
            "max_leaf_nodes": 8,
            "max_features": 0.4,
            # By default scikit-learn would stop early from 10,000 rows on, and train another model there than below.
            "early_stopping": False,
        },
    ),
    Candidate(
        name=GLM,
        estimator=_tweedie_glm,
        # Between Poisson (1) and gamma (2): costs of which some are zero and the others skewed.
        parameters={"power": 1.5, "alpha": 0.1, "link": "log", "solver": "newton-cholesky", "max_iter": 200},
        preprocessing=_for_glm,
    ),
)


def pipeline_of(candidate: Candidate, *, seed: int) -> "Pipeline":
    """Preprocessing and estimator in one, so that whatever is fitted is fitted on training rows only."""
    from sklearn.pipeline import Pipeline

    return Pipeline([*candidate.preprocessing(), ("model", candidate.estimator(candidate.parameters, seed))])
