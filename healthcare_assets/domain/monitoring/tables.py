"""The tables of monitoring; `domain.tables` lists them with the others."""

from healthcare_assets.domain.columns import DAY, PARTITION_COLUMN, PATIENT_KEY, Table, column

_KNOWN_ON = column(PARTITION_COLUMN, "date", "The day (UTC) on which the cost became known.")

OBSERVED_OUTCOMES = Table(
    name="observed_outcomes",
    description="What patients turned out to cost, by the day on which it became known.",
    columns=(
        PATIENT_KEY,
        column("charges", "float", "Medical charges of the year in US dollars, as they turned out."),
        column("service_date", "date", "The day (UTC) whose record and prediction the cost belongs to."),
        column("source_records", "integer", "How many of the day's records this row stands for (1 + repetitions)."),
        _KNOWN_ON,
    ),
    key=("patient_key", "service_date"),
)

QUARANTINED_OUTCOMES = Table(
    name="quarantined_outcomes",
    description="Outcomes refused, with all their reasons and without identifiers; what was readable is kept.",
    columns=(
        column(PATIENT_KEY.name, "string", PATIENT_KEY.description, nullable=True),
        column("charges", "float", "Medical charges of the year in US dollars.", nullable=True),
        column("service_date", "date", "The day (UTC) that the cost is said to belong to.", nullable=True),
        column("reasons", "strings", "Every rule that the record breaks."),
        column("source_row", "integer", "Position of the record in the day's delivery, from 1."),
        _KNOWN_ON,
    ),
    key=("source_row",),
)

DRIFT_REPORT = Table(
    name="drift_report",
    description="The day's records, predictions and outcomes against the training population of the model that scored "
    "them: a row a monitored column and statistic.",
    columns=(
        column("column", "string", "The monitored column; `all` for what concerns the day as a whole."),
        column("statistic", "string", "What was measured, see docs/monitoring.md."),
        column("value", "float", "Its value; null where the data do not give one.", nullable=True),
        column("threshold", "float", "The value beyond which it alerts; null for information only.", nullable=True),
        column("alert", "boolean", "Whether it asks for attention."),
        column("n_reference", "integer", "Patients of the training population that it is based on."),
        column("n_current", "integer", "The day's patients, records or outcomes that it is based on."),
        column("detail", "string", "In words, what the number does not say; may be empty."),
        column("model_version", "string", "The model whose training population is the reference.", nullable=True),
        DAY,
    ),
    key=("column", "statistic"),
)

MODEL_PERFORMANCE = Table(
    name="model_performance",
    description="Predictions against what patients turned out to cost, as far as it was known on the day: a row a "
    "service day, and a row a group over the newest matured days.",
    columns=(
        column("scope", "string", "`service day`, or `window` for the newest matured days together."),
        column("service_date", "date", "The service day; of a window, the newest one in it."),
        column("attribute", "string", "all, sex, region or age_band."),
        column("group", "string", "The group of patients; all for everybody."),
        column("status", "string", "matured, provisional, overdue, or insufficient data."),
        column("predictions", "integer", "Predictions whose cost is, or was, to be awaited."),
        column("outcomes", "integer", "Those of them whose cost is known."),
        column("risk_score_mae", "float", "Mean absolute error of the risk score, in points.", nullable=True),
        column("risk_score_r2", "float", "Coefficient of determination of the risk score.", nullable=True),
        column("mae_charges", "float", "Mean absolute error in US dollars.", nullable=True),
        column("r2_charges", "float", "Coefficient of determination of the charges.", nullable=True),
        column("predictive_ratio", "float", "Σ predicted ÷ Σ actual charges.", nullable=True),
        column("ratio_lower", "float", "Lower bound of its 95 % interval.", nullable=True),
        column("ratio_upper", "float", "Upper bound of its 95 % interval.", nullable=True),
        column("biased", "boolean", "Whether the ratio is off by more than is allowed, and by more than chance."),
        column("model_version", "string", "The model that predicted.", nullable=True),
        DAY,
    ),
    key=("scope", "service_date", "attribute", "group"),
)
