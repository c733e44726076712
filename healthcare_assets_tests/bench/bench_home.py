"""What the measurements stand on: a champion that was trained and judged as any is, and deliveries of any size."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from healthcare_assets.domain.synthetic import SyntheticPopulation
from healthcare_assets.domain.tables import SOURCE_COLUMNS
from healthcare_assets.environments import settings_from
from healthcare_assets.resources.scratch import write_batches
from healthcare_assets.resources.source import SyntheticSource
from healthcare_assets.steps import bronze, dimension, features, governance, silver, training
from healthcare_assets.steps.runtime import Runtime

FIRST_DAY = date(2026, 1, 1)
DAY = FIRST_DAY + timedelta(days=1)
"""The day that is measured."""
NOW = datetime(2026, 1, 3, 2, tzinfo=UTC)
_KEY = "a secret of the measurements, long enough"
_MEMBERS_TRAINED_ON = 5_000
_DELIVERED = [name for name in SOURCE_COLUMNS if name != "age"]
"""A member file has the birth date instead."""


@dataclass(frozen=True)
class BenchHome:
    """A folder for everything that is measured, with one registry for all sizes."""

    folder: Path
    say: Callable[[str], None] = lambda _: None

    def runtime(self, name: str, *, source: str) -> Runtime:
        """A runtime with tables of its own."""
        registry = f"sqlite:///{self.folder}/mlflow.db"
        settings = settings_from(
            {
                "HEALTHCARE_HOME": str(self.folder / name),
                "HEALTHCARE_SOURCE": source,
                "HEALTHCARE_FIRST_DAY": FIRST_DAY.isoformat(),
                "HEALTHCARE_PSEUDONYM_KEY": _KEY,
            }
        )
        settings = replace(settings, tracking_uri=registry, registry_uri=registry)
        return Runtime(settings=settings, now=NOW, run_id=f"bench-{name}", log=self.say, code_version="bench")

    def with_champion(self) -> None:
        """Train and judge on a few thousand members, unless that is done already."""
        runtime = self.runtime("training", source=self.delivery(_MEMBERS_TRAINED_ON, day=FIRST_DAY))
        if runtime.registry.version_by_alias("champion") is not None:
            return
        for step in (bronze.run, silver.run, dimension.run, features.run):
            step(runtime, FIRST_DAY)
        training.run(runtime)
        governance.run(runtime)
        if runtime.registry.version_by_alias("champion") is None:
            raise RuntimeError(
                "The model that was trained for the measurements was refused: there is nothing to score."
            )

    def delivery(self, members: int, *, day: date = DAY) -> str:
        """A day's delivery of so many members as a Parquet file, made when it is not there; the source's pattern."""
        folder = self.folder / "deliveries"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{members}-{day}.parquet"
        if not path.exists():
            self.say(f"making {members:,} records")
            source = SyntheticSource(SyntheticPopulation(members=members), first_day=day)
            unfinished = path.with_suffix(".tmp")
            batches = (batch.select(_DELIVERED) for batch in source.read(day).batches)
            write_batches(batches, unfinished, pa.schema([(name, pa.string()) for name in _DELIVERED]))
            unfinished.rename(path)
        return str(folder / f"{members}-{{date}}.parquet")
