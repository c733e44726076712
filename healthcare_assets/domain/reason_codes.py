"""Reason codes: the attributes that raise a patient's predicted cost most, in dollars and in plain words.

Shapley values (Lundberg & Lee 2017, "A unified approach to interpreting model predictions") over the six attributes
that a patient really has. What a model sees besides is recomputed from these six for every hybrid of patient and
reference, so no dollar hides in a technical feature. The game is the *baseline* one (Sundararajan & Najmi 2020, "The
many Shapley values for model explanation"): an absent attribute takes the value of one reference patient, the typical
member. All 64 coalitions are evaluated: nothing is sampled, and the kind of model does not matter.
"""

from collections.abc import Callable, Mapping
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.compiled import COALITIONS, CompiledModel
from healthcare_assets.domain.features import BMI_BANDS, SAFE_HARBOR_AGE
from healthcare_assets.domain.people import ATTRIBUTES, Integers, design_of, people_of
from healthcare_assets.domain.tables import REGIONS, SEXES

if TYPE_CHECKING:
    from numpy.typing import NDArray

Predict = Callable[[pd.DataFrame], Floats]
"""From a `design_frame` to US dollars, one a row. Each row by itself: what else is in the frame changes nothing.

Trees are so to the bit; a linear model's matrix product may differ in the last bit with the number of rows.
"""

ADULT_BMI_FROM_AGE = 20
"""Years. The CDC's weight categories are those of adults; younger people's depend on age and sex."""

_LEAST_DOLLARS = 1.0
"""What raises the cost by less is no reason."""
_ROUNDED_TO = ((1_000, 100), (10, 10))
"""From how many dollars on a text gives them to the nearest how many; below, to the nearest dollar."""

_TYPES = {"age": "int64", "sex": "object", "region": "object", "bmi": "float64", "smoker": "bool", "children": "int64"}
_CATEGORIES: Mapping[str, tuple[Any, ...]] = {"sex": SEXES, "region": REGIONS, "smoker": (False, True)}

_ORDERS = tuple(factorial(size) * factorial(len(ATTRIBUTES) - 1 - size) for size in range(len(ATTRIBUTES)))
"""In how many orders of all attributes exactly a given coalition, by its size, comes before a given attribute."""

_PATIENTS_AT_A_TIME = 50_000
_HYBRIDS_AT_A_TIME = 200_000
"""Both keep memory flat. The first is large because the more patients, the more hybrids they have in common."""


def typical_patient(frame: pd.DataFrame) -> dict[str, Any]:
    """The typical member of a training population of one patient or more: the attributes, as JSON can write them.

    Medians, of an even number the lower of the two in the middle, as nobody has 1.5 children; BMI to a tenth. The most
    frequent category, the first declared of equals.
    """
    typical: dict[str, Any] = {}
    for name in ATTRIBUTES:
        if name in _CATEGORIES:
            counts = frame[name].value_counts()
            typical[name] = max(_CATEGORIES[name], key=lambda category: int(counts.get(category, 0)))
        else:
            typical[name] = float(np.quantile(frame[name].to_numpy(dtype=np.float64), 0.5, method="lower"))
    return typical | {"age": int(typical["age"]), "children": int(typical["children"]), "bmi": round(typical["bmi"], 1)}


