"""The pages of the dashboard: the four uses, monitoring and decisions."""

from collections.abc import Mapping

from databricks_steps.dashboard.widgets import Field, Widget, bars, counter, line, table, text
from healthcare_assets.domain.population.tables import ATTRIBUTES

_DAY = Field(column="partition_date", title="Day")
_GROUP = Field(column="group_name", title="Group")
_PATIENTS = Field(column="patients", title="Patients", format="count")
_MEMBERS = Field(column="members", title="Members", format="count")
_PREDICTED = Field(column="mean_predicted_charges", title="Mean predicted charges, US dollars a year", format="usd")
_HIGH_RISK = Field(column="high_risk_share", title="Share at high risk", format="percent")
_COST = Field(column="mean_cost", title="Mean cost, US dollars a year", format="usd")
_EXPECTED = Field(column="expected_cost", title="Expected cost, US dollars a year", format="usd")
_RELATIVITY = Field(column="relativity", title="Relativity", format="number")


def _plain(column: str, title: str) -> Field:
    return Field(column=column, title=title)


def _number(column: str, title: str) -> Field:
    return Field(column=column, title=title, format="number")


def _usd(column: str, title: str) -> Field:
    return Field(column=column, title=title, format="usd")


def pages() -> Mapping[str, tuple[str, list[Widget]]]:
    """Each page's title and widgets by its name."""
    return {
        "prediction": ("Cost prediction", _prediction()),
        "care": ("Risk and care", _care()),
        "pricing": ("Pricing", _pricing()),
        "population": ("Population", _population()),
        "monitoring": ("Monitoring", _monitoring()),
        "decisions": ("Decisions", _decisions()),
    }


def _prediction() -> list[Widget]:
    return [
        text("prediction-title", "## What patients are expected to cost in a year, by the champion"),
        counter("newest-day", "The newest scored day", "newest_day", _DAY),
        counter("newest-patients", "Patients scored", "newest_day", _PATIENTS),
        counter("champion-version", "The champion's version", "champion", _plain("model_version", "Version")),
        line("predicted-by-day", "Mean predicted charges by day", "scored_days", over=_DAY, value=_PREDICTED),
        line("patients-by-day", "Patients scored by day", "scored_days", over=_DAY, value=_PATIENTS),
        line("error-by-day", "Mean absolute error by service day", "performance", over=_SERVICE, value=_ERROR),
        line("ratio-by-day", "Σ predicted ÷ Σ actual by service day", "performance", over=_SERVICE, value=_RATIO),
    ]


_SERVICE = Field(column="service_date", title="Service day")
_ERROR = Field(column="mae_charges", title="Mean absolute error, US dollars", format="usd")
_RATIO = Field(column="predictive_ratio", title="Predictive ratio", format="number")


def _care() -> list[Widget]:
    rule = _plain("rule", "Rule")
    return [
        text("care-title", "## Who needs attention: how many a day, by the rule that put them on the list"),
        text("care-note", "Fewer than 11 patients of a rule are not shown. The list itself is the care team's."),
        bars(
            "care-by-rule",
            "Listed patients",
            "care_by_rule",
            by=_DAY,
            value=_PATIENTS,
            split=rule,
            scale="temporal",
            width=6,
        ),
        line("high-risk-by-day", "Share at high risk by day", "scored_days", over=_DAY, value=_HIGH_RISK, width=6),
    ]


def _pricing() -> list[Widget]:
    age = _plain("age", "Age")
    return [
        text("pricing-title", "## What members cost, and the relativities that the law allows: the newest month"),
        bars("expected-by-group", "Expected cost", "group_factors", by=_GROUP, value=_EXPECTED),
        bars("relativity-by-group", "Relativities", "group_factors", by=_GROUP, value=_RELATIVITY),
        line("age-curve", "Age curve", "age_factors", over=age, value=_RELATIVITY, scale="quantitative", width=6),
        table(
            "factors",
            "All factors (empty: withheld, since they would tell of 1 to 10 persons)",
            "pricing",
            [
                _plain("dimension", "Dimension"),
                _plain("level", "Level"),
                _MEMBERS,
                _usd("observed_cost", "Observed cost"),
                _number("credibility", "Credibility"),
                _EXPECTED,
                _usd("expected_lower", "from"),
                _usd("expected_upper", "to"),
                _RELATIVITY,
                _plain("rule", "Rule"),
            ],
        ),
    ]


def _population() -> list[Widget]:
    month = _plain("month", "Month")
    return [
        text("population-title", "## Risk and cost of the population: the newest month, and over time"),
        bars("predicted-by-group", "Mean predicted charges", "population", by=_GROUP, value=_PREDICTED),
        bars("risk-by-group", "Share at high risk", "population", by=_GROUP, value=_HIGH_RISK),
        line("cost-by-month", "Mean cost by month", "population_months", over=month, value=_COST),
        line("members-by-month", "Members by month", "population_months", over=month, value=_MEMBERS),
        table(
            "cells",
            "All cells (empty: withheld, since they would tell of 1 to 10 persons)",
            "population_cells",
            [
                *(_plain(name, name.replace("_", " ").capitalize()) for name in ATTRIBUTES),
                _MEMBERS,
                _PREDICTED,
                _number("mean_risk_score", "Mean risk score"),
                _HIGH_RISK,
                _COST,
                Field(column="members_change", title="Members, change", format="count"),
                _usd("mean_predicted_charges_change", "Predicted, change"),
                _usd("mean_cost_change", "Cost, change"),
            ],
        ),
    ]


def _monitoring() -> list[Widget]:
    column = _plain("column", "Column")
    value = _number("value", "Population stability index")
    mae = _number("risk_score_mae", "Points")
    return [
        text("monitoring-title", "## Is the day as what the model was trained on, and were its predictions right?"),
        line("psi-by-day", "Stability by day", "drift", over=_DAY, value=value, split=column),
        line("score-error", "Error of the risk score by service day", "performance", over=_SERVICE, value=mae),
        bars("ratio-by-group", "Predicted ÷ actual by group", "bias", by=_GROUP, value=_RATIO, width=6),
        table(
            "alerts",
            "Alerts",
            "alerts",
            [
                _DAY,
                column,
                _plain("statistic", "Statistic"),
                _number("value", "Value"),
                _number("threshold", "Threshold"),
                _plain("detail", "In words"),
                _plain("model_version", "Model version"),
            ],
        ),
    ]


def _decisions() -> list[Widget]:
    who, why = _plain("who", "Who"), _plain("why", "Why")
    return [
        text("decisions-title", "## Which model scores, who decided it, and what else was done"),
        table(
            "verdicts",
            "Verdicts",
            "verdicts",
            [
                _plain("decided_at", "When (UTC)"),
                _plain("model_version", "Version"),
                _plain("decision", "Decision"),
                _plain("reasons", "Reasons"),
                _plain("champion_version", "Compared with"),
            ],
        ),
        table(
            "criteria",
            "Criteria of the newest verdict",
            "criteria",
            [
                _plain("criterion", "Criterion"),
                _number("value", "Value"),
                _plain("comparison", ""),
                _number("threshold", "Threshold"),
                _plain("passed", "Passed"),
                _plain("detail", "In words"),
            ],
        ),
        table(
            "trail",
            "Promotions, rollbacks, exports, erasures, rotations, expiries and failures",
            "trail",
            [
                _plain("recorded_at", "When (UTC)"),
                _plain("action", "Action"),
                _plain("subject", "Subject"),
                who,
                why,
            ],
        ),
    ]
