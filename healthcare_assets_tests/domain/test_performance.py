"""Predictions against what became known."""

from datetime import date, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from healthcare_assets.domain.bootstrap import estimates
from healthcare_assets.domain.evaluation import percentile, ratio
from healthcare_assets.domain.monitoring.findings import Performance
from healthcare_assets.domain.monitoring.performance import awaited, cells, newest_matured, performance, summed_by_cell
from healthcare_assets.policy import POLICY

DAY = date(2026, 3, 1)
REFERENCE = np.sort(np.random.default_rng(0).lognormal(9.0, 0.9, 5000))


def rows(count: int, *, known: float = 1.0, factor: float = 1.0, ago: int = 50, seed: int = 1) -> pd.DataFrame:
    """Awaited predictions of a service day by an honest model, of which a share is known."""
    random = np.random.default_rng(seed)
    predicted = random.lognormal(9.0, 0.8, count)
    cost = predicted * random.lognormal(-0.045, 0.3, count) * factor
    cost[round(known * count) :] = np.nan
    return pd.DataFrame(
        {
            "service_date": DAY - timedelta(days=ago),
            "model_version": "1",
            "age": random.integers(18, 91, count),
            "sex": random.choice(["female", "male"], count),
            "region": random.choice(["northeast", "northwest", "southeast", "southwest"], count),
            "predicted_charges": predicted,
            "risk_score": percentile(REFERENCE, predicted),
            "cost": cost,
        }
    )


def found(*parts: pd.DataFrame, batch: int | None = None, charges: Any = None) -> tuple[Performance, ...]:
    """As the step does it: partial sums a batch, added up."""
    table = pa.Table.from_pandas(pd.concat(parts), preserve_index=False)
    sums = summed_by_cell({"1": REFERENCE} if charges is None else charges)
    partial = pl.DataFrame(pa.Table.from_batches([sums(part) for part in table.to_batches(max_chunksize=batch)]))
    return performance(cells(nw.from_native(partial.lazy())).collect().to_pandas(), day=DAY, policy=POLICY)


def of(findings: tuple[Performance, ...], scope: str, attribute: str = "all", group: str = "all") -> Performance:
    [finding] = [f for f in findings if (f.scope, f.attribute, f.group) == (scope, attribute, group)]
    return finding


def test_the_figures_are_those_of_scikit_learn() -> None:
    patients = rows(2000)
    day = of(found(patients), "service day")
    true_score = percentile(REFERENCE, patients["cost"].to_numpy())
    assert day.status == "matured"
    assert (day.predictions, day.outcomes) == (2000, 2000)
    assert day.risk_score_mae == pytest.approx(mean_absolute_error(true_score, patients["risk_score"]))
    assert day.risk_score_r2 == pytest.approx(r2_score(true_score, patients["risk_score"]))
    assert day.mae_charges == pytest.approx(mean_absolute_error(patients["cost"], patients["predicted_charges"]))
    assert day.r2_charges == pytest.approx(r2_score(patients["cost"], patients["predicted_charges"]))
    assert day.predictive_ratio == pytest.approx(patients["predicted_charges"].sum() / patients["cost"].sum())


def test_the_interval_is_the_bootstrap_one() -> None:
    patients = rows(2000)
    day = of(found(patients), "service day")
    predicted, cost = patients["predicted_charges"].to_numpy(), patients["cost"].to_numpy()
    drawn = estimates(
        lambda weights: {"ratio": ratio(weights @ predicted, weights @ cost)}, patients=2000, resamples=4000, seed=1
    )["ratio"]
    assert day.ratio_lower is not None
    assert day.ratio_upper is not None
    assert day.ratio_upper - day.ratio_lower == pytest.approx(drawn.upper - drawn.lower, rel=0.1)
    assert day.ratio_lower == pytest.approx(drawn.lower, abs=0.002)


@pytest.mark.parametrize("batch", [1, 7, 999])
def test_batches_change_nothing(batch: int) -> None:
    whole, parts = found(rows(300)), found(rows(300), batch=batch)
    for one, other in zip(whole, parts, strict=True):
        assert one.outcomes == other.outcomes
        assert one.risk_score_mae == pytest.approx(other.risk_score_mae)
        assert one.ratio_upper == pytest.approx(other.ratio_upper)


@pytest.mark.parametrize(
    ("known", "ago", "status"),
    [
        (1.0, 20, "matured"),
        (0.9, 20, "matured"),
        (0.89, 20, "provisional"),
        (0.89, 61, "overdue"),
        (0.0, 5, "provisional"),
    ],
)
def test_a_day_is_provisional_until_its_costs_are_known_and_overdue_when_they_should_be(
    known: float, ago: int, status: str
) -> None:
    assert of(found(rows(1000, known=known, ago=ago)), "service day").status == status


