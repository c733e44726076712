"""A trained model in a form that answers at once, made at training and stored with it: numbers, and no code.

All that a model sees of a patient follows from six attributes. So an ensemble of trees, however many, is one table over
the cells into which its trees cut the attributes, and a generalised linear model of products of two is a polynomial for
each combination of categories. Looking up takes a tenth of a microsecond a patient, where walking through the trees
takes some ten; and a hybrid of two patients, of which reason codes need 64, is a sum of positions.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.features import BMI_BANDS
from healthcare_assets.domain.people import ATTRIBUTES, Integers, People

COALITIONS = 2 ** len(ATTRIBUTES)
"""A coalition is a number whose bit i says whether the hybrid has the patient's attribute i, or the reference's."""

TERMS = 10
_BMI_LIMITS = np.array([limit for _, limit in BMI_BANDS])
_AGE_SCALE, _BMI_SCALE, _CHILDREN_SCALE = (45.0, 30.0), (30.0, 10.0), (2.0, 2.0)
"""Subtracted and divided by, so that all terms are of a size."""


DIFFERENCE_AT_MOST = 1e-6
"""Relative. What is measured is 0 for trees and some 1e-13 for polynomials."""
_A_CENT = 0.01
"""Below it a relative difference says nothing."""


class CompiledModel(Protocol):
    """Predicted charges in US dollars, none negative. Each person by itself: the same to the bit, whoever is beside."""

    def covers(self, people: People) -> NDArray[np.bool_]:
        """For whom it has an answer; shape (n,)."""
        ...

    def predict(self, people: People) -> Floats:
        """US dollars, shape (n,), of people whom it covers."""
        ...

    def coalitions(self, people: People, reference: People) -> Floats:
        """US dollars for the hybrid of each person with the one reference person, by coalition: shape (64, n)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeTable:
    """An ensemble of trees as one table."""

    age_cells: Integers
    """By age in years, from 0: the cell."""
    children_cells: Integers
    """By number of children, from 0: the cell."""
    bmi_from: Floats
    """The BMI from which on each cell but the first lies; ascending."""
    charges: Floats
    """US dollars by smoker, sex, region, cell of the age, of the children and of the BMI."""

    def covers(self, people: People) -> NDArray[np.bool_]:
        def within(values: Integers, cells: Integers) -> NDArray[np.bool_]:
            return (values >= 0) & (values < len(cells))

        return within(people.age, self.age_cells) & within(people.children, self.children_cells)

    def predict(self, people: People) -> Floats:
        age, sex, region, bmi, smoker, children = self._places(people)
        place = age + sex
        for part in (region, bmi, smoker, children):
            place += part
        found: Floats = self.charges.ravel().take(place)
        return found

    def coalitions(self, people: People, reference: People) -> Floats:
        own, others = self._places(people), self._places(reference)
        places = np.empty((COALITIONS, len(people)), dtype=np.int64)
        places[0] = sum(int(place[0]) for place in others)
        for i, (mine, its) in enumerate(zip(own, others, strict=True)):
            np.add(places[: 1 << i], mine - its[0], out=places[1 << i : 2 << i])
        found: Floats = self.charges.ravel().take(places)
        return found

    def _places(self, people: People) -> tuple[Integers, ...]:
        """What each of `ATTRIBUTES` adds to the position in the table."""
        smoker, sex, region, age, children, bmi = (
            int(np.prod(self.charges.shape[axis + 1 :])) for axis in range(self.charges.ndim)
        )
        return (
            self.age_cells.take(people.age) * age,
            people.sex * sex,
            people.region * region,
            np.searchsorted(self.bmi_from, people.bmi, side="right") * bmi,
            people.smoker * smoker,
            self.children_cells.take(people.children) * children,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Polynomials:
    """A generalised linear model whose score is a polynomial of degree two in age, BMI and number of children."""

    coefficients: Floats
    """By smoker, sex, region, category of the BMI, and term (see `terms`)."""
    log_link: bool
    """Whether the charges are the exponential of the score, or the score itself."""

    def covers(self, people: People) -> NDArray[np.bool_]:
        return np.ones(len(people), dtype=np.bool_)

    def predict(self, people: People) -> Floats:
        combination = ((people.smoker * self.coefficients.shape[1] + people.sex) * self.coefficients.shape[2]) + (
            people.region
        )
        combination = combination * self.coefficients.shape[3] + bmi_category(people.bmi)
        by_term = np.ascontiguousarray(self.coefficients.reshape(-1, TERMS).T)
        score = np.zeros(len(people))
        for coefficient, term in zip(by_term, terms(people.age, people.bmi, people.children), strict=True):
            score += coefficient.take(combination) * term
        return np.maximum(np.exp(score) if self.log_link else score, 0.0)

    def coalitions(self, people: People, reference: People) -> Floats:
        found = np.empty((COALITIONS, len(people)))
        for coalition in range(COALITIONS):
            found[coalition] = self.predict(
                People(
                    **{
                        name: getattr(people, name)
                        if coalition >> i & 1
                        else np.repeat(getattr(reference, name), len(people))
                        for i, name in enumerate(ATTRIBUTES)
                    }
                )
            )
        return found


def bmi_category(bmi: Floats) -> Integers:
    """The position of each BMI's category, from the lowest."""
    return np.searchsorted(_BMI_LIMITS, bmi, side="right").astype(np.int64)


def terms(age: Integers | Floats, bmi: Floats, children: Integers | Floats) -> tuple[Floats, ...]:
    """The ten products of at most two of the three, (n,) each, scaled."""
    x, y, z = (
        np.asarray((values - middle) / width, dtype=np.float64)
        for values, (middle, width) in ((age, _AGE_SCALE), (bmi, _BMI_SCALE), (children, _CHILDREN_SCALE))
    )
    one: Floats = np.ones(len(x))
    return one, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z


def differences(charges: Floats, expected: Floats) -> Floats:
    """By how much charges differ from those expected, as a share of these; shape (n,)."""
    found: Floats = np.abs(charges - expected) / np.maximum(np.abs(expected), _A_CENT)
    return found


def agreeing(charges: Floats, expected: Floats) -> NDArray[np.bool_]:
    """Where charges are those expected, as far as a compiled form may differ; what is not finite never is."""
    return differences(charges, expected) <= DIFFERENCE_AT_MOST
