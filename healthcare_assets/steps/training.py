"""`risk_features` → `trained_model`: the better candidate, registered in MLflow as the challenger."""

from collections.abc import Mapping

import narwhals as nw
import pandas as pd

from healthcare_assets.domain.tables import PARTITION_COLUMN, RISK_FEATURES, SILVER_PATIENTS
from healthcare_assets.domain.training import example_patient, train
from healthcare_assets.resources.lakehouse import Lakehouse
from healthcare_assets.resources.training_run import Lineage
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
from healthcare_assets.steps.runtime import Runtime


def run(runtime: Runtime) -> StepReport:
    lakehouse, registry = runtime.lakehouse, runtime.registry
    table = training_table(lakehouse)
    runtime.log(f"Training the candidates on {len(table):,} patients whose charges are known.")
    trained = train(table, policy=runtime.policy)
    version = registry.register(
        trained,
        example=example_patient(),
        lineage=Lineage(
            data_versions={t.name: str(lakehouse.version(t)) for t in (RISK_FEATURES, SILVER_PATIENTS)},
            code_version=runtime.code_version,
            dagster_run_id=runtime.run_id,
        ),
    )
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
                "candidates": Markdown(_side_by_side({c.name: c.metrics for c in trained.candidates})),
            },
        ),
    )


def training_table(lakehouse: Lakehouse) -> pd.DataFrame:
    """Each patient's latest features for which the charges are known, with these charges; one row a patient.

    The charges come from the record that the features were made of, so that the two belong to one moment.
    """
    charges = (
        lakehouse.scan(SILVER_PATIENTS)
        .filter(~nw.col("charges").is_null())
        .select("patient_key", PARTITION_COLUMN, "charges")
    )
    labelled = lakehouse.scan(RISK_FEATURES).join(charges, on=["patient_key", PARTITION_COLUMN], how="inner")
    latest = lakehouse.latest(labelled, key=["patient_key"], order_by=[PARTITION_COLUMN])
    table: pd.DataFrame = lakehouse.collect(latest.drop(PARTITION_COLUMN)).to_pandas()
    return table


def _side_by_side(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """The candidates' metrics as a Markdown table, a metric a line."""
    names = list(metrics)
    head = f"| out of fold | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"
    lines = (
        f"| {metric} | {' | '.join(f'{metrics[name][metric]:,.4g}' for name in names)} |"
        for metric in metrics[names[0]]
    )
    return "\n".join([head, *lines])
