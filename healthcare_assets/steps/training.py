"""`risk_features` and the costs that are known → `trained_model`: the best candidate, registered in MLflow as the
challenger; and on whom."""

import narwhals as nw
import pandas as pd
import pyarrow as pa

from healthcare_assets.domain.columns import PARTITION_COLUMN
from healthcare_assets.domain.hipaa import NO_TABLE
from healthcare_assets.domain.model_card import metrics_table
from healthcare_assets.domain.model_features import LABEL, PATIENT_KEY
from healthcare_assets.domain.monitoring.outcomes import with_known_charges
from healthcare_assets.domain.monitoring.tables import OBSERVED_OUTCOMES
from healthcare_assets.domain.tables import RISK_FEATURES, SILVER_PATIENTS, TRAINING_PATIENTS
from healthcare_assets.domain.training import TrainedModel, train
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.registry import ModelVersion
from healthcare_assets.resources.training_run import Lineage
from healthcare_assets.steps.outcomes import newest_outcomes
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime, row_count

TRAINED_FROM = (RISK_FEATURES, SILVER_PATIENTS, OBSERVED_OUTCOMES)
"""The tables that a training reads."""


def run(runtime: Runtime) -> StepReport:
    lakehouse, registry = runtime.lakehouse, runtime.registry
    # Asked before the tables are read: a version on record is never newer than what was trained on.
    versions = data_versions(lakehouse)
    table = training_table(lakehouse)
    runtime.log(f"Training the candidates on {len(table):,} patients whose charges are known.")
    trained = train(table, policy=runtime.policy)
    version = registry.register(
        trained,
        lineage=Lineage(
            data_versions=versions,
            code_version=runtime.code_version,
            dagster_run_id=runtime.run_id,
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
                "mlflow_run_id": version.run_id,
                "dataset_digest": trained.dataset_digest,
                "candidates": Markdown(_side_by_side(trained)),
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
    (`service_date`); one row a patient.

    The charges are those of the day that the features are of, so that the two belong to one moment: what became known
    of that day last, else what the day's record said.
    """
    records = lakehouse.scan(SILVER_PATIENTS).select("patient_key", PARTITION_COLUMN, "charges")
    known = with_known_charges(records, newest_outcomes(lakehouse))
    charges = known.filter(~nw.col("charges").is_null())
    labelled = lakehouse.scan(RISK_FEATURES).join(charges, on=["patient_key", PARTITION_COLUMN], how="inner")
    latest = lakehouse.latest(labelled, key=["patient_key"], order_by=[PARTITION_COLUMN])
    table: pd.DataFrame = lakehouse.collect(latest.rename({PARTITION_COLUMN: "service_date"})).to_pandas()
    return table


def _side_by_side(trained: TrainedModel) -> str:
    """The candidates' and the median's overall metrics as a Markdown table, a metric a line."""
    best, *others = sorted((*trained.candidates, trained.baseline), key=lambda result: result.name != trained.candidate)
    beside = {best.name: best.metrics, **{result.name: result.metrics for result in others}}
    return metrics_table(beside, first="out of fold")
