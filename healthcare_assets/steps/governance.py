"""`trained_model` → `governance_verdict`: the challenger judged, promoted or refused, and the decision written down."""

import json
from dataclasses import asdict
from datetime import datetime
from uuid import uuid4

import narwhals as nw
import pyarrow as pa

from healthcare_assets.domain import model_card
from healthcare_assets.domain.governance import decide
from healthcare_assets.domain.model_card import VerdictRecord
from healthcare_assets.domain.tables import CHAMPION_HISTORY, GOVERNANCE_VERDICT
from healthcare_assets.domain.verdict import Verdict, refused
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.registry import COMPILED_TAG, ChampionMovedError, ModelVersion
from healthcare_assets.resources.training_run import DATA_VERSION_TAG
from healthcare_assets.steps.champion import after, append_move
from healthcare_assets.steps.examination import Examination, examine
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, row_count
from healthcare_assets.steps.training import KNOWN_PATIENTS_TAG, PATIENTS_TAG

CARD = "model_card.html"
_DECIDED_BY = "governance_verdict"


def run(runtime: Runtime) -> StepReport:
    registry = runtime.registry
    challenger = registry.required_version("challenger")
    champion = registry.version_by_alias("champion")
    found = examine(runtime, challenger, champion)
    record = _decided(runtime, challenger, champion, found)
    return (_verdict_report(runtime, record, champion), _history_report(runtime))


def _decided(
    runtime: Runtime, challenger: ModelVersion, champion: ModelVersion | None, found: Examination
) -> VerdictRecord:
    """Decide, write the verdict down and move the alias, in this order; a champion who moved meanwhile refuses all.

    The registry is told before the alias moves: a process that dies in between leaves an approved model that is not
    champion, and never a champion without tags and card.
    """
    verdict = decide(found.evidence, policy=runtime.policy)
    record = _record(runtime, challenger, found, verdict)
    if verdict.decision == "rejected":
        _append(runtime, record)
        _publish(runtime, challenger, record)
        return record

    def write_down() -> None:
        _append(runtime, record)
        _publish(runtime, challenger, record)
        if champion != challenger:
            append_move(
                runtime,
                action="promotion",
                to=challenger,
                instead_of=champion,
                who=_DECIDED_BY,
                why="approved: all criteria passed",
                verdict_id=record.verdict_id,
            )

    try:
        runtime.registry.promote(challenger, instead_of=champion, record=write_down)
    except ChampionMovedError as error:
        record = _record(runtime, challenger, found, refused(verdict, str(error)))
        _append(runtime, record)
        _publish(runtime, challenger, record)
    return record


def _record(runtime: Runtime, challenger: ModelVersion, found: Examination, verdict: Verdict) -> VerdictRecord:
    tags = runtime.registry.tags(challenger)
    against = found.evidence.against_champion
    return VerdictRecord(
        verdict_id=str(uuid4()),
        model_name=challenger.name,
        model_version=challenger.version,
        candidate=tags.get("candidate"),
        verdict=verdict,
        metrics=found.evidence.metrics,
        beside=found.beside,
        groups=found.evidence.groups,
        patients=found.patients,
        known=found.known,
        known_share=found.known_share,
        compiled=tags.get(COMPILED_TAG),
        trained_on=tags.get(PATIENTS_TAG),
        trained_of=tags.get(KNOWN_PATIENTS_TAG),
        champion_version=against.champion if against else None,
        data_versions=found.data_versions,
        trained_on_data_versions={
            tag.removeprefix(DATA_VERSION_TAG): value for tag, value in tags.items() if tag.startswith(DATA_VERSION_TAG)
        },
        code_version=runtime.code_version,
        trained_by_code_version=tags.get("code_version"),
        mlflow_run_id=challenger.run_id,
        dagster_run_id=runtime.run_id,
        decided_at=after(_last_decided_at(runtime), runtime.now),
    )


def _last_decided_at(runtime: Runtime) -> datetime | None:
    lakehouse = runtime.lakehouse
    found = lakehouse.collect(lakehouse.scan(GOVERNANCE_VERDICT).select(nw.col("decided_at").max())).to_pylist()
    return found[0]["decided_at"] if found else None


