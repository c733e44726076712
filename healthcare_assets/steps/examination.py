"""The evidence on a challenger: judged on the current patients, beside the champion, loaded and scored on trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import narwhals as nw
import numpy as np
import pandas as pd

from healthcare_assets.domain.audit import verify
from healthcare_assets.domain.candidates import GLM
from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.comparison import compare
from healthcare_assets.domain.evaluation import Metrics, OutOfFold, metrics, of_the_median
from healthcare_assets.domain.fairness import calibration_by_group
from healthcare_assets.domain.governance import ChampionComparison, Evidence
from healthcare_assets.domain.hipaa import (
    AuditTrail,
    HipaaEvidence,
    audit_trail_evidence,
    columns_on_allow_list,
    training_table_evidence,
)
from healthcare_assets.domain.holdout import FoldedModel, held_out, membership_fault, overlapping_patients, scale_folds
from healthcare_assets.domain.leakage import Leak, label_leaks, undeclared_features
from healthcare_assets.domain.model_features import LABEL, PATIENT_KEY, design_frame
from healthcare_assets.domain.tables import (
    BRONZE_PATIENTS,
    CHAMPION_HISTORY,
    GOVERNANCE_VERDICT,
    RISK_FEATURES,
    TABLES,
    TRAINING_PATIENTS,
)
from healthcare_assets.domain.training import MEDIAN, canonical_order, population_fault
from healthcare_assets.domain.trial import probe_faults, trial_faults
from healthcare_assets.errors import RegistryError
from healthcare_assets.resources.audit_rows import entries
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.steps.recording import kept_head
from healthcare_assets.steps.runtime import Runtime, counts
from healthcare_assets.steps.training import TRAINED_FROM, data_versions, known_patients


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was found out about a challenger."""

    evidence: Evidence
    patients: int
    """How many it was evaluated on."""
    known: int
    """How many patients have known costs; of more than a training is given, a sample is evaluated."""
    known_share: float
    """Share (0–1) of the patients with features whose costs are known."""
    data_versions: Mapping[str, str]
    beside: Mapping[str, Metrics] = field(default_factory=dict)


def examine(runtime: Runtime, challenger: ModelVersion, champion: ModelVersion | None) -> Examination:
    """Everything that the verdict asks for. What could not be found out is missing, with the reason."""
    # The day is ours, not the patient's: nothing of what is examined.
    current = known_patients(runtime.lakehouse, policy=runtime.policy)
    table = current.table.drop(columns="service_date")
    known_share = _known_share(runtime, current.known)
    versions = data_versions(runtime.lakehouse)
    hipaa = _hipaa(runtime, challenger, champion, table)
    model, fault = _folded(runtime, challenger)
    if model is not None and (unfit := population_fault(table, runtime.policy)):
        model, fault = None, f"the current patients do not allow an evaluation: {unfit}"
    if model is None:
        return Examination(
            evidence=_no_evidence(hipaa, champion, fault or "", overlap=_overlap(runtime, challenger)),
            patients=0,
            known=current.known,
            known_share=known_share,
            data_versions=versions,
        )
    rows = canonical_order(table, seed=runtime.policy.training.seed)
    scale = scale_folds(rows[PATIENT_KEY], model)
    judged = held_out(model, rows, scale_fold=scale)
    found = metrics(judged, policy=runtime.policy)
    against, of_champion = None, None
    if champion is not None and champion.version != challenger.version:
        against, of_champion = _against_champion(runtime, champion, judged, rows)
    evidence = Evidence(
        metrics=found,
        groups=calibration_by_group(judged, found, known_share=known_share, policy=runtime.policy),
        leaks=_leaks(runtime, model, rows),
        overlapping_patients=overlapping_patients(model.trained_on),
        inference_faults=_inference_faults(runtime, challenger),
        hipaa=hipaa,
        against_champion=against,
    )
    beside = {MEDIAN: metrics(of_the_median(judged), policy=runtime.policy), **_actuarys(runtime, challenger)}
    if champion is not None and of_champion is not None:
        beside[f"champion (version {champion.version})"] = metrics(of_champion, policy=runtime.policy)
    return Examination(
        evidence=evidence,
        patients=len(rows),
        known=current.known,
        known_share=known_share,
        data_versions=versions,
        beside=beside,
    )


def _folded(runtime: Runtime, version: ModelVersion) -> tuple[FoldedModel | None, str | None]:
    """The version ready to be judged, or why it cannot be."""
    try:
        pipeline, reference = runtime.registry.load_pipeline(version), runtime.registry.reference(version.version)
        fold_pipelines = runtime.registry.load_folds(version)
    except RegistryError as error:
        return None, f"version {version.version} cannot be loaded: {str(error).rstrip('.')}"
    trained_on = _trained_on(runtime, version)
    if fault := membership_fault(trained_on, patients=reference.patients, folds=len(fold_pipelines)):
        return None, f"which patients version {version.version} has not seen is not known: {fault}"
    return FoldedModel(pipeline=pipeline, fold_pipelines=fold_pipelines, trained_on=trained_on), None


