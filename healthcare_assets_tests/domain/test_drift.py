"""Drift statistics: equal to independent ones, silent without drift, and loud about each kind of it."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from json import dumps, loads
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance

from healthcare_assets.domain.bootstrap import Floats
from healthcare_assets.domain.columns import column
from healthcare_assets.domain.monitoring.drift import column_statistics, distribution, missing_column, volume
from healthcare_assets.domain.monitoring.findings import DriftStatistic
from healthcare_assets.domain.monitoring.profile import (
    COUNT_COLUMNS,
    CategoricalProfile,
    Cells,
    Profile,
    added_up,
    categorical_profile,
    counter,
    numeric_profile,
    numeric_profile_from,
)
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.lakehouse import Lakehouse


def counted(profiles: Mapping[str, Profile], rows: pd.DataFrame, *, batch: int | None = None) -> dict[str, Cells]:
    """As the step does it: batch by batch, then added up."""
    count = counter(profiles)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    batches = table.to_batches(max_chunksize=batch) or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    partial = pd.concat([count(part).to_pandas() for part in batches])
    return added_up(partial.groupby(["column", "cell"], as_index=False).sum(), profiles)


def of_numbers(reference: Floats, current: Floats) -> dict[str, DriftStatistic]:
    profile = numeric_profile(reference)
    cells = counted({"x": profile}, pd.DataFrame({"x": current}))["x"]
    return {found.statistic: found for found in column_statistics("x", profile, cells, policy=POLICY)}


def of_regions(trained: dict[str, int], current: list[str | None]) -> dict[str, DriftStatistic]:
    profile = CategoricalProfile(counts=trained, null_rate=0.0)
    cells = counted({"region": profile}, pd.DataFrame({"region": pd.array(current, dtype="string")}))["region"]
    return {found.statistic: found for found in column_statistics("region", profile, cells, policy=POLICY)}


def value(statistic: DriftStatistic) -> float:
    assert statistic.value is not None
    return statistic.value


RANDOM = np.random.default_rng(5)
POPULATIONS: dict[str, tuple[Floats, Floats]] = {
    "the same": (RANDOM.normal(50, 10, 8000), RANDOM.normal(50, 10, 3000)),
    "shifted": (RANDOM.normal(50, 10, 30_000), RANDOM.normal(53, 12, 20_000)),
    "whole numbers": (
        RANDOM.integers(18, 65, 5000).astype(np.float64),
        RANDOM.integers(25, 72, 700).astype(np.float64),
    ),
    "heavy tails": (RANDOM.lognormal(9, 1, 40_000), RANDOM.lognormal(9.2, 1.1, 15_000)),
    "very heavy tails": ((RANDOM.pareto(1.5, 40_000) + 1) * 1000, (RANDOM.pareto(1.5, 30_000) + 1) * 1300),
    "many of one population": (RANDOM.lognormal(9, 2, 60_000), RANDOM.lognormal(9, 2, 60_000)),
    "an outlier": (RANDOM.lognormal(9, 1, 20_000), np.append(RANDOM.lognormal(9, 1, 4000) * 2, 1e9)),
    "far below": (RANDOM.normal(0, 1, 15_000), RANDOM.normal(-40, 3, 900)),
    "few": (RANDOM.lognormal(9, 1, 12_000), RANDOM.lognormal(9, 1, 40)),
}


@pytest.mark.parametrize("name", POPULATIONS)
def test_numbers_agree_with_independent_ones(name: str) -> None:
    reference, current = POPULATIONS[name]
    found = of_numbers(reference, current)
    edges: list[float] = [-np.inf, *np.unique(np.quantile(reference, np.arange(1, 10) / 10)), np.inf]
    bins = [np.array([np.sum((low < x) & (x <= high)) for low, high in pairwise(edges)]) for x in (reference, current)]
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in bins)
    assert value(found["psi"]) == pytest.approx(sum((q - p) * np.log(q / p)), abs=1e-9)
    assert value(found["jensen_shannon"]) == pytest.approx(jensenshannon(bins[0], bins[1], base=2), abs=1e-9)
    assert value(found["kolmogorov_smirnov"]) == pytest.approx(
        ks_2samp(reference, current, method="asymp").statistic, abs=2e-4
    )
    normed = wasserstein_distance(reference, current) / reference.std()
    # Two samples of one population cross so often that a hundred thousandth of a deviation is more than 0.1 % of it.
    assert value(found["wasserstein"]) == pytest.approx(normed, rel=1e-3, abs=1e-5)
    assert value(found["mean_shift"]) == pytest.approx((current.mean() - reference.mean()) / reference.std())
    cliff = np.mean([np.mean(reference < x) - np.mean(reference > x) for x in current[:500]])
    whole = of_numbers(reference, current[:500])["shift"]
    assert value(whole) == pytest.approx(cliff, abs=2e-4)


_WHOLE = st.lists(st.integers(-10, 20).map(float), min_size=1, max_size=80)
_ANY = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80)


def ks_of(one: Floats, other: Floats) -> float:
    """As scipy's statistic, whose p-value does not like few rows."""
    points = np.concatenate([one, other])
    return max(abs(float(np.mean(one <= x) - np.mean(other <= x))) for x in points)


