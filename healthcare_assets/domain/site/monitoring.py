"""Monitoring over time: alerts, predictions and the error of the risk score by day, with the way to each report."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from healthcare_assets.domain.figures.costs import service_days
from healthcare_assets.domain.monitoring.findings import ALL
from healthcare_assets.domain.monitoring.report_figures import finite, name, number, plural
from healthcare_assets.domain.monitoring.report_parts import card, cards, figures, key, nothing, section, tiles
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, trend
from healthcare_assets.domain.page import escaped
from healthcare_assets.domain.site.frame import site_page
from healthcare_assets.domain.small_cells import is_small

Rows = Sequence[Mapping[str, Any]]


def monitoring_page(*, drift: Rows, performance: Rows, reports: Mapping[date, str], made_at: datetime) -> str:
    """The rows of `drift_report` and `model_performance` of the days to show, and the files of the days' reports."""
    intro = "Each day against what its model was trained on, and predictions against what patients turned out to cost."
    if not drift:
        body = nothing("no day has been monitored yet: run the job daily_monitoring")
        return site_page("monitoring", "Monitoring over time", intro, body, made_at=made_at)
    days = sorted({row["partition_date"] for row in drift})
    alerts = _alerts(drift)
    span = Days(first=days[0], last=days[-1])
    drawn = [_alerts_card(days, alerts, span), _predictions_card(drift, span), _error_card(performance)]
    return site_page(
        "monitoring",
        "Monitoring over time",
        intro,
        tiles(
            ("Days monitored", f"{len(days):,}", f"{days[0]} to {days[-1]}"),
            ("Days with an alert", str(sum(bool(alerts[day]) for day in days)), "of what was delivered or predicted"),
            ("The newest day", _told(alerts[days[-1]]), str(days[-1])),
        )
        + section(
            "trends",
            "By day",
            "A gap is a day that was not monitored.",
            key(("line", "statistic"), ("alert", "alert"), ("untold", "not shown: few patients")) + cards(drawn),
        )
        + section("days", "Reports of the days", "", _days(days, alerts, reports)),
        made_at=made_at,
    )


def _alerts(drift: Rows) -> Mapping[date, list[str]]:
    """Columns that ask for attention, by day."""
    found: dict[date, list[str]] = defaultdict(list)
    for row in drift:
        if row["alert"] and name(row["column"]) not in found[row["partition_date"]]:
            found[row["partition_date"]].append(name(row["column"]))
    return found


def _told(columns: Sequence[str]) -> str:
    return f"{plural(len(columns), 'column')} ask{'s' if len(columns) == 1 else ''}" if columns else "quiet"


def _alerts_card(days: Sequence[date], alerts: Mapping[date, list[str]], span: Days) -> str:
    points = [Point(day=day, value=float(len(alerts[day])), limit=None, alert=bool(alerts[day])) for day in days]
    return _card("alerts", "Columns that ask for attention", points, span)


def _predictions_card(drift: Rows, span: Days) -> str:
    points = [
        Point(
            day=row["partition_date"],
            value=None if is_small(row["n_current"]) else float(row["n_current"]),
            limit=None,
            alert=row["alert"],
        )
        for row in sorted(drift, key=lambda row: row["partition_date"])
        if row["column"] == ALL and row["statistic"] == "predictions"
    ]
    return _card("predictions", "Patients scored", points, span)


def _error_card(performance: Rows) -> str:
    points = [
        Point(
            day=one.service_date,
            value=None if is_small(one.outcomes) else finite(one.risk_score_mae),
            limit=None,
            hollow=one.status != "matured",
        )
        for one in service_days(performance)
        if finite(one.risk_score_mae) is not None
    ]
    if not points:
        return card("Error of the risk score", nothing("no costs are known yet"))
    span = Days(first=points[0].day, last=points[-1].day)
    return _card("error", "Error of the risk score, points, by service day", points, span)


def _card(identity: str, title: str, points: Sequence[Point], span: Days) -> str:
    if not points:
        return card(title, nothing("none is on record"))
    values = [point.value for point in points if point.value is not None]
    described = f"From {number(min(values))} to {number(max(values))}." if values else "Not shown: few patients."
    drawn = trend(identity, title, described, [Panel(title="", points=points, form=number)], days=span, versions={})
    rows = [
        (str(point.day), "not shown" if point.value is None else number(point.value), "alert" if point.alert else "")
        for point in reversed(points)
    ]
    return card(title, drawn + figures(f"{title} by day", ("day", "value", ""), rows, words=(2,)))


def _days(days: Sequence[date], alerts: Mapping[date, list[str]], reports: Mapping[date, str]) -> str:
    listed = "".join(
        f"<li>{_report(day, reports)}: {escaped(', '.join(alerts[day]) or 'quiet')}</li>\n" for day in reversed(days)
    )
    return f"<ul>\n{listed}</ul>\n"


def _report(day: date, reports: Mapping[date, str]) -> str:
    return f'<a href="{escaped(reports[day])}">{day}</a>' if day in reports else str(day)
