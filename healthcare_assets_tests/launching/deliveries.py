"""Deliveries as files, a day each, for steps that run elsewhere."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.resources.source import SyntheticSource


def delivered(folder: Path, days: Iterable[date], *, members: int) -> str:
    """The days' records in files of the folder; what HEALTHCARE_SOURCE is then."""
    first, *_ = days = list(days)
    population = SyntheticPopulation(members=members, arrivals_per_day=members // 25, changes_per_day=members // 50)
    source = SyntheticSource(population, first_day=first)
    for day in days:
        csv.write_csv(pa.Table.from_batches(list(source.read(day).batches)), folder / f"members-{day}.csv")
    return str(folder / "members-{date}.csv")