@given(_WHOLE, _WHOLE)
def test_whole_numbers_agree_with_independent_ones(reference: list[float], current: list[float]) -> None:
    """Where the reference has every value that lies between two of its own, no interval has a crossing within."""
    trained, today = np.array([*reference, *np.arange(-3.0, 7.0)]), np.array(current)
    found = of_numbers(trained, np.clip(today, -3, 6))
    clipped = wasserstein_distance(trained, np.clip(today, -3, 6))
    assert value(found["wasserstein"]) * trained.std() == pytest.approx(clipped, rel=1e-3, abs=1e-9)
    ks = ks_of(trained, np.clip(today, -3, 6))
    assert value(found["kolmogorov_smirnov"]) == pytest.approx(ks, abs=2e-4)


@given(_ANY, _ANY)
def test_any_columns_give_figures_within_their_bounds(reference: list[float], current: list[float]) -> None:
    trained, today = np.array(reference), np.array(current)
    found = of_numbers(trained, today)
    ks = ks_of(trained, today)
    assert value(found["kolmogorov_smirnov"]) == pytest.approx(ks, abs=2e-4)
    assert all(s.value is None or np.isfinite(s.value) for s in found.values())
    assert -1 <= value(found["shift"]) <= 1
    assert 0 <= value(found["jensen_shannon"]) <= 1


def test_categories_agree_with_independent_ones() -> None:
    trained = {"northeast": 900, "northwest": 1200, "southeast": 600, "southwest": 0}
    current = ["northeast"] * 70 + ["northwest"] * 60 + ["southeast"] * 50 + ["southwest"] * 20
    found = of_regions(trained, [*current])
    counts = np.array([[900, 1200, 600, 0], [70, 60, 50, 20]])
    p, q = ((row + 0.5) / (row.sum() + 2) for row in counts)
    assert value(found["psi"]) == pytest.approx(np.sum((q - p) * np.log(q / p)), abs=1e-9)
    assert value(found["jensen_shannon"]) == pytest.approx(jensenshannon(counts[0], counts[1], base=2), abs=1e-9)
    expected = chi2_contingency(counts, correction=False)
    assert value(found["chi_squared"]) == pytest.approx(expected.statistic)
    assert value(found["chi_squared_p"]) == pytest.approx(expected.pvalue)


@given(st.lists(st.one_of(st.none(), st.floats(-10, 10)), max_size=60), st.integers(1, 7))
@hypothesis_settings(max_examples=50)
def test_however_the_rows_are_cut_the_counts_are_the_same(values: list[float | None], batch: int) -> None:
    profiles = {"x": numeric_profile(np.linspace(-8, 8, 30))}
    rows = pd.DataFrame({"x": pd.Series(values, dtype="float64")})
    whole = added_up(counter(profiles)(pa.RecordBatch.from_pandas(rows, preserve_index=False)).to_pandas(), profiles)
    parts = counted(profiles, rows, batch=batch) if values else whole
    assert parts["x"].rows.tolist() == whole["x"].rows.tolist()
    assert parts["x"].totals == pytest.approx(whole["x"].totals)
    assert parts["x"].nulls == whole["x"].nulls == sum(v is None for v in values)


