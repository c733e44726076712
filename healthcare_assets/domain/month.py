"""Months, which are known by their first day, and what the patients of one cost."""

from datetime import date, timedelta
from typing import Any

import narwhals as nw

Frame = nw.LazyFrame[Any]

COST = "cost"
"""What a patient cost in a year as far as it is known, US dollars; null where it is not."""


def first_of_month(day: date) -> date:
    """The first day of the month that the day lies in: what the month is known by."""
    return day.replace(day=1)


def month_before(month: date) -> date:
    """The first day of the month before."""
    return first_of_month(month - timedelta(days=1))


def last_of_month(month: date) -> date:
    """The last day of the month that begins on the day."""
    return first_of_month(month + timedelta(days=31)) - timedelta(days=1)


def with_cost(patients: Frame, observed: Frame) -> Frame:
    """The patients (silver, one row each) with their `cost`: as it turned out, else as their record has it.

    `observed` has a row a patient of whom a cost has become known: the newest.
    """
    known = observed.select("patient_key", nw.col("charges").alias("observed_charges"))
    joined = patients.join(known, on="patient_key", how="left")
    return joined.with_columns(nw.coalesce("observed_charges", "charges").alias(COST)).drop("observed_charges")