def reason_codes(
    patients: pd.DataFrame, *, reference: Mapping[str, Any], predict: Predict | CompiledModel, top: int = 3
) -> pa.ListArray:
    """For each patient, in order, a list of up to `top` attributes that raise the predicted cost by a dollar or more.

    Each as a struct of `REASON_CODE_FIELDS`: the attribute; by how many US dollars it raises the predicted charges of
    the year above the typical member's, to the cent; and a text for a care manager with the amount rounded, such as
    `BMI 36.2 (obese): +$5,100 a year`. The largest first; what is equal to the cent, in the order of `ATTRIBUTES`.
    Arguments as for `contributions`.
    """
    # Cents, so that the last bit of some model's arithmetic neither shows nor decides between equals.
    dollars = np.round(contributions(patients, reference=reference, predict=predict), 2)
    order = np.argsort(-dollars, axis=1, kind="stable")[:, :top]
    ranked = np.take_along_axis(dollars, order, axis=1)
    listed = ranked >= _LEAST_DOLLARS
    attribute, amount = order[listed], ranked[listed]
    words = _all_words(_attributes(patients), np.nonzero(listed)[0], attribute)
    text = pc.binary_join_element_wise(words, ": +", _amounts(amount), " a year", "")
    fields = [pa.array(ATTRIBUTES).take(pa.array(attribute)), pa.array(amount, pa.float64()), text]
    reasons = pa.StructArray.from_arrays(fields, ["attribute", "dollars", "text"])
    return lists(listed.sum(axis=1), reasons)


def lists(lengths: Integers, values: pa.Array) -> pa.ListArray:
    """Consecutive values as lists of these lengths."""
    return pa.ListArray.from_arrays(np.append(0, np.cumsum(lengths)).astype(np.int32), values)


def contributions(patients: pd.DataFrame, *, reference: Mapping[str, Any], predict: Predict | CompiledModel) -> Floats:
    """What each of `ATTRIBUTES` adds to the predicted cost: (patients, 6), US dollars, negative where it lowers it.

    A row sums to the patient's prediction minus the reference's, but for rounding in the last bits; an attribute that
    equals the reference's has exactly 0. However the patients are cut into batches, the numbers are the same to the bit
    where `predict` treats each row by itself. `patients` has the attributes as columns and no `feature_faults`,
    `reference` a value for each of them (see `typical_patient`). ValueError when one is null.
    """
    of_patients, of_reference = _attributes(patients), _attributes(pd.DataFrame([reference]))
    parts = [np.empty((0, len(ATTRIBUTES)))]
    for start in range(0, len(of_patients), _PATIENTS_AT_A_TIME):
        some = of_patients.iloc[start : start + _PATIENTS_AT_A_TIME]
        if callable(predict):
            values = _coalition_values(some, of_reference, predict)
        else:
            values = predict.coalitions(people_of(some), people_of(of_reference))
        parts.append(_shapley(values))
    return np.concatenate(parts)


def _attributes(frame: pd.DataFrame) -> pd.DataFrame:
    """The attributes in their order and one type each, wherever they come from."""
    attributes = frame.loc[:, list(ATTRIBUTES)]
    nulls = attributes.isna().sum()
    if nulls.any():
        raise ValueError(f"null in {len(frame)} rows: {', '.join(f'{n} of {name}' for name, n in nulls.items() if n)}")
    return attributes.astype(_TYPES)