def _append(runtime: Runtime, record: VerdictRecord) -> None:
    row = {
        "verdict_id": record.verdict_id,
        "model_name": record.model_name,
        "model_version": record.model_version,
        "decision": record.verdict.decision,
        "reasons": list(record.verdict.reasons),
        "criteria": [asdict(criterion) for criterion in record.verdict.criteria],
        "champion_version": record.champion_version,
        "data_versions": json.dumps(dict(record.data_versions), sort_keys=True),
        "trained_on_data_versions": json.dumps(dict(record.trained_on_data_versions), sort_keys=True),
        "code_version": record.code_version,
        "trained_by_code_version": record.trained_by_code_version,
        "mlflow_run_id": record.mlflow_run_id,
        "dagster_run_id": record.dagster_run_id,
        "decided_at": record.decided_at,
    }
    batch = pa.RecordBatch.from_pylist([row], schema=arrow_schema(GOVERNANCE_VERDICT.columns))
    lakehouse = runtime.lakehouse
    lakehouse.append(GOVERNANCE_VERDICT, lakehouse.from_batches([batch], columns=GOVERNANCE_VERDICT.columns))


def _publish(runtime: Runtime, challenger: ModelVersion, record: VerdictRecord) -> None:
    """Tell the registry: the version's tags and description, the card beside it, a run of the governance experiment."""
    decision = record.verdict.decision
    cards = {
        CARD: model_card.html(record, policy=runtime.policy).encode(),
        "model_card.md": model_card.markdown(record, policy=runtime.policy).encode(),
    }
    registry = runtime.registry
    registry.record_run(
        "governance",
        f"version {record.model_version}: {decision}",
        metrics={c.name: c.value for c in record.verdict.criteria if c.value is not None},
        tags={
            "decision": decision,
            "verdict_id": record.verdict_id,
            "model_version": record.model_version,
            "code_version": record.code_version,
            "dagster_run_id": record.dagster_run_id,
        },
        files=cards,
    )
    registry.attach(challenger, {f"{card_folder(record.verdict_id)}/{name}": card for name, card in cards.items()})
    registry.describe(
        challenger,
        tags={"compliance_status": decision, "verdict_id": record.verdict_id},
        description=model_card.description(record),
    )


def card_folder(verdict_id: str) -> str:
    """Where the cards of a verdict lie among the artifacts of the run that made the model."""
    return f"verdicts/{verdict_id}"


def _verdict_report(runtime: Runtime, record: VerdictRecord, champion: ModelVersion | None) -> AssetReport:
    verdict, policy, lakehouse = record.verdict, runtime.policy, runtime.lakehouse
    return AssetReport(
        asset=GOVERNANCE_VERDICT.name,
        location=lakehouse.location(GOVERNANCE_VERDICT),
        rows_in_table=row_count(lakehouse, lakehouse.scan(GOVERNANCE_VERDICT)),
        metadata={
            "decision": verdict.decision,
            "model_version": record.model_version,
            "champion_before": champion.version if champion else "none",
            "verdict_id": record.verdict_id,
            "reasons": Markdown("\n".join(f"- {reason}" for reason in verdict.reasons) or "All criteria passed."),
            "criteria": Markdown(model_card.criteria_table(verdict.criteria)),
            "metrics": Markdown(model_card.metrics_table(model_card.side_by_side(record))),
            "bias_by_group": Markdown(model_card.groups_section(record.groups, policy=policy)),
            "model_card": Markdown(model_card.markdown(record, policy=policy)),
            "data_versions": json.dumps(dict(record.data_versions), sort_keys=True),
            "code_version": record.code_version,
        },
    )


def _history_report(runtime: Runtime) -> AssetReport:
    lakehouse = runtime.lakehouse
    return AssetReport(
        asset=CHAMPION_HISTORY.name,
        location=lakehouse.location(CHAMPION_HISTORY),
        rows_in_table=row_count(lakehouse, lakehouse.scan(CHAMPION_HISTORY)),
    )
