"""Every statistic of the day in one table, and what each of them means."""

from collections.abc import Mapping

from healthcare_assets.domain.monitoring.findings import DriftStatistic, MonitoredDay
from healthcare_assets.domain.monitoring.report_distributions import (
    hiding_columns,
    limit,
    statistic_name,
    statistic_value,
)
from healthcare_assets.domain.monitoring.report_figures import count_beside, percent
from healthcare_assets.domain.monitoring.report_parts import ALERT, nothing, section
from healthcare_assets.domain.page import escaped, table
from healthcare_assets.policy import Policy


def statistics(day: MonitoredDay) -> str:
    """The table, in the order in which columns are monitored, those that alert first."""
    title = "All statistics"
    if not day.drift:
        return section("statistics", title, "", nothing("nothing was measured"))
    hiding = hiding_columns(day)
    rows = {found.column: found.n_current for found in day.drift if found.statistic == "null_rate"}
    ordered = sorted(day.drift, key=lambda found: not found.alert)
    head = ("column", "statistic", "value", "limit", "alert", "in words", "patients", "in training")
    listed = table(title, head, (_row(found, day, rows, hiding) for found in ordered), words=(1, 4, 5))
    alerts = sum(found.alert for found in day.drift)
    intro = f"{alerts} of {len(day.drift)} statistics alert; these come first." if alerts else "None of them alerts."
    return section("statistics", title, intro, f'<div class="long">{listed}</div>\n')


def _row(found: DriftStatistic, day: MonitoredDay, rows: Mapping[str, int], hiding: frozenset[str]) -> tuple[str, ...]:
    of_one_category = found.statistic == "share_shift" and found.column in hiding
    return (
        found.column,
        statistic_name(found.statistic),
        statistic_value(found, hiding=hiding),
        limit(found),
        f"{ALERT} alert" if found.alert else "",
        "" if of_one_category else found.detail,
        _patients(found, day, rows),
        count_beside(found.n_reference, (day.reference_patients,)),
    )


def _patients(found: DriftStatistic, day: MonitoredDay, rows: Mapping[str, int]) -> str:
    """Beside the day's predictions and the column's rows: the difference is who has no value."""
    return count_beside(found.n_current, (day.predictions, rows.get(found.column, found.n_current)))


def glossary(policy: Policy) -> str:
    """What each statistic means, and when it alerts."""
    entries = "".join(
        f"<div><dt>{escaped(term)}</dt><dd>{escaped(meaning)}</dd></div>\n"
        for term, meaning in _meanings(policy).items()
    )
    return section("glossary", "What the figures mean", "", f"<dl>\n{entries}</dl>\n")


def _meanings(policy: Policy) -> dict[str, str]:
    rules, fairness = policy.drift, policy.fairness
    chance = "or beyond what chance explains of so few patients, whichever is further"
    return {
        "PSI": "Population stability index: how differently the patients are spread over the deciles (or categories) "
        f"of the training population. Alerts over {rules.psi_maximum:g}, {chance}.",
        "Shift": "Cliff's delta, −1 to 1: the chance that a patient of the day has a higher value than one of the "
        f"training population, less the chance of a lower one. Alerts beyond ±{rules.shift_maximum:g}, {chance}.",
        "Share shift": "Cohen's h of the category whose share changed most: the difference of the shares, as angles. "
        f"Alerts beyond ±{rules.share_shift_maximum:g}, {chance}.",
        "Missing values": "Share of the patients without a value. Alerts when it is over that of the training "
        f"population by more than {percent(rules.null_rate_increase_maximum)} of the patients and by more than chance.",
        "New categories": "Share of the patients in categories that nobody of the training population was in. Alerts "
        f"over {percent(rules.new_category_share_maximum)}.",
        "Vanished categories": "How many categories of the training population have no patient on the day, though "
        "chance would hardly leave them empty. Any alerts.",
        "Missing column": "The day's data do not have the column at all. Always alerts.",
        "Predictions": f"How many patients were scored. Alerts under {policy.data.low_volume_below}.",
        "Jensen–Shannon distance": "Distance of the two distributions over the same bins, 0 (equal) to 1. Never "
        "alerts.",
        "Kolmogorov–Smirnov": "The largest difference of the two cumulative distributions, 0 to 1. Never alerts.",
        "Wasserstein distance": "How far values moved on average, in standard deviations of the training population. "
        "Never alerts.",
        "Mean shift": "Difference of the means, in standard deviations of the training population. Never alerts.",
        "χ², χ² p-value": "Pearson's test of equal shares; with many patients every difference is significant, so it "
        "never alerts.",
        "Mean absolute error (MAE)": "How far the risk score, 0 to 100 points, is off on average once costs are known. "
        f"Asks for retraining over {policy.promotion.risk_score_mae_maximum:g} points.",
        "R²": "Share of the variance of the risk score that the prediction explains: 1 is exact, 0 no better than the "
        "mean. Never alerts.",
        "Predicted ÷ actual": "Predictive ratio: sum of predicted costs over sum of actual ones; under 1, costs "
        f"were underestimated. Alerts for a group that is off by more than {percent(fairness.bias_maximum)}, and by "
        "more than chance.",
    }
