"""`trained_model` → `governance_verdict`: the challenger judged, promoted or refused, and the decision written down."""

from dataclasses import asdict
from uuid import uuid4

import pyarrow as pa

from healthcare_assets.domain.governance import Evidence, Verdict, decide
from healthcare_assets.domain.hipaa import columns_on_allow_list, training_table_evidence
from healthcare_assets.domain.tables import BRONZE_PATIENTS, GOVERNANCE_VERDICT, TABLES
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, row_count
from healthcare_assets.steps.training import training_table


def run(runtime: Runtime) -> StepReport:
    lakehouse, registry = runtime.lakehouse, runtime.registry
    challenger = registry.required_version("challenger")
    champion = registry.version_by_alias("champion")
    verdict = decide(_evidence(runtime, challenger), policy=runtime.policy)
    record = _record(runtime, challenger, champion, verdict)
    lakehouse.append(GOVERNANCE_VERDICT, lakehouse.from_batches([record], columns=GOVERNANCE_VERDICT.columns))
    # The record comes first: a model may be judged and not yet promoted, but never promoted without a verdict.
    if verdict.decision == "approved":
        registry.promote(challenger)
    return (
        AssetReport(
            asset=GOVERNANCE_VERDICT.name,
            location=lakehouse.location(GOVERNANCE_VERDICT),
            rows_in_table=row_count(lakehouse, lakehouse.scan(GOVERNANCE_VERDICT)),
            metadata={
                "decision": verdict.decision,
                "model_version": challenger.version,
                "champion_before": champion.version if champion else "none",
                "reasons": Markdown("\n".join(f"- {reason}" for reason in verdict.reasons) or "All criteria passed."),
                "criteria": Markdown(_criteria_table(verdict)),
            },
        ),
    )


def _evidence(runtime: Runtime, challenger: ModelVersion) -> Evidence:
    """The metrics as the registry stores them, and the HIPAA evidence as the tables show it now."""
    lakehouse = runtime.lakehouse
    published = {
        table.name: lakehouse.scan(table).collect_schema().names()
        for table in TABLES.values()
        if table is not BRONZE_PATIENTS
    }
    return Evidence(
        metrics=runtime.registry.evidence(challenger),
        hipaa=[
            columns_on_allow_list(published),
            training_table_evidence(training_table(lakehouse), policy=runtime.policy),
        ],
    )


def _record(
    runtime: Runtime, challenger: ModelVersion, champion: ModelVersion | None, verdict: Verdict
) -> pa.RecordBatch:
    row = {
        "verdict_id": str(uuid4()),
        "model_name": challenger.name,
        "model_version": challenger.version,
        "decision": verdict.decision,
        "reasons": list(verdict.reasons),
        "criteria": [asdict(criterion) for criterion in verdict.criteria],
        "champion_version": champion.version if champion else None,
        "code_version": runtime.code_version,
        "decided_at": runtime.now,
    }
    return pa.RecordBatch.from_pylist([row], schema=arrow_schema(GOVERNANCE_VERDICT.columns))


def _criteria_table(verdict: Verdict) -> str:
    head = "| criterion | value | must be | passed |\n|---|---:|---:|:---:|"
    lines = (
        f"| {c.name} | {'unknown' if c.value is None else f'{c.value:.4g}'} | {c.comparison} {c.threshold:g} "
        f"| {'yes' if c.passed else 'NO'} |"
        for c in verdict.criteria
    )
    return "\n".join([head, *lines])
