"""The care team's list as a table: the patients who need a person's attention, and the rules that put them there."""

from healthcare_assets.domain.columns import DAY, PATIENT_KEY, Table, column

HIGH_COST, REQUIRES_REVIEW, RISEN, CRITICAL = "high_cost", "requires_review", "risen", "critical"
RULES = (HIGH_COST, REQUIRES_REVIEW, RISEN, CRITICAL)
"""In the order of their urgency: a patient is listed with the first that is met. What is getting worse comes before
what has been bad for long, since something can still be done about it, and nobody may have called yet."""

CARE_MANAGEMENT = Table(
    name="care_management",
    description="The day's patients who need a person's attention, the most urgent first, each with the rule that put "
    "them there and the reasons in words. The first of them, as many as the care team can call, are exported as CSV.",
    columns=(
        column("rank", "integer", "Place on the day's list, from 1: by rule, risk score, predicted charges and key."),
        PATIENT_KEY,
        column("risk_score", "float", "Percentile (0–100) among the charges of the training population."),
        column("risk_category", "string", "low, medium, high or critical."),
        column("predicted_charges", "float", "Predicted charges of the year in US dollars."),
        column("charges_lower", "float", "Lower bound of the 90 % prediction interval in US dollars."),
        column("charges_upper", "float", "Upper bound of the 90 % prediction interval in US dollars."),
        column(
            "score_change",
            "float",
            "Points by which the risk score has changed since `last_scored_on`; null when there is no such day.",
            nullable=True,
        ),
        column(
            "last_scored_on",
            "date",
            "The last day before on which the patient was scored; null when there was none in the year before.",
            nullable=True,
        ),
        column(
            "rule",
            "string",
            "The first rule that the patient meets: high_cost (among the highest predicted charges), requires_review "
            "(very high score, or a smoker's high one), risen (the score has risen by much), critical.",
        ),
        column("why", "string", "The rule, what has changed, and the reasons of the prediction, in words."),
        column(
            "reasons",
            "reason_codes",
            "What raises the predicted charges most, from `predictions`; empty where it was not worked out there.",
        ),
        column("model_version", "string", "Registered version of the model that predicted."),
        column("within_capacity", "boolean", "Whether the patient is among those whom the care team can call."),
        DAY,
    ),
    key=("patient_key",),
)
