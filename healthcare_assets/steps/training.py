"""`risk_features` and the costs that are known → `trained_model`: the best candidate, registered in MLflow as the
challenger; and on whom."""

from dataclasses import dataclass

import narwhals as nw
import pandas as pd
import pyarrow as pa

from healthcare_assets.domain import sampling
from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.figures.training import calibration_figure, candidate_figures, metrics_of
from healthcare_assets.domain.hipaa import NO_TABLE
from healthcare_assets.domain.model_card import metrics_table
from healthcare_assets.domain.model_features import LABEL, PATIENT_KEY
from healthcare_assets.domain.monitoring.outcomes import with_known_charges
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.tables import RISK_FEATURES, SILVER_PATIENTS, TRAINING_PATIENTS
from healthcare_assets.domain.training import SELECTION_SKILL, TrainedModel, train
from healthcare_assets.policy import POLICY, Policy
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Frame, Lakehouse
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.resources.training_run import Lineage
from healthcare_assets.steps.outcomes import newest_outcomes
from healthcare_assets.steps.pictures import shown
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, row_count

TRAINED_FROM = (RISK_FEATURES, SILVER_PATIENTS, OBSERVED_OUTCOMES)
"""The tables that a training reads."""
PATIENTS_TAG, KNOWN_PATIENTS_TAG = "patients_trained_on", "patients_with_known_charges"
"""Beside the model in the registry: on how many it was trained, and of how many."""


@dataclass(frozen=True, kw_only=True)
class KnownPatients:
    """The patients whose charges are known, or a sample of them where they are more than training needs."""

    table: pd.DataFrame
    """One row a patient, see `training_table`."""
    known: int
    """How many there are in all."""

    def in_words(self) -> str:
        """Whom the table holds, for the log and the record."""
        if len(self.table) == self.known:
            return f"{self.known:,} patients whose charges are known"
        return f"{len(self.table):,} of {self.known:,} patients whose charges are known, a stratified sample"


def run(runtime: Runtime) -> StepReport:
    lakehouse, registry = runtime.lakehouse, runtime.registry
    # Asked before the tables are read: a version on record is never newer than what was trained on.
    versions = data_versions(lakehouse)
    patients = known_patients(lakehouse, policy=runtime.policy)
    table = patients.table
    runtime.log(f"Training the candidates on {patients.in_words()}.")
    trained = train(table, policy=runtime.policy)
    runtime.log(f"R² of charges, out of fold: {_ranked(trained)}.")
    runtime.log(f"The best is {trained.candidate}; compiled for scoring: {trained.compilation.kind}.")
    version = registry.register(
        trained,
        lineage=Lineage(
            data_versions=versions,
            code_version=runtime.code_version,
            dagster_run_id=runtime.run_id,
            tags={PATIENTS_TAG: str(len(table)), KNOWN_PATIENTS_TAG: str(patients.known)},
        ),
    )
    members = _append_members(runtime, version, trained, table)
    return (
        AssetReport(
            asset="trained_model",
            location=f"models:/{version.name}/{version.version}",
            data_version=version.version,
            metadata={
                "model": trained.candidate,
                "version": version.version,
                "patients": len(table),
                "patients_with_known_charges": patients.known,
                "trained_on": patients.in_words(),
                "mlflow_run_id": version.run_id,
                "dataset_digest": trained.dataset_digest,
                "compiled": trained.compilation.kind,
                "candidates": Markdown(_side_by_side(trained)),
                **metrics_of(trained),
                **_pictures(trained, runtime.policy),
            },
        ),
        AssetReport(
            asset=TRAINING_PATIENTS.name,
            location=lakehouse.location(TRAINING_PATIENTS),
            rows_in_table=row_count(lakehouse, lakehouse.scan(TRAINING_PATIENTS)),
            metadata={"appended": members},
        ),
    )


def data_versions(lakehouse: Lakehouse) -> dict[str, str]:
    """The latest version of each table that a training reads, by name; `NO_TABLE` where there is none yet."""
    found = {table.name: lakehouse.version(table) for table in TRAINED_FROM}
    return {name: NO_TABLE if version is None else str(version) for name, version in found.items()}


def _append_members(runtime: Runtime, version: ModelVersion, trained: TrainedModel, table: pd.DataFrame) -> int:
    """Write down who was trained on, in which fold, and what was predicted for them there."""
    held_out = trained.out_of_fold
    members = pd.DataFrame(
        {
            PATIENT_KEY: held_out.patient_key,
            "fold": held_out.fold,
            LABEL: held_out.charges,
            "predicted_charges": held_out.predicted,
            "risk_score": held_out.risk_score,
        }
    ).merge(table[[PATIENT_KEY, "service_date"]], on=PATIENT_KEY, validate="one_to_one")
    stamped = members.assign(
        mlflow_run_id=version.run_id,
        model_name=version.name,
        model_version=version.version,
        predicted_at=runtime.now,
    )
    schema = arrow_schema(TRAINING_PATIENTS.columns)
    batch = pa.RecordBatch.from_pandas(stamped[schema.names], schema=schema, preserve_index=False)
    lakehouse = runtime.lakehouse
    return lakehouse.append(TRAINING_PATIENTS, lakehouse.from_batches([batch], columns=TRAINING_PATIENTS.columns))


