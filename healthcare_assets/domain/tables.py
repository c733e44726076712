"""The tables of the contract, once: names, columns, types and what each column means.

Everything that needs a schema takes it from here: the lakehouse when it creates a table, the schema checks, the column
descriptions in the Dagster UI and the allow-list that the HIPAA evidence is computed against.
"""

from collections.abc import Mapping

from healthcare_assets.domain.audit import AUDIT_TRAIL
from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.columns import DAY, PATIENT_KEY, Column, Table, column
from healthcare_assets.domain.monitoring.tables import (
    DRIFT_REPORT,
    MODEL_PERFORMANCE,
    OBSERVED_OUTCOMES,
    QUARANTINED_OUTCOMES,
)
from healthcare_assets.domain.population.tables import POPULATION_HEALTH
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS

_SOURCE_DESCRIPTIONS: Mapping[str, str] = {
    "patient_id": "The source's id of the patient. Identifier.",
    "first_name": "Identifier.",
    "last_name": "Identifier.",
    "age": "Age in years.",
    "birth_date": "Date of birth. Identifier.",
    "sex": "male or female, in any usual spelling.",
    "region": "US region: northeast, northwest, southeast, southwest, in any usual spelling.",
    "bmi": "Body mass index in kg/m².",
    "smoker": "Whether the patient smokes, in any usual spelling.",
    "children": "Number of dependants covered.",
    "charges": "Medical charges of the year in US dollars; empty while not known.",
    "insurance_plan": "Name or tier of the insurance plan.",
    "coverage_start_date": "First day of coverage. Identifier (a date).",
    "zip_code": "ZIP code of the residence, five or nine digits. Identifier.",
    "timestamp": "When the source last wrote the record.",
}

SOURCE_COLUMNS: tuple[str, ...] = tuple(_SOURCE_DESCRIPTIONS)
"""The columns that a source may carry. Every other column stays in bronze."""

REQUIRED_SOURCE_COLUMNS: tuple[tuple[str, ...], ...] = (
    ("age", "birth_date"),
    ("sex",),
    ("region",),
    ("bmi",),
    ("smoker",),
    ("children",),
)
"""Each group needs at least one of its columns in the source."""

SEXES = ("female", "male")
REGIONS = ("northeast", "northwest", "southeast", "southwest")
BMI_CATEGORIES = ("underweight", "normal", "overweight", "obese")
RISK_CATEGORIES = ("low", "medium", "high", "critical")
INSURANCE_PLANS = (
    "basic",
    "standard",
    "premium",
    "catastrophic",
    "bronze",
    "silver",
    "gold",
    "platinum",
    "hmo",
    "ppo",
    "epo",
    "pos",
    "hdhp",
    "medicare",
    "medicaid",
    "other",
)

_ATTRIBUTES = (
    column("age", "integer", "Age in completed years on the day; 90 stands for 90 and over (Safe Harbor)."),
    column("sex", "string", "female or male."),
    column("region", "string", "northeast, northwest, southeast or southwest."),
    column("bmi", "float", "Body mass index in kg/m²."),
    column("smoker", "boolean", "Whether the patient smokes."),
    column("children", "integer", "Number of dependants covered."),
)
_ENROLMENT = (
    column("charges", "float", "Medical charges of the year in US dollars; null while not known.", nullable=True),
    column("insurance_plan", "string", "Plan tier from the declared list; `other` for any other plan.", nullable=True),
    column(
        "coverage_start_year",
        "integer",
        "Year in which the coverage began; null where it would tell an age over 89 (Safe Harbor).",
        nullable=True,
    ),
    column(
        "zip3",
        "string",
        "First three digits of the ZIP code; 000 where too few people live there (Safe Harbor).",
        nullable=True,
    ),
)


