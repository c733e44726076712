"""What a step is handed. Each part is made when a step first asks for it: ingestion never opens the model registry."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import narwhals as nw

from healthcare_assets.domain.checks import Counts
from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.key_ranges import EVERY_KEY, KeyRange, key_ranges
from healthcare_assets.environments import Settings, made_folder
from healthcare_assets.policy import POLICY, Policy
from healthcare_assets.resources.audit_rows import recorded_keys
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.outcome_source import OutcomeSource, open_outcomes, outcomes_beside
from healthcare_assets.resources.pseudonym_key import Keys, pseudonym_keys
from healthcare_assets.resources.registry import ModelRegistry
from healthcare_assets.resources.source import Source, open_source
from healthcare_assets.resources.source_mapping import declared_columns


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The settings of the run, and the tables, source, registry and key that they lead to."""

    settings: Settings
    now: datetime
    """When the run began (UTC): the only clock that a step sees."""
    run_id: str
    log: Callable[[str], None]
    """Tells the user a sentence."""
    code_version: str
    policy: Policy = POLICY
    ordered_by: str = "a process of this machine"
    """Who or what asked for the run: a person, a schedule, a sensor, a job."""

    mlflow_run_id: str | None = None
    """The MLflow run that is continued; None: each record is a run of its own."""

    @cached_property
    def lakehouse(self) -> Lakehouse:
        workspace, schema = self.settings.environment.workspace, self.settings.environment.schema
        if self.settings.engine == "polars":
            from healthcare_assets.resources.polars_lakehouse import PolarsLakehouse

            return PolarsLakehouse(made_folder(self.settings.lakehouse_root))
        from healthcare_assets.resources.spark_lakehouse import SparkLakehouse
        from healthcare_assets.resources.spark_session import cluster_spark_session, local_spark_session

        if workspace is None or schema is None:
            return SparkLakehouse(local_spark_session(), str(made_folder(self.settings.lakehouse_root)))
        return SparkLakehouse(cluster_spark_session(), schema, scratch=Path(workspace.volume_path) / "scratch")

    @cached_property
    def source(self) -> Source:
        return open_source(
            self.settings.source,
            first_day=self.settings.first_day,
            lakehouse_root=self.settings.lakehouse_root,
            ingested_at=self.now,
            columns=declared_columns(self.settings.source_columns),
        )

    @cached_property
    def outcomes(self) -> OutcomeSource:
        if self.settings.outcomes is None:
            return outcomes_beside(self.source)
        return open_outcomes(
            self.settings.outcomes,
            first_day=self.settings.first_day,
            lakehouse_root=self.settings.lakehouse_root,
            ingested_at=self.now,
        )

    @cached_property
    def registry(self) -> ModelRegistry:
        settings, environment = self.settings, self.settings.environment
        if environment.workspace is None:
            made_folder(settings.mlflow_root)
        return ModelRegistry(
            settings.tracking_uri,
            registry_uri=settings.registry_uri,
            name=environment.registered_model,
            experiment_root=environment.experiment_root,
            run_id=self.mlflow_run_id,
        )

    @cached_property
    def pseudonym_keys(self) -> Keys:
        """The keys that the tables' pseudonyms are made with. SettingsError while a rotation is unfinished."""
        recorded = recorded_keys(self.lakehouse)
        return pseudonym_keys(self.settings, recorded=None if recorded is None else recorded.fingerprints)


def content_of(table: Table, frame: Frame) -> Frame:
    """Of a frame that may have more, what is written to the daily table."""
    return frame.select(*(column.name for column in table.content_columns))


def delete_rows(
    lakehouse: Lakehouse, table: Table, keys_of: Callable[[KeyRange], Frame], ranges: Sequence[KeyRange] = (EVERY_KEY,)
) -> int:
    """Delete of an undated table the rows with these keys, a range at a time; returns how many they were."""
    return lakehouse.update(table, lambda keys: (lakehouse.scan(table).head(0), keys_of(keys)), ranges)


def row_count(lakehouse: Lakehouse, frame: Frame) -> int:
    """How many rows the frame has."""
    return counts(lakehouse, frame.select(nw.len().cast(nw.Int64).alias("rows")))["rows"]


def counts(lakehouse: Lakehouse, one_row: Frame) -> Counts:
    """The single row of an aggregate frame as numbers by column; a sum over nothing is 0."""
    row = lakehouse.collect(one_row).to_pylist()[0]
    return {name: int(value or 0) for name, value in row.items()}


def counts_by_key(lakehouse: Lakehouse, frame: Frame, aggregate: Callable[[Frame], Frame]) -> Counts:
    """The sums of what `aggregate` counts in the frame, by patient, a range of keys at a time."""
    total: Counter[str] = Counter()
    for keys in ranges_of(lakehouse, frame):
        total.update(counts(lakehouse, aggregate(keys.of(frame))))
    return total


def ranges_of(lakehouse: Lakehouse, *frames: Frame) -> tuple[KeyRange, ...]:
    """The ranges in which the engine can hold the frames' patients together."""
    at_a_time = lakehouse.keys_at_a_time
    rows = 0 if at_a_time is None else sum(row_count(lakehouse, frame) for frame in frames)
    return key_ranges(rows, at_a_time=at_a_time)