def test_both_engines_count_the_same(lakehouse: Lakehouse) -> None:
    random = np.random.default_rng(3)
    profiles: dict[str, Profile] = {
        "bmi": numeric_profile(random.normal(28, 5, 3000)),
        "smoker": CategoricalProfile(counts={"false": 800, "true": 200}, null_rate=0.0),
        "region": CategoricalProfile(counts={"northeast": 5, "southwest": 5}, null_rate=0.0),
    }
    rows = pd.DataFrame(
        {
            "bmi": np.where(random.random(200) < 0.1, np.nan, random.normal(30, 5, 200)),
            "smoker": random.random(200) < 0.3,
            "region": random.choice(["northeast", "southwest", "elsewhere"], 200),
        }
    )
    columns = (column("bmi", "float", ""), column("smoker", "boolean", ""), column("region", "string", ""))
    frame = lakehouse.from_batches([pa.RecordBatch.from_pandas(rows, preserve_index=False)], columns=columns)
    partial = lakehouse.map_batches(frame, counter(profiles), columns=COUNT_COLUMNS)
    sums = partial.group_by("column", "cell").agg(nw.col("rows", "total").sum())
    found = added_up(lakehouse.collect(sums).to_pandas(), profiles)
    for name, expected in counted(profiles, rows).items():
        assert found[name].rows.tolist() == expected.rows.tolist()
        assert found[name].nulls == expected.nulls
        assert found[name].totals == pytest.approx(expected.totals)
    assert found["region"].rows[-1] == (rows["region"] == "elsewhere").sum()


def test_a_profile_reads_back_from_json_to_the_bit() -> None:
    for reference, _ in POPULATIONS.values():
        profile = numeric_profile(reference)
        assert numeric_profile_from(loads(dumps(asdict(profile)))) == profile
        assert len(dumps(asdict(profile))) < 600_000


def test_a_day_without_a_value_tells_nothing_and_alerts_nothing() -> None:
    for found in (of_numbers(np.arange(100.0), np.array([])), of_regions({"northeast": 100}, [])):
        assert all(s.value is None and not s.alert for s in found.values())
    nulls = of_numbers(np.arange(100.0), np.full(50, np.nan))
    assert nulls["null_rate"].alert
    assert nulls["psi"].value is None


def test_constant_columns_and_single_rows_are_no_crash() -> None:
    found = of_numbers(np.full(100, 3.0), np.array([3.0]))
    assert found["wasserstein"].value is None
    assert "one value only" in found["wasserstein"].detail
    assert not any(s.alert for s in found.values())
    assert of_regions({"northeast": 100}, ["northeast"])["chi_squared"].value is None


def test_a_column_that_is_gone_alerts() -> None:
    statistic = missing_column("bmi", numeric_profile(np.arange(10.0)))
    assert (statistic.statistic, statistic.alert, statistic.n_current) == ("missing_column", True, 0)


def test_the_volume_alerts_below_fifty() -> None:
    assert volume(49, reference=1000, policy=POLICY).alert
    assert not volume(50, reference=1000, policy=POLICY).alert


def test_distributions_have_a_label_a_bin_and_all_rows() -> None:
    profile = numeric_profile(np.linspace(10, 20_000, 2000))
    cells = counted({"x": profile}, pd.DataFrame({"x": np.arange(1, 51) * 400.0}))["x"]
    found = distribution("x", profile, cells)
    assert len(found.bins) == len(found.reference) == len(found.current) == 10
    assert (sum(found.reference), sum(found.current)) == (2000, 50)
    assert (found.bins[0], found.bins[1], found.bins[-1]) == ("to 2,009", "2,009 – 4,008", "over 18,001")
    categories = CategoricalProfile(counts={"yes": 3, "no": 4}, null_rate=0.0)
    assert distribution("smoker", categories, categories.cells).bins == ("yes", "no")


# Without drift: hardly a day alerts. With one kind of it: that is caught.


