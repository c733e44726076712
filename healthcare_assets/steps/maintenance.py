"""All tables → their files, compacted, without what the retained past does not need. No row changes."""

from collections.abc import Mapping

from healthcare_assets.domain.tables import TABLES
from healthcare_assets.resources.compaction import Compaction
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime

ASSET = "table_maintenance"
_MEGABYTE = 1e6


def run(runtime: Runtime) -> StepReport:
    """Look after each table that is there, one after the other: a repetition begins with what is left to do."""
    lakehouse, settings, rules = runtime.lakehouse, runtime.settings, runtime.policy.maintenance
    found: dict[str, Compaction] = {}
    for table in TABLES.values():
        compaction = lakehouse.compact(table, rules=rules)
        if compaction is not None:
            found[table.name] = compaction
            runtime.log(_sentence(table.name, compaction))
    return (
        AssetReport(
            asset=ASSET,
            location=settings.environment.schema or str(settings.lakehouse_root),
            metadata={
                "tables": Markdown(_listed(found)),
                "files_before": sum(compaction.before.files for compaction in found.values()),
                "files_after": sum(compaction.after.files for compaction in found.values()),
                "files_deleted": sum(compaction.deleted for compaction in found.values()),
                "retention_days": rules.retention_days,
            },
        ),
    )


def _sentence(name: str, compaction: Compaction) -> str:
    before, after = compaction.before.files, compaction.after.files
    changed = f"{before} files are {after} now" if before != after else f"{after} files, in order"
    return f"{name}: {changed}; {compaction.deleted} that no retained version needs are deleted."


def _listed(found: Mapping[str, Compaction]) -> str:
    rows = [
        f"| {name} | {c.before.files} | {c.after.files} | {c.before.size / _MEGABYTE:,.1f} "
        f"| {c.after.size / _MEGABYTE:,.1f} | {c.deleted} |"
        for name, c in found.items()
    ]
    head = "| table | files before | after | MB before | after | deleted |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])
