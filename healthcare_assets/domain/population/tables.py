"""The table of the population's health; `domain.tables` lists it with the others."""

from healthcare_assets.domain.columns import MONTH, Table, column

ATTRIBUTES = ("region", "age_band", "sex", "smoker", "bmi_category")
"""By what is split."""
_WITHHELD = "null where it, or what could be worked out from it, would tell of 1 to 10 persons"

POPULATION_HEALTH = Table(
    name="population_health",
    description="Risk and cost of the month's scored patients by region, age band, sex, smoking and BMI category, and "
    "their changes since the month before. No figure tells of 1 to 10 persons, nor do all of them together.",
    columns=(
        column("region", "string", "northeast, northwest, southeast, southwest; `all` where not split by it."),
        column("age_band", "string", "0-24, 25-34, 35-49, 50-64, 65-over (years); `all` where not split by it."),
        column("sex", "string", "female, male; `all` where not split by it."),
        column("smoker", "string", "no, yes; `all` where not split by it."),
        column("bmi_category", "string", "underweight, normal, overweight, obese; `all` where not split by it."),
        column("members", "integer", f"Patients scored in the month; {_WITHHELD}.", nullable=True),
        column("suppressed", "boolean", "Whether anything of the row is withheld."),
        column("mean_predicted_charges", "float", "US dollars a year; null without members.", nullable=True),
        column("mean_risk_score", "float", "0–100; null without members.", nullable=True),
        column("high_risk_share", "float", f"Share at high risk, 0–1; {_WITHHELD}.", nullable=True),
        column("members_with_cost", "integer", f"Patients whose cost is known; {_WITHHELD}.", nullable=True),
        column("mean_cost", "float", "Of the patients whose cost is known, US dollars a year.", nullable=True),
        column("members_change", "integer", "Since the month before; null where either is.", nullable=True),
        column("mean_predicted_charges_change", "float", "US dollars, since the month before.", nullable=True),
        column("mean_risk_score_change", "float", "Points, since the month before.", nullable=True),
        column("high_risk_share_change", "float", "Since the month before.", nullable=True),
        column("mean_cost_change", "float", "US dollars, since the month before.", nullable=True),
        MONTH,
    ),
    key=ATTRIBUTES,
)
