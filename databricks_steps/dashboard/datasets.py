"""The queries of the dashboard, in the SQL that Databricks and Spark have in common.

They name tables alone; catalog and schema are the deployment's. What they give are aggregates: no row is a patient, and
no count is one of 1 to 10 persons. `pricing_factors` and `population_health` have been suppressed as a whole; of counts
of a day those of few persons are left out, and no total stands beside them from which they could be worked out.
"""

# ruff: noqa: S608 - put together from what stands in this file, and from nothing that anybody gives

from collections.abc import Mapping
from dataclasses import dataclass

from healthcare_assets.domain.population.tables import ATTRIBUTES
from healthcare_assets.domain.small_cells import MINIMUM_CELL

DAYS_SHOWN = 90
"""Back from the newest day of each table."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A query that widgets show."""

    title: str
    query: str


def _since(source: str) -> str:
    return f"partition_date > (SELECT date_sub(max(partition_date), {DAYS_SHOWN}) FROM {source})"


def _newest(source: str) -> str:
    return f"partition_date = (SELECT max(partition_date) FROM {source})"


_SCORED = f"""
SELECT partition_date, count(*) AS patients, avg(predicted_charges) AS mean_predicted_charges,
  avg(CASE WHEN high_risk_patient THEN 1.0 ELSE 0.0 END) AS high_risk_share
FROM predictions
WHERE {_since("predictions")}
GROUP BY partition_date
HAVING count(*) >= {MINIMUM_CELL}
  AND count_if(high_risk_patient) NOT BETWEEN 1 AND {MINIMUM_CELL - 1}
  AND count_if(NOT high_risk_patient) NOT BETWEEN 1 AND {MINIMUM_CELL - 1}
"""

_BY_ATTRIBUTE = "CASE {} END".format(
    " ".join(f"WHEN {name} <> 'all' THEN '{name.replace('_', ' ')}: ' || {name}" for name in ATTRIBUTES)
)
_SPLIT_BY = " + ".join(f"CASE WHEN {name} <> 'all' THEN 1 ELSE 0 END" for name in ATTRIBUTES)

DATASETS: Mapping[str, Dataset] = {
    "scored_days": Dataset(title="Scored days", query=f"{_SCORED}ORDER BY partition_date"),
    "newest_day": Dataset(title="The newest scored day", query=f"{_SCORED}ORDER BY partition_date DESC LIMIT 1"),
    "champion": Dataset(
        title="The champion",
        query="""
SELECT model_version, moved_at, action, who, why FROM champion_history ORDER BY moved_at DESC LIMIT 1
""",
    ),
    "care_by_rule": Dataset(
        title="Care list by rule",
        query=f"""
SELECT partition_date, rule, count(*) AS patients
FROM care_management
WHERE {_since("care_management")}
GROUP BY partition_date, rule
HAVING count(*) >= {MINIMUM_CELL}
ORDER BY partition_date, rule
""",
    ),
    "pricing": Dataset(
        title="Pricing factors of the newest month",
        query=f"""
SELECT dimension, level, members, observed_cost, credibility, expected_cost, expected_lower, expected_upper,
  relativity, rule
FROM pricing_factors
WHERE {_newest("pricing_factors")}
ORDER BY CASE WHEN dimension = 'all' THEN 0 ELSE 1 END, dimension, try_cast(split_part(level, '-', 1) AS INT), level
""",
    ),
    "age_factors": Dataset(
        title="Relativities by age",
        query=f"""
SELECT CAST(split_part(level, '-', 1) AS INT) AS age, relativity
FROM pricing_factors
WHERE {_newest("pricing_factors")} AND dimension = 'age'
ORDER BY age
""",
    ),
    "group_factors": Dataset(
        title="Expected cost by area, tobacco and family",
        query=f"""
SELECT dimension || ': ' || level AS group_name, expected_cost, relativity
FROM pricing_factors
WHERE {_newest("pricing_factors")} AND dimension IN ('area', 'tobacco', 'family')
ORDER BY dimension, level
""",
    ),
    "population": Dataset(
        title="Population of the newest month, by one attribute",
        query=f"""
SELECT {_BY_ATTRIBUTE} AS group_name, members, mean_predicted_charges, mean_cost, mean_risk_score, high_risk_share
FROM population_health
WHERE {_newest("population_health")} AND {_SPLIT_BY} = 1
ORDER BY group_name
""",
    ),
    "population_cells": Dataset(
        title="Population of the newest month, all cells",
        query=f"""
SELECT region, age_band, sex, smoker, bmi_category, members, mean_predicted_charges, mean_risk_score, high_risk_share,
  mean_cost, members_change, mean_predicted_charges_change, mean_cost_change, suppressed
FROM population_health
WHERE {_newest("population_health")}
ORDER BY {_SPLIT_BY}, region, age_band, sex, smoker, bmi_category
""",
    ),
    "population_months": Dataset(
        title="The whole population, month by month",
        query=f"""
SELECT partition_date AS month, members, mean_predicted_charges, mean_cost, high_risk_share
FROM population_health
WHERE {_SPLIT_BY} = 0
ORDER BY month
""",
    ),
    "performance": Dataset(
        title="Error by service day",
        query=f"""
SELECT service_date, max_by(risk_score_mae, partition_date) AS risk_score_mae,
  max_by(mae_charges, partition_date) AS mae_charges, max_by(predictive_ratio, partition_date) AS predictive_ratio
FROM model_performance
WHERE scope = 'service day' AND status = 'matured' AND attribute = 'all' AND {_since("model_performance")}
GROUP BY service_date
ORDER BY service_date
""",
    ),
    "bias": Dataset(
        title="Predicted against actual costs by group, newest window",
        query=f"""
SELECT attribute || ': ' || `group` AS group_name, predictive_ratio, ratio_lower, ratio_upper, outcomes, biased
FROM model_performance
WHERE scope = 'window' AND {_newest("model_performance")} AND outcomes >= {MINIMUM_CELL}
ORDER BY group_name
""",
    ),
    "drift": Dataset(
        title="Population stability index by day and column",
        query=f"""
SELECT partition_date, `column`, value
FROM drift_report
WHERE statistic = 'psi' AND {_since("drift_report")}
ORDER BY partition_date, `column`
""",
    ),
    "alerts": Dataset(
        title="Drift alerts",
        query=f"""
SELECT partition_date, `column`, statistic, value, threshold, detail, model_version
FROM drift_report
WHERE alert AND {_since("drift_report")}
ORDER BY partition_date DESC, `column`, statistic
""",
    ),
    "verdicts": Dataset(
        title="Verdicts",
        query="""
SELECT decided_at, model_version, decision, array_join(reasons, '; ') AS reasons, champion_version
FROM governance_verdict
ORDER BY decided_at DESC
""",
    ),
    "criteria": Dataset(
        title="Criteria of the newest verdict",
        query="""
SELECT criterion.name AS criterion, criterion.value AS value, criterion.comparison AS comparison,
  criterion.threshold AS threshold, criterion.passed AS passed, criterion.detail AS detail
FROM (SELECT explode(criteria) AS criterion FROM (SELECT * FROM governance_verdict ORDER BY decided_at DESC LIMIT 1))
ORDER BY passed, criterion
""",
    ),
    "trail": Dataset(
        title="What was done beside the daily work",
        query="""
SELECT recorded_at, action, subject, who, why, sequence
FROM audit_trail
WHERE action <> 'materialized'
ORDER BY sequence DESC
LIMIT 500
""",
    ),
}