def test_few_outcomes_give_no_error() -> None:
    day = of(found(rows(29)), "service day")
    assert (day.outcomes, day.risk_score_mae, day.predictive_ratio) == (29, None, None)


def test_costs_a_third_higher_at_the_same_features_are_a_bias_in_every_group() -> None:
    findings = found(rows(3000, factor=1.3))
    groups = [finding for finding in findings if finding.scope == "window"]
    assert len(groups) == 1 + 2 + 4 + 5
    assert all(finding.biased for finding in groups if finding.status == "matured")
    assert sum(finding.biased for finding in groups) >= 8
    assert not any(finding.biased for finding in found(rows(3000)))


def test_a_group_of_three_says_insufficient_data() -> None:
    patients = rows(2000)
    patients.loc[patients["region"] == "southwest", "region"] = "southeast"
    patients.loc[:2, "region"] = "southwest"
    patients.loc[:2, "cost"] *= 100
    small = of(found(patients), "window", "region", "southwest")
    assert (small.status, small.outcomes, small.biased) == ("insufficient data", 3, False)


def test_a_window_takes_the_newest_matured_days_of_one_model_that_hold_enough() -> None:
    older = [rows(400, ago=ago, seed=ago) for ago in (20, 21, 22, 23)]
    young = rows(400, ago=10, known=0.1)
    another = rows(400, ago=24).assign(model_version="0")
    window = of(found(*older, young, another, charges={"0": REFERENCE, "1": REFERENCE}), "window")
    assert window.service_date == DAY - timedelta(days=20)
    assert window.outcomes == 1200
    far = of(found(rows(400, ago=20), rows(400, ago=50)), "window")
    assert far.outcomes == 400


def test_the_error_is_of_the_newest_matured_day_or_of_the_window_where_the_day_has_too_few() -> None:
    big = newest_matured(found(rows(400, ago=20), rows(400, ago=21)), policy=POLICY)
    assert big is not None
    assert (big.scope, big.service_date, big.outcomes) == ("service day", DAY - timedelta(days=20), 400)
    small = newest_matured(found(*(rows(20, ago=20 + ago, seed=ago) for ago in range(20))), policy=POLICY)
    assert small is not None
    assert (small.scope, small.outcomes) == ("window", 400)
    assert newest_matured(found(rows(400, known=0.5)), policy=POLICY) is None


def test_a_model_whose_scale_is_not_known_has_predictions_and_no_outcomes() -> None:
    day = of(found(rows(100), charges={}), "service day")
    assert (day.predictions, day.outcomes, day.risk_score_mae) == (100, 0, None)


def test_without_an_error_in_the_model_hardly_a_day_is_biased() -> None:
    """At every size of window; each day looks at a dozen groups."""
    days = 60
    for size in (60, 250, 1500):
        wrong = sum(any(f.biased for f in found(rows(size, seed=seed))) for seed in range(days))
        assert wrong == 0


SERVICE_DAY = date(2026, 1, 10)


def _frame(**columns: list[Any]) -> Any:
    return nw.from_native(pl.LazyFrame(columns))


def test_awaited_are_costs_that_were_not_known_before() -> None:
    keys = ["new", "known", "corrected", "trained", "retold", "silent"]
    predictions = _frame(
        patient_key=keys,
        partition_date=[SERVICE_DAY] * 6,
        predicted_charges=[1.0] * 6,
        risk_score=[50.0] * 6,
        model_version=["1"] * 6,
    )
    patients = _frame(
        patient_key=keys,
        partition_date=[SERVICE_DAY] * 6,
        age=[40] * 6,
        sex=["male"] * 6,
        region=["northeast"] * 6,
        charges=[None, 10.0, 10.0, None, None, None],
    )
    outcomes = _frame(
        patient_key=["new", "corrected", "trained", "retold"],
        service_date=[SERVICE_DAY] * 4,
        charges=[20.0, 30.0, 40.0, 50.0],
    )
    trained_on = _frame(
        patient_key=["trained", "retold", "new"],
        service_date=[SERVICE_DAY] * 3,
        model_version=["1", "1", "2"],
        charges=[40.0, 49.0, 20.0],
    )
    result = awaited(predictions, patients=patients, outcomes=outcomes, trained_on=trained_on).collect().to_pandas()
    assert sorted(result["cost"].dropna()) == [20.0, 30.0, 50.0]
    assert result["cost"].isna().sum() == 1