def _coalition_values(patients: pd.DataFrame, reference: pd.DataFrame, predict: Predict) -> Floats:
    """The predicted cost of every patient's hybrid for every coalition: (64, patients), US dollars.

    A hybrid is one number, made of its six attributes' codes, until it is predicted, and each number is predicted once:
    of the 1.9 million hybrids of 30,000 patients, a few hundred thousand differ.
    """
    # The reference comes first and so has code 0 in each attribute: whoever shares its value is the same hybrid.
    encoded = [pd.factorize(pd.concat([reference[name], patients[name]])) for name in ATTRIBUTES]
    values = [np.asarray(distinct) for _, distinct in encoded]
    strides = np.cumprod([1, *(len(distinct) for distinct in values[:-1])], dtype=np.int64)
    hybrids = np.zeros((COALITIONS, len(patients)), dtype=np.int64)
    for i, (codes, _) in enumerate(encoded):
        hybrids[1 << i : 2 << i] = hybrids[: 1 << i] + codes[1:] * strides[i]
    people, which = np.unique(hybrids, return_inverse=True)
    attributes = {
        name: distinct[people // stride % len(distinct)]
        for name, distinct, stride in zip(ATTRIBUTES, values, strides, strict=True)
    }
    by_coalition: Floats = _predicted(pd.DataFrame(attributes), predict)[which].reshape(hybrids.shape)
    return by_coalition


def _predicted(people: pd.DataFrame, predict: Predict) -> Floats:
    """US dollars for each row of attributes, a bounded number of rows at a time."""
    predicted = np.empty(len(people))
    for start in range(0, len(people), _HYBRIDS_AT_A_TIME):
        some = people.iloc[start : start + _HYBRIDS_AT_A_TIME].reset_index(drop=True)
        predicted[start : start + len(some)] = predict(design_of(some))
    return predicted


def _shapley(values: Floats) -> Floats:
    """(patients, 6) from the values of all coalitions (64, patients), in the same unit.

    The mean, over all 720 orders in which the attributes can be added to the reference, of what each changes when its
    turn comes. Sums of differences, term by term: a matrix product could differ in the last bit with the batch, and
    would not leave exactly 0 where nothing changes.
    """
    total = np.zeros((values.shape[1], len(ATTRIBUTES)))
    for i in range(len(ATTRIBUTES)):
        for without in (coalition for coalition in range(COALITIONS) if not coalition >> i & 1):
            total[:, i] += _ORDERS[without.bit_count()] * (values[without | 1 << i] - values[without])
    return total / factorial(len(ATTRIBUTES))


def _all_words(attributes: pd.DataFrame, patient: Integers, attribute: Integers) -> pa.Array:
    """The words for each pair of a patient and an attribute, by their positions.

    Each distinct value is worded once: a million patients have some thousand.
    """
    words: NDArray[np.object_] = np.empty(len(patient), dtype=object)
    for i, name in enumerate(ATTRIBUTES):
        mine = attribute == i
        about = attributes.iloc[patient[mine]][[name, "age"] if name == "bmi" else [name]]
        if name == "bmi":
            about = about.assign(age=about["age"].clip(upper=ADULT_BMI_FROM_AGE))
        groups = about.groupby(list(about.columns), sort=False)
        distinct = about[~about.duplicated()].to_dict("records")
        worded = np.array([_words(name, record) for record in distinct], dtype=object)
        words[mine] = worded[groups.ngroup().to_numpy()]
    return pa.array(words, pa.string())


def _words(attribute: str, patient: Mapping[Any, Any]) -> str:
    """The patient's attribute in words."""
    value = patient[attribute]
    match attribute:
        case "age":
            return f"Age {value} or over" if value >= SAFE_HARBOR_AGE else f"Age {value}"
        case "sex":
            return f"Sex ({value})"
        case "region":
            return f"Lives in the {value}"
        case "bmi":
            return _bmi_words(value, patient["age"])
        case "smoker":
            return "Smokes" if value else "Does not smoke"
        case _:
            return f"{value or 'No'} {'dependant' if value == 1 else 'dependants'} covered"


def _bmi_words(bmi: float, age: int) -> str:
    """BMI to a tenth and an adult’s category. Never rounded up into the next one: 29.97 is not `30.0 (obese)`."""
    bands = ((category, min(round(bmi, 1), limit - 0.1)) for category, limit in BMI_BANDS if bmi < limit)
    category, shown = next(bands, ("obese", bmi))
    return f"BMI {shown:.1f} ({category})" if age >= ADULT_BMI_FROM_AGE else f"BMI {shown:.1f}"


def _amounts(dollars: Floats) -> pa.Array:
    """Dollars, no more precise than a prediction: see `_ROUNDED_TO`."""
    step = np.select([dollars >= at_least for at_least, _ in _ROUNDED_TO], [to for _, to in _ROUNDED_TO], default=1)
    distinct, which = np.unique(np.round(dollars / step).astype(np.int64) * step, return_inverse=True)
    return pa.array([f"${amount:,}" for amount in distinct.tolist()], pa.string()).take(pa.array(which))
