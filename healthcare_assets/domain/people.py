"""The six attributes that everything a model sees of a patient follows from, as arrays of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.features import risk_features
from healthcare_assets.domain.model_features import PATIENT_KEY, design_frame
from healthcare_assets.domain.tables import REGIONS, SEXES

ATTRIBUTES = ("age", "sex", "region", "bmi", "smoker", "children")

Integers = NDArray[np.int64]

CATEGORIES: Mapping[str, tuple[str, ...]] = {"sex": SEXES, "region": REGIONS}


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """n people; sex and region as positions in `SEXES` and `REGIONS`, smoker as 0 or 1."""

    age: Integers
    sex: Integers
    region: Integers
    bmi: Floats
    smoker: Integers
    children: Integers

    def __len__(self) -> int:
        return len(self.age)

    def take(self, rows: "Integers | NDArray[np.bool_] | slice") -> "People":
        return People(**{name: getattr(self, name)[rows] for name in ATTRIBUTES})


def people_of(frame: pa.RecordBatch | pd.DataFrame) -> People:
    """The people of a frame that has the attributes as columns and no `feature_faults`."""
    return People(**{name: _encoded(name, frame[name]) for name in ATTRIBUTES})


def grid(**values: "Sequence[float] | NDArray[Any]") -> People:
    """Everybody who has one of the values in each attribute, the last attribute fastest."""
    arrays = np.meshgrid(*(np.asarray(values[name], dtype=np.float64) for name in ATTRIBUTES), indexing="ij")
    columns: dict[str, NDArray[Any]] = {
        name: array.ravel().astype(np.float64 if name == "bmi" else np.int64)
        for name, array in zip(ATTRIBUTES, arrays, strict=True)
    }
    return People(**columns)


def attributes_frame(people: People) -> pd.DataFrame:
    """A row a person, the attributes as tables hold them."""
    return pd.DataFrame(
        {
            "age": people.age,
            "sex": np.asarray(SEXES, dtype=object)[people.sex],
            "region": np.asarray(REGIONS, dtype=object)[people.region],
            "bmi": people.bmi,
            "smoker": people.smoker.astype(np.bool_),
            "children": people.children,
        }
    )


def design_of(attributes: pd.DataFrame) -> pd.DataFrame:
    """What a model is given of people with these attributes."""
    people = nw.from_native(attributes.assign(**{PATIENT_KEY: ""})).lazy()
    return design_frame(risk_features(people).collect().to_pandas())


def _encoded(name: str, column: "pa.Array | pd.Series[Any]") -> "NDArray[Any]":
    if name in CATEGORIES:
        texts = column.cast(pa.string()) if isinstance(column, pa.Array) else pa.array(column, pa.string())
        encoded: NDArray[Any] = pc.index_in(texts, pa.array(CATEGORIES[name])).to_numpy(zero_copy_only=False)
        return encoded.astype(np.int64)
    values = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    return values.astype(np.float64 if name == "bmi" else np.int64)