def population(count: int, random: np.random.Generator) -> pd.DataFrame:
    """A realistic population, some of its columns made of others as the features are."""
    age = random.integers(18, 91, count)
    smoker = random.random(count) < 0.12
    bmi = np.round(np.clip(random.normal(28.5, 5.5, count), 14, 60), 1)
    predicted = 800 * np.exp(0.028 * age) * np.where(smoker, 3.0, 1.0) * (1 + 0.2 * (bmi > 30))
    frame = {
        "age": age,
        "bmi": bmi,
        "children": random.poisson(1.0, count),
        "age_risk_score": 1 + np.searchsorted([25, 35, 50, 65], age, side="right"),
        "smoking_impact": age * np.where(smoker, 2.5, 1.0),
        "smoker": smoker,
        "sex": random.choice(["female", "male"], count),
        "region": random.choice(
            ["northeast", "northwest", "southeast", "southwest"], count, p=[0.24, 0.24, 0.28, 0.24]
        ),
        "bmi_category": np.array(["underweight", "normal", "overweight", "obese"])[
            np.searchsorted([18.5, 25, 30], bmi, side="right")
        ],
        "predicted_charges": predicted,
        "charges": predicted * random.lognormal(-0.08, 0.4, count),
    }
    return pd.DataFrame(frame)


def profiles_of(reference: pd.DataFrame) -> dict[str, Profile]:
    categorical = ("smoker", "sex", "region", "bmi_category")
    return {
        str(name): categorical_profile(values)
        if name in categorical
        else numeric_profile(values.to_numpy(dtype=np.float64))
        for name, values in reference.items()
    }


REFERENCE = population(10_000, np.random.default_rng(17))
PROFILES = profiles_of(REFERENCE)


def alerts(day: pd.DataFrame) -> list[str]:
    cells = counted(PROFILES, day)
    return [
        f"{name}.{found.statistic}"
        for name, profile in PROFILES.items()
        for found in column_statistics(name, profile, cells[name], policy=POLICY)
        if found.alert
    ]


@pytest.mark.parametrize(("patients", "days"), [(50, 150), (200, 80), (2000, 30), (100_000, 4)])
def test_without_drift_at_most_one_day_in_a_hundred_alerts(patients: int, days: int) -> None:
    loud = sum(bool(alerts(population(patients, np.random.default_rng([patients, day])))) for day in range(days))
    assert loud <= 0.01 * days


DAY = population(2000, np.random.default_rng(23))


def _changed(**columns: Any) -> pd.DataFrame:
    return DAY.assign(**columns)


def _some(share: float) -> "np.typing.NDArray[np.bool_]":
    return np.random.default_rng(1).random(len(DAY)) < share


KINDS: dict[str, tuple[pd.DataFrame, str]] = {
    "charges doubled, with one outlier": (
        _changed(charges=np.append(DAY["charges"].to_numpy()[1:] * 2, 1e9)),
        "charges.",
    ),
    "twice as many smokers": (_changed(smoker=_some(0.24)), "smoker.share_shift"),
    "eight years older": (_changed(age=DAY["age"] + 8), "age.shift"),
    "a region that training had nobody in": (
        _changed(region=np.where(_some(0.05), "alaska", DAY["region"])),
        "region.new_categories",
    ),
    "nulls from 0 to 5 %": (_changed(bmi=DAY["bmi"].where(~_some(0.05))), "bmi.null_rate"),
    "a region that is gone": (
        _changed(region=DAY["region"].replace("southwest", "southeast")),
        "region.vanished_categories",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_drift_is_caught_on_its_own(kind: str) -> None:
    assert alerts(DAY) == []
    day, caught = KINDS[kind]
    found = alerts(day)
    assert any(alert.startswith(caught) for alert in found)
    column = caught.split(".")[0]
    assert all(alert.startswith(f"{column}.") for alert in found)


def test_a_category_that_is_not_declared_is_never_named() -> None:
    found = of_regions({"northeast": 100}, ["Mr Smith's house"] * 30)
    assert found["new_categories"].detail == "not declared"
    assert "Smith" not in str(found)
