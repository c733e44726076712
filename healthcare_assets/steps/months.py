"""What the monthly steps read: each patient's newest record of the month, with what the patient cost as far as it is
known by the month's end."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import narwhals as nw

from healthcare_assets.domain.columns import PARTITION_COLUMN, Table
from healthcare_assets.domain.key_ranges import KeyRange
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.month import last_of_month, with_cost
from healthcare_assets.domain.population.cells import EVERYBODY
from healthcare_assets.domain.population.tables import ATTRIBUTES, POPULATION_HEALTH
from healthcare_assets.domain.tables import SILVER_PATIENTS
from healthcare_assets.resources.lakehouse import Frame
from healthcare_assets.steps.runtime import Runtime

MONTHS_SHOWN = 36
_ATTRIBUTES = ("age", "sex", "region", "bmi", "smoker", "children", "charges")


def of_month(runtime: Runtime, table: Table, month: date) -> Frame:
    """The rows of a daily table on the days of the month."""
    partition = nw.col(PARTITION_COLUMN)
    return runtime.lakehouse.scan(table).filter(partition >= nw.lit(month), partition <= nw.lit(last_of_month(month)))


def rows_of_month(runtime: Runtime, table: Table, month: date) -> list[dict[str, Any]]:
    """The rows of a monthly table."""
    rows: list[dict[str, Any]] = runtime.lakehouse.collect(runtime.lakehouse.scan(table, day=month)).to_pylist()
    return rows


def newest_of_month(runtime: Runtime, table: Table, month: date, keys: KeyRange, *, names: Sequence[str]) -> Frame:
    """Of a daily table with a row a patient: some columns of each patient's newest row of the month."""
    rows = keys.of(of_month(runtime, table, month)).select("patient_key", PARTITION_COLUMN, *names)
    return runtime.lakehouse.latest(rows, key=["patient_key"], order_by=[PARTITION_COLUMN])


def patients_with_cost(runtime: Runtime, month: date, keys: KeyRange) -> Frame:
    """Each patient's newest silver record of the month with its `cost`: the newest that became known by the month's
    end, of services of the year before it, else what the record says."""
    lakehouse, end = runtime.lakehouse, last_of_month(month)
    since = end - timedelta(days=runtime.policy.pricing.cost_days)
    service = nw.col("service_date")
    observed = lakehouse.latest(
        keys.of(lakehouse.scan(OBSERVED_OUTCOMES)).filter(
            nw.col(PARTITION_COLUMN) <= nw.lit(end), service > nw.lit(since), service <= nw.lit(end)
        ),
        key=["patient_key"],
        order_by=["service_date", PARTITION_COLUMN],
    )
    return with_cost(newest_of_month(runtime, SILVER_PATIENTS, month, keys, names=_ATTRIBUTES), observed)


def everybody(runtime: Runtime, *, upto: date) -> list[dict[str, Any]]:
    """The row of everybody of `population_health`, of each of the newest months up to that one."""
    lakehouse = runtime.lakehouse
    months = [month for month in lakehouse.days(POPULATION_HEALTH) if month <= upto][-MONTHS_SHOWN:]
    if not months:
        return []
    partition, everyone = nw.col(PARTITION_COLUMN), [nw.col(name) == nw.lit(EVERYBODY) for name in ATTRIBUTES]
    of_months = (partition >= nw.lit(months[0]), partition <= nw.lit(upto))
    rows: list[dict[str, Any]] = lakehouse.collect(
        lakehouse.scan(POPULATION_HEALTH).filter(*of_months, *everyone)
    ).to_pylist()
    return rows