def training_table(lakehouse: Lakehouse) -> pd.DataFrame:
    """Each patient's latest features for which the charges are known, with these charges and the day that both are of
    (`service_date`); one row a patient. Of more patients than `policy.TrainingRules.maximum_patients` a sample.

    The charges are those of the day that the features are of, so that the two belong to one moment: what became known
    of that day last, else what the day's record said.
    """
    return known_patients(lakehouse).table


def known_patients(lakehouse: Lakehouse, *, policy: Policy = POLICY) -> KnownPatients:
    """The `training_table`, and how many patients it stands for.

    Who is in a sample is a matter of the patients' content alone, see `domain.sampling`. No more of the others are
    collected than it takes to find them.
    """
    records = lakehouse.scan(SILVER_PATIENTS).select("patient_key", PARTITION_COLUMN, "charges")
    known = with_known_charges(records, newest_outcomes(lakehouse, lakehouse.scan(OBSERVED_OUTCOMES)))
    charges = known.filter(~nw.col("charges").is_null())
    labelled = lakehouse.scan(RISK_FEATURES).join(charges, on=["patient_key", PARTITION_COLUMN], how="inner")
    latest = lakehouse.latest(labelled, key=["patient_key"], order_by=[PARTITION_COLUMN])
    # Written down, since the tables would otherwise be joined once to count and once more to collect.
    names = [column.name for column in sampling.PATIENT_COLUMNS]
    placed = lakehouse.map_batches(
        latest.rename({PARTITION_COLUMN: "service_date"}).select(*names),
        sampling.with_strata(seed=policy.training.seed),
        columns=sampling.PLACED_COLUMNS,
    )
    patients = lakehouse.once(placed)
    sizes = patients.group_by(sampling.STRATUM).agg(nw.len().cast(nw.Int64).alias("patients"))
    counts = {row[sampling.STRATUM]: row["patients"] for row in lakehouse.collect(sizes).to_pylist()}
    if sum(counts.values()) <= policy.training.maximum_patients:
        table: pd.DataFrame = lakehouse.collect(patients.drop(sampling.STRATUM, sampling.PLACE)).to_pandas()
        return KnownPatients(table=table, known=len(table))
    sample = _sample(lakehouse, patients, counts, at_most=policy.training.maximum_patients)
    return KnownPatients(table=sample, known=sum(counts.values()))


def _sample(lakehouse: Lakehouse, patients: Frame, counts: sampling.Counts, *, at_most: int) -> pd.DataFrame:
    """As many of each stratum as are its due."""
    wanted = sampling.quotas(counts, patients=at_most)
    wider = 1.0
    while True:
        limits = sampling.limits(counts, wanted, wider=wider)
        batch = pa.RecordBatch.from_pylist(
            [{sampling.STRATUM: stratum, sampling.LIMIT: limit} for stratum, limit in limits.items()],
            schema=arrow_schema(sampling.LIMIT_COLUMNS),
        )
        near = patients.join(
            lakehouse.from_batches([batch], columns=sampling.LIMIT_COLUMNS), on=[sampling.STRATUM], how="inner"
        ).filter(nw.col(sampling.PLACE) < nw.col(sampling.LIMIT))
        collected: pd.DataFrame = lakehouse.collect(near.drop(sampling.LIMIT)).to_pandas()
        sample = sampling.chosen(collected, wanted)
        if sample is not None:
            return sample
        wider *= 4.0


def _pictures(trained: TrainedModel, policy: Policy) -> dict[str, Markdown]:
    calibration = calibration_figure(trained)
    return shown(candidate_figures(trained, policy=policy) | ({"calibration": calibration} if calibration else {}))


def _ranked(trained: TrainedModel) -> str:
    """The candidates with what the best of them is chosen by, the best first."""
    skill = {result.name: result.metrics[SELECTION_SKILL].value for result in trained.candidates}
    return ", ".join(f"{name} {skill[name]:.4f}" for name in sorted(skill, key=lambda name: -skill[name]))


def _side_by_side(trained: TrainedModel) -> str:
    """The candidates' and the median's overall metrics as a Markdown table, a metric a line."""
    best, *others = sorted((*trained.candidates, trained.baseline), key=lambda result: result.name != trained.candidate)
    beside = {best.name: best.metrics, **{result.name: result.metrics for result in others}}
    return metrics_table(beside, first="out of fold")
