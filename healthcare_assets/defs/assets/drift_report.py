import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_SCIENCE, blocking_checks, table_spec, watching_checks
from healthcare_assets.domain.monitoring.tables import DRIFT_REPORT, MODEL_PERFORMANCE
from healthcare_assets.policy import POLICY

MONITORED = ["predictions", "risk_features", "silver_patients", "quarantined_patients", "observed_outcomes"]


@dg.multi_asset(
    specs=[
        table_spec(table, group="monitoring", owner=DATA_SCIENCE, deps=[*MONITORED, "training_patients"], due_at=7)
        for table in (DRIFT_REPORT, MODEL_PERFORMANCE)
    ],
    check_specs=[
        *blocking_checks(
            DRIFT_REPORT.name, {"schema_matches_contract": "Columns, types and required values are those declared."}
        ),
        *watching_checks(
            DRIFT_REPORT.name,
            {
                "feature_drift": "The day's features are as the model was trained on: else investigate.",
                "prediction_drift": "The day's predictions are as in training: else investigate.",
                "outcome_drift": "Costs delivered or known by the day are as in training: else investigate.",
                "risk_score_error": "The risk score of the newest service day whose costs are known is at most "
                f"{POLICY.promotion.risk_score_mae_maximum:g} points off: else train anew.",
                "prediction_volume": f"At least {POLICY.data.low_volume_below} predictions a day: else check the "
                "pipeline.",
                "demographic_bias": f"No group's predicted cost is off by over {POLICY.fairness.bias_maximum:.0%}: "
                "else have the model reviewed.",
                "outcomes_overdue": f"Costs are known {POLICY.monitoring.outcomes_due_days} days after the service: "
                "else ask who delivers them.",
            },
        ),
    ],
)
def drift_report(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "monitoring")
