"""What every asset that is a table says of itself: description, columns, owners, tags, kinds, code version, checks."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import dagster as dg

from healthcare_assets.defs.partitions import daily, monthly
from healthcare_assets.defs.tags import tags_of
from healthcare_assets.domain.columns import Column, Table
from healthcare_assets.domain.lineage import told_origin
from healthcare_assets.steps.catalogue import code_version, step_for

DATA_ENGINEERING = "team:data-engineering"
DATA_SCIENCE = "team:data-science"
COMPLIANCE = "team:compliance"
CARE_TEAM = "team:care-management"
ACTUARIAL = "team:actuarial"
POPULATION_HEALTH_TEAM = "team:population-health"

_DAGSTER_TYPES = {"strings": "array<string>", "criteria": "array<struct>", "reason_codes": "array<struct>"}


def table_spec(  # noqa: PLR0913 - what a reader of the asset wants to know
    table: Table,
    *,
    group: str,
    owner: str,
    deps: Sequence[str] = (),
    partitioned: bool = True,
    due_at: int | None = None,
) -> dg.AssetSpec:
    """The spec of an asset that is a table of the contract.

    `due_at` is the hour (UTC) by which the day that has just ended is relied on to be there.
    """
    return dg.AssetSpec(
        table.name,
        description=table.description,
        deps=deps,
        group_name=group,
        owners=[owner],
        tags=tags_of(table.name),
        kinds={"deltalake"},
        code_version=code_version(step_for(table.name).name),
        partitions_def=_partitions(table.name) if partitioned else None,
        freshness_policy=None if due_at is None else _due_at(due_at),
        metadata={
            "dagster/table_name": table.name,
            "dagster/column_schema": column_schema(table),
        },
    )


# Dagster walks through a thousand days to learn that a deadline comes once a day: once an hour that is named, then.
@cache
def _due_at(hour: int) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.cron(deadline_cron=f"0 {hour} * * *", lower_bound_delta=timedelta(hours=hour))


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with their types, constraints, and descriptions that say what they are made from."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=_DAGSTER_TYPES.get(column.type, column.type),
                description=_described(table, column),
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
            )
            for column in table.columns
        ]
    )


# Dagster's own UI draws the lineage of columns in its cloud alone.
def _described(table: Table, column: Column) -> str:
    origin = told_origin(table.name, column.name)
    return f"{column.description} Made from {origin}." if origin else column.description


def blocking_checks(asset: str, checks: dict[str, str]) -> list[dg.AssetCheckSpec]:
    """Specs of the checks (name: description) that the asset's step makes of each partition, and that stop what
    follows."""
    return _checks(asset, checks, blocking=True)


def watching_checks(asset: str, checks: dict[str, str]) -> list[dg.AssetCheckSpec]:
    """Specs of the checks that ask for attention and stop nothing."""
    return _checks(asset, checks, blocking=False)


def _checks(asset: str, checks: dict[str, str], *, blocking: bool) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=_partitions(asset)
        )
        for name, description in checks.items()
    ]


def _partitions(asset: str) -> dg.PartitionsDefinition[str]:
    return monthly if step_for(asset).monthly else daily
