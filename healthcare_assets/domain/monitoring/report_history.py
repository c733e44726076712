"""How the statistics of drift went over the last days."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

from healthcare_assets.domain.monitoring.findings import ALL, HistoryPoint, MonitoredDay
from healthcare_assets.domain.monitoring.report_cells import may_be_shown
from healthcare_assets.domain.monitoring.report_distributions import (
    alerting_columns,
    hiding_columns,
    in_its_unit,
    statistic_name,
)
from healthcare_assets.domain.monitoring.report_figures import NOT_SHOWN, finite, name, number, percent, plural
from healthcare_assets.domain.monitoring.report_parts import card, cards, figures, key, nothing, section
from healthcare_assets.domain.monitoring.report_trend import Days, Panel, Point, trend
from healthcare_assets.policy import Policy

_SHIFTS = ("shift", "share_shift")
_PANELS = ("predictions", "psi", *_SHIFTS, "null_rate")
"""The statistics that have a panel, in the order of the panels."""


def history(day: MonitoredDay, *, policy: Policy) -> str:
    """A chart a column: first the predictions, then the columns that alert on the day, then the others."""
    days = policy.monitoring.history_days
    span = Days(first=day.day - timedelta(days=days - 1), last=day.day)
    points = [point for point in day.history if span.first <= point.day <= span.last and point.statistic in _PANELS]
    title = f"The last {days} days"
    if not points:
        return section("history", title, "", nothing(f"no statistics of these {days} days are known"))
    alerting = alerting_columns(day.drift)
    columns = sorted(
        dict.fromkeys(point.column for point in points), key=lambda column: (column != ALL, column not in alerting)
    )
    versions, hiding = version_changes(day.history), hiding_columns(day)
    drawn = [
        _card(index, column, [point for point in points if point.column == column], span, versions)
        if column not in hiding
        else _hidden_card(column, [point for point in points if point.column == column], span)
        for index, column in enumerate(columns)
    ]
    legend = key(
        ("line", "statistic"),
        ("limit", "limit"),
        ("alert", "alert"),
        ("version", "another model took over"),
        ("untold", "not shown: few patients"),
    )
    intro = "A gap is a day that was not monitored. The limit depends on the number of patients."
    return section("history", title, intro, legend + cards(part for part in drawn if part))


def version_changes(points: Sequence[HistoryPoint]) -> dict[date, str]:
    """The days on which another model than on the monitored day before was the reference."""
    by_day = {point.day: point.model_version for point in points if point.model_version is not None}
    return {day: version for (_, before), (day, version) in pairwise(sorted(by_day.items())) if version != before}


def _card(index: int, column: str, points: Sequence[HistoryPoint], span: Days, versions: Mapping[date, str]) -> str:
    """Empty where nothing is known of the column."""
    panels = [panel for panel in (_panel(statistic, points) for statistic in _PANELS) if panel is not None]
    if not panels:
        return ""
    title, alerts = _column_name(column), _alerting_days(points)
    said = f"{_alerts(alerts)} {_changes(versions)}".strip()
    drawn = trend(
        f"history-{index}",
        f"{title} over the last days",
        _described(panels, said),
        panels,
        days=span,
        versions=versions,
    )
    badge = "alert today" if span.last in alerts else ""
    return card(title, drawn + _figures(title, panels), badge=badge, said=[_alerts(alerts)])


def _hidden_card(column: str, points: Sequence[HistoryPoint], span: Days) -> str:
    """In words what a chart would give away."""
    alerts = _alerting_days(points)
    why = "The values are not shown, since some of the categories have too few patients on the day."
    badge = "alert today" if span.last in alerts else ""
    return card(_column_name(column), f'<p class="nothing">{why}</p>\n', badge=badge, said=[_alerts(alerts)])


def _column_name(column: str) -> str:
    return "Predictions a day" if column == ALL else name(column)


def _alerting_days(points: Sequence[HistoryPoint]) -> list[date]:
    return sorted({point.day for point in points if point.alert})


def _panel(statistic: str, points: Sequence[HistoryPoint]) -> Panel | None:
    own = sorted((point for point in points if point.statistic == statistic), key=lambda point: point.day)
    known = [point for point in own if finite(point.value) is not None]
    if not known or (statistic == "null_rate" and not any(point.value for point in known)):
        return None
    return Panel(
        title=_title(known[-1]),
        points=[
            Point(
                day=point.day,
                value=finite(point.value) if may_be_shown(statistic, point.value, patients=point.n_current) else None,
                limit=finite(point.threshold),
                alert=point.alert,
            )
            for point in known
        ],
        form=percent if statistic == "null_rate" else number,
        both_ways=statistic in _SHIFTS,
    )


def _title(newest: HistoryPoint) -> str:
    """The statistic with its newest value."""
    shown = may_be_shown(newest.statistic, newest.value, patients=newest.n_current)
    value = in_its_unit(newest.column, newest.statistic, newest.value) if shown else NOT_SHOWN
    words = statistic_name(newest.statistic)
    return f"{words[:1].upper()}{words[1:]}: {value}"


def _alerts(alerts: Sequence[date]) -> str:
    if not alerts:
        return "No alert."
    return f"Alerts on {plural(len(alerts), 'day')}, the last on {alerts[-1]}."


def _changes(versions: Mapping[date, str]) -> str:
    """In words, for whoever does not see the lines."""
    return " ".join(f"Model version {version} from {day} on." for day, version in versions.items())


def _described(panels: Sequence[Panel], said: str) -> str:
    ranges = []
    for panel in panels:
        values = [point.value for point in panel.points if point.value is not None]
        span = f"from {panel.form(min(values))} to {panel.form(max(values))}" if values else NOT_SHOWN
        ranges.append(f"{panel.title.partition(':')[0]} {span} on {plural(len(panel.points), 'day')}")
    return f"Lines over days. {'; '.join(ranges)}. {said}"


def _figures(title: str, panels: Sequence[Panel]) -> str:
    by_day: dict[date, list[str]] = {}
    for position, panel in enumerate(panels):
        for point in panel.points:
            row = by_day.setdefault(point.day, [""] * (2 * len(panels)))
            row[2 * position] = NOT_SHOWN if point.value is None else panel.form(point.value)
            row[2 * position] += " (alert)" if point.alert else ""
            bound = "" if point.limit is None else panel.form(point.limit)
            row[2 * position + 1] = f"±{bound}" if panel.both_ways and bound else bound
    head = ["day", *(words for panel in panels for words in (panel.title.partition(":")[0], "limit"))]
    return figures(f"{title} by day", head, ((str(day), *row) for day, row in sorted(by_day.items(), reverse=True)))