def _trained_on(runtime: Runtime, version: ModelVersion) -> pd.DataFrame:
    members = runtime.lakehouse.scan(TRAINING_PATIENTS).filter(nw.col("mlflow_run_id") == nw.lit(version.run_id))
    frame: pd.DataFrame = runtime.lakehouse.collect(members.select(PATIENT_KEY, "fold")).to_pandas()
    return frame


def _overlap(runtime: Runtime, version: ModelVersion) -> int | None:
    trained_on = _trained_on(runtime, version)
    return None if trained_on.empty else overlapping_patients(trained_on)


def _no_evidence(
    hipaa: list[HipaaEvidence], champion: ModelVersion | None, fault: str, *, overlap: int | None
) -> Evidence:
    against = None if champion is None else ChampionComparison(champion=champion.version, metrics={}, fault=fault)
    return Evidence(
        metrics={},
        groups=(),
        leaks=None,
        overlapping_patients=overlap,
        inference_faults=None,
        hipaa=hipaa,
        against_champion=against,
        fault=fault,
    )


def _against_champion(
    runtime: Runtime, champion: ModelVersion, judged: OutOfFold, rows: pd.DataFrame
) -> tuple[ChampionComparison, OutOfFold | None]:
    """The comparison on the same patients and the same scale of scores, and the champion's predictions."""
    model, fault = _folded(runtime, champion)
    if model is None:
        return ChampionComparison(champion=champion.version, metrics={}, fault=fault), None
    of_champion = held_out(model, rows, scale_fold=judged.fold)
    gain = compare(judged, of_champion, policy=runtime.policy)
    return ChampionComparison(champion=champion.version, metrics=gain), of_champion


def _actuarys(runtime: Runtime, challenger: ModelVersion) -> dict[str, Metrics]:
    """What the GLM reached in the challenger's training, unless the challenger is the GLM."""
    if runtime.registry.tags(challenger).get("candidate") == GLM:
        return {}
    results = runtime.registry.results(challenger)
    return {f"{GLM} (in training)": results[GLM]} if GLM in results else {}


def _leaks(runtime: Runtime, model: FoldedModel, rows: pd.DataFrame) -> list[Leak]:
    limit = runtime.policy.promotion.label_correlation_maximum
    charges = rows[LABEL].to_numpy(dtype=np.float64)
    return [
        *undeclared_features(list(model.pipeline.feature_names_in_)),
        *label_leaks(design_frame(rows), charges, limit=limit),
    ]


def _inference_faults(runtime: Runtime, version: ModelVersion) -> list[str]:
    """Loaded once more, as scoring does, and tried on made-up patients and on some of the newest day."""
    try:
        model, probe = runtime.registry.load(version), runtime.registry.load_probe(version)
    except RegistryError as error:
        return [str(error).rstrip(".")]
    sample = _newest_patients(runtime)
    return [
        *probe_faults(model, probe.patients, probe.predicted),
        *trial_faults(model, sample, predicted_at=runtime.now, policy=runtime.policy),
    ]


def _newest_patients(runtime: Runtime) -> pd.DataFrame:
    lakehouse = runtime.lakehouse
    newest = max(lakehouse.days(RISK_FEATURES))
    rows = lakehouse.scan(RISK_FEATURES, day=newest).drop(PARTITION_COLUMN)
    sample: pd.DataFrame = lakehouse.collect(rows.head(runtime.policy.promotion.inference_sample)).to_pandas()
    return sample


def _known_share(runtime: Runtime, labelled: int) -> float:
    keys = runtime.lakehouse.scan(RISK_FEATURES).select(nw.col(PATIENT_KEY).n_unique().cast(nw.Int64).alias("patients"))
    patients = counts(runtime.lakehouse, keys)["patients"]
    return labelled / patients if patients else 0.0


def _hipaa(
    runtime: Runtime, challenger: ModelVersion, champion: ModelVersion | None, table: pd.DataFrame
) -> list[HipaaEvidence]:
    """As the tables and the registry show it now."""
    lakehouse = runtime.lakehouse
    published = {
        table.name: lakehouse.scan(table).collect_schema().names()
        for table in TABLES.values()
        if table is not BRONZE_PATIENTS
    }
    moves = lakehouse.collect(lakehouse.scan(CHAMPION_HISTORY)).to_pylist()
    approved = lakehouse.scan(GOVERNANCE_VERDICT).filter(nw.col("decision") == nw.lit("approved"))
    trail = AuditTrail(
        lineage=runtime.registry.tags(challenger),
        table_versions={table.name: lakehouse.version(table) for table in TRAINED_FROM},
        champion=champion.version if champion else None,
        last_move=max(moves, key=lambda move: move["moved_at"], default=None),
        approved_versions=lakehouse.collect(approved.select("model_version")).column(0).to_pylist(),
        chain_faults=verify(entries(lakehouse), known_head=kept_head(runtime.settings)).faults,
    )
    return [
        columns_on_allow_list(published),
        training_table_evidence(table, policy=runtime.policy),
        audit_trail_evidence(trail),
    ]
