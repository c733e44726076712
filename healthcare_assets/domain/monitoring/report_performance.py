"""Predictions against what patients turned out to cost: by service day, and by group of patients."""

from collections.abc import Sequence
from itertools import pairwise

from healthcare_assets.domain.monitoring.findings import MonitoredDay, Performance
from healthcare_assets.domain.monitoring.performance import EVERYBODY
from healthcare_assets.domain.monitoring.report_figures import NOT_SHOWN, count_beside, dollars, finite, number, plural
from healthcare_assets.domain.monitoring.report_parts import card, key, nothing, section
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, trend
from healthcare_assets.domain.page import table
from healthcare_assets.domain.small_cells import MINIMUM_CELL, counted, is_small
from healthcare_assets.policy import Policy

_TITLE = "Predictions against costs"


def service_days(day: MonitoredDay) -> list[Performance]:
    """Of everybody, in order."""
    found = [one for one in day.performance if one.scope == "service day" and one.attribute == EVERYBODY]
    return sorted(found, key=lambda one: (one.service_date, one.model_version or ""))


def performance(day: MonitoredDay, *, policy: Policy) -> str:
    """The error of the risk score by service day as a chart, everything else in a table beside it."""
    found = service_days(day)
    if not found:
        return section("performance", _TITLE, "", nothing("no predictions whose costs have to be awaited"))
    rules = policy.monitoring
    intro = (
        f"The costs of a service day become known over weeks. It counts as matured when {rules.matured_share:.0%} of "
        f"them are known; until then its figures are provisional, and overdue after {rules.outcomes_due_days} days."
    )
    beside = f'<div class="beside">\n{_error(found, policy)}{_table(found)}</div>\n'
    return section("performance", _TITLE, intro, beside)


def _error(found: Sequence[Performance], policy: Policy) -> str:
    limit = policy.promotion.risk_score_mae_maximum
    told = [one for one in found if finite(one.risk_score_mae) is not None and not is_small(one.outcomes)]
    title = "Mean absolute error of the risk score (points)"
    if not told:
        why = f"no service day has {policy.monitoring.minimum_outcomes} known costs yet"
        return card(title, nothing(why))
    points = [
        Point(
            day=one.service_date,
            value=one.risk_score_mae,
            limit=None,
            alert=(one.risk_score_mae or 0.0) > limit,
            hollow=one.status != "matured",
        )
        for one in told
    ]
    days = Days(first=found[0].service_date, last=found[-1].service_date)
    panel = Panel(title=f"Limit: {limit:g} points", points=points, form=number, joined=False, height=130.0, level=limit)
    matured = [one for one in told if one.status == "matured"]
    beyond = sum(point.alert for point in points)
    said = (
        f"{plural(len(told), 'service day')} with an error, {len(matured)} of them matured; {beyond} over the limit of "
        f"{limit:g} points. " + _newest(matured)
    )
    versions = {
        after.service_date: after.model_version
        for before, after in pairwise(found)
        if after.model_version is not None and after.model_version != before.model_version
    }
    legend = key(("dot", "matured"), ("dot hollow", "not matured"), ("alert", "over the limit"), ("limit", "limit"))
    drawn = trend("errors", title, said, [panel], days=days, versions=versions)
    over = bool(matured) and (matured[-1].risk_score_mae or 0.0) > limit
    return card(title, legend + drawn, badge="over the limit" if over else "", said=[said])


def _newest(matured: Sequence[Performance]) -> str:
    if not matured:
        return "None has matured."
    newest = matured[-1]
    return f"The newest matured day is {newest.service_date}: {number(newest.risk_score_mae)} points."


def _table(found: Sequence[Performance]) -> str:
    head = (
        "service day",
        "status",
        "MAE (points)",
        "R²",
        "predicted ÷ actual",
        "MAE ($)",
        "costs known",
        "predictions",
        "model version",
    )
    rows = [
        (
            str(one.service_date),
            one.status,
            *figures_of(one),
            known_of(one),
            counted(one.predictions),
            one.model_version or "none",
        )
        for one in reversed(found)
    ]
    return table("Predictions against costs by service day, the newest first", head, rows, words=(1,))


def figures_of(one: Performance) -> tuple[str, str, str, str]:
    """Error of the risk score, its R², predicted ÷ actual, and error in US dollars, as they may be shown."""
    if is_small(one.outcomes):
        return (NOT_SHOWN,) * 4
    error, r2, ratio = (number(value) for value in (one.risk_score_mae, one.risk_score_r2, one.predictive_ratio))
    return error, r2, ratio, dollars(one.mae_charges)


def known_of(one: Performance) -> str:
    """How many costs are known, as it may be shown: neither these nor those that are not may be 1 to 10."""
    if is_small(one.predictions - one.outcomes) and not is_small(one.outcomes):
        return f"all but fewer than {MINIMUM_CELL}"
    return count_beside(one.outcomes, ())