def _nullable(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(column(c.name, c.type, c.description, nullable=True) for c in columns)


BRONZE_PATIENTS = Table(
    name="bronze_patients",
    description="Patient records exactly as delivered, every value as text. The only table that holds identifiers.",
    columns=(
        *(column(name, "string", text, nullable=True) for name, text in _SOURCE_DESCRIPTIONS.items()),
        column("other_columns", "string", "Undeclared columns of the record as a JSON object.", nullable=True),
        column("malformed", "string", "Why the record could not be split into its columns.", nullable=True),
        column("id_expected", "boolean", "Whether the source has a patient_id column at all."),
        column("source_file", "string", "File or table that the record was read from."),
        column("source_row", "integer", "Position of the record in the day's delivery, from 1."),
        column("cutoff", "date", "Latest day (UTC) on which the record can have been written: later dates are future."),
        DAY,
    ),
    key=("source_row",),
    identifying=True,
)

SILVER_PATIENTS = Table(
    name="silver_patients",
    description="The day's valid patients, one row each, cleaned and de-identified (Safe Harbor).",
    columns=(
        PATIENT_KEY,
        *_ATTRIBUTES,
        *_ENROLMENT,
        column("data_quality_score", "float", "Share of the record's expected values that were delivered, 0–100."),
        column("hipaa_deidentified", "boolean", "Computed per row: pseudonymous key, no age over 90."),
        column("source_records", "integer", "How many of the day's records this row stands for (1 + duplicates)."),
        DAY,
    ),
    key=("patient_key",),
)

QUARANTINED_PATIENTS = Table(
    name="quarantined_patients",
    description="Records refused, with all their reasons and without identifiers; what was readable is kept.",
    columns=(
        column(PATIENT_KEY.name, "string", PATIENT_KEY.description, nullable=True),
        *_nullable(_ATTRIBUTES),
        *_ENROLMENT,
        column("reasons", "strings", "Every rule that the record breaks."),
        column("source_row", "integer", "Position of the record in bronze_patients for the day."),
        DAY,
    ),
    key=("source_row",),
)

DIM_PATIENTS = Table(
    name="dim_patients",
    description="What was known of each patient from when to when: a row a version, one of them current "
    "(slowly changing dimension, type 2).",
    columns=(
        PATIENT_KEY,
        *_ATTRIBUTES,
        *_ENROLMENT,
        column("effective_date", "date", "First day of the version."),
        column("expiry_date", "date", "First day of the next version; null while current.", nullable=True),
        column("is_current_record", "boolean", "True for exactly one version of each patient."),
        column("record_version", "integer", "1 for the patient's first version, counted up."),
    ),
    daily=False,
    key=("patient_key", "effective_date"),
)

RISK_FEATURES = Table(
    name="risk_features",
    description="What the model is told of each of the day's patients. Nothing in it is derived from charges.",
    columns=(
        PATIENT_KEY,
        *_ATTRIBUTES,
        column("age_risk_score", "integer", "1–5: under 25, 35, 50, 65, and 65 or over."),
        column("bmi_category", "string", "WHO/CDC: underweight < 18.5, normal < 25, overweight < 30, obese."),
        column("smoking_impact", "float", "Age × 2.5 for smokers, × 1 otherwise."),
        column("family_size_factor", "float", "1 + 0.15 × children."),
        column("regional_multiplier", "float", "northeast 1.2, northwest 1.1, southeast 1.0, southwest 0.95."),
        column("health_risk_composite", "float", "20 × age_risk_score + 50 if smoker + 30 if BMI over 30."),
        DAY,
    ),
    key=("patient_key",),
    time_series=True,
)

PREDICTIONS = Table(
    name="predictions",
    description="What the model in use (the champion) expects each of the day's patients to cost in the year: with an "
    "interval, a risk score and the reasons.",
    columns=(
        PATIENT_KEY,
        column("predicted_charges", "float", "Predicted charges of the year in US dollars."),
        column("charges_lower", "float", "Lower bound of the 90 % prediction interval in US dollars."),
        column("charges_upper", "float", "Upper bound of the 90 % prediction interval in US dollars."),
        column("risk_score", "float", "Percentile (0–100) among the charges of the training population."),
        column("adjusted_risk_score", "float", "The risk score, at least 10."),
        column("risk_category", "string", "low < 30, medium < 60, high < 85, else critical."),
        column("high_risk_patient", "boolean", "Risk score over 75, or critical."),
        column("requires_review", "boolean", "Risk score over 90, or a smoker's over 60."),
        column("high_cost", "boolean", "Predicted charges at or over the reference's 95th percentile."),
        column(
            "reason_codes",
            "reason_codes",
            "Up to three attributes that raise the predicted charges most above those of the typical patient, with "
            "dollars and words; for patients who are high risk or require review, else empty.",
        ),
        column("model_name", "string", "Registered name of the champion."),
        column("model_version", "string", "Registered version of the champion."),
        column("predicted_at", "timestamp", "When the prediction was made (UTC)."),
        DAY,
    ),
    key=("patient_key",),
)

GOVERNANCE_VERDICT = Table(
    name="governance_verdict",
    description="Whether each trained model may be used, and why: every criterion's value beside its threshold. "
    "Append-only.",
    columns=(
        column("verdict_id", "string", "Unique id of the decision."),
        column("model_name", "string", "Registered name of the model."),
        column("model_version", "string", "Registered version that was judged."),
        column("decision", "string", "approved or rejected."),
        column("reasons", "strings", "Why, in plain words; empty when approved."),
        column(
            "criteria",
            "criteria",
            "Each criterion: name, value with its 95 % interval, threshold, comparison, passed, detail.",
        ),
        column("champion_version", "string", "The champion that the model was compared with.", nullable=True),
        column("data_versions", "string", "Versions of the tables that were judged on, as a JSON object."),
        column("trained_on_data_versions", "string", "Versions of the tables trained on, as a JSON object."),
        column("code_version", "string", "Version of the code that decided."),
        column("trained_by_code_version", "string", "Version of the code that trained.", nullable=True),
        column("mlflow_run_id", "string", "The MLflow run that made the model."),
        column("dagster_run_id", "string", "The Dagster run that decided."),
        column("decided_at", "timestamp", "When the decision was made (UTC)."),
    ),
    daily=False,
    key=("verdict_id",),
)

TRAINING_PATIENTS = Table(
    name="training_patients",
    description="Who each model was trained on, in which fold, and what was predicted for them out of fold: what keeps "
    "evaluation apart from training, and the baseline that predictions are compared with.",
    columns=(
        column("mlflow_run_id", "string", "The MLflow run that made the model."),
        PATIENT_KEY,
        column("fold", "integer", "The fold that the patient was held out with, from 0."),
        column("service_date", "date", "The day (UTC) of the record that was trained on."),
        column("charges", "float", "The charges that were trained on, in US dollars."),
        column("predicted_charges", "float", "Predicted charges in US dollars by the model that has not seen them."),
        column("risk_score", "float", "Percentile (0–100) of the prediction among the charges of the other folds."),
        column("model_name", "string", "Registered name of the model."),
        column("model_version", "string", "Registered version of the model."),
        column("predicted_at", "timestamp", "When the model was trained (UTC)."),
    ),
    daily=False,
    key=("mlflow_run_id", "patient_key"),
)

CHAMPION_HISTORY = Table(
    name="champion_history",
    description="Which model has been in use (the champion) since when: each change, with who made it and why. "
    "Append-only.",
    columns=(
        column("move_id", "string", "Unique id of the move."),
        column("action", "string", "promotion or rollback."),
        column("model_name", "string", "Registered name of the model."),
        column("model_version", "string", "The version that became champion."),
        column("replaced_version", "string", "The champion before it; null for the first one.", nullable=True),
        column("who", "string", "Who asked for the move: a person, or the job that decided."),
        column("why", "string", "The reason given, or the verdict's."),
        column("verdict_id", "string", "The verdict that a promotion follows from.", nullable=True),
        column("dagster_run_id", "string", "The Dagster run that moved the alias."),
        column("moved_at", "timestamp", "When the move was recorded (UTC)."),
    ),
    daily=False,
    key=("move_id",),
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        BRONZE_PATIENTS,
        SILVER_PATIENTS,
        QUARANTINED_PATIENTS,
        DIM_PATIENTS,
        RISK_FEATURES,
        PREDICTIONS,
        CARE_MANAGEMENT,
        TRAINING_PATIENTS,
        GOVERNANCE_VERDICT,
        CHAMPION_HISTORY,
        OBSERVED_OUTCOMES,
        QUARANTINED_OUTCOMES,
        DRIFT_REPORT,
        MODEL_PERFORMANCE,
        AUDIT_TRAIL,
        PRICING_FACTORS,
        POPULATION_HEALTH,
    )
}
