"""The monitoring report of a day: one page that loads nothing, for whoever was alerted and whoever wonders.

No figure on it stands for 1 to 10 patients (`small_cells`).
"""

from healthcare_assets.domain.checks import CheckOutcome
from healthcare_assets.domain.monitoring.findings import ALL, MonitoredDay
from healthcare_assets.domain.monitoring.report_distributions import alerting_columns, distributions
from healthcare_assets.domain.monitoring.report_figures import finite, name, number, plural
from healthcare_assets.domain.monitoring.report_groups import groups
from healthcare_assets.domain.monitoring.report_history import history
from healthcare_assets.domain.monitoring.report_parts import ALERT, PRODUCT, tiles
from healthcare_assets.domain.monitoring.report_performance import performance, service_days
from healthcare_assets.domain.monitoring.report_statistics import glossary, statistics
from healthcare_assets.domain.monitoring.report_style import STYLE
from healthcare_assets.domain.page import escaped, page
from healthcare_assets.domain.small_cells import counted, is_small
from healthcare_assets.policy import Policy

_SECTIONS = {
    "distributions": "Distributions",
    "history": "History",
    "performance": "Costs",
    "groups": "Groups",
    "statistics": "Statistics",
    "glossary": "Glossary",
}
_MARKS = {"failed": ALERT, "passed": "✓"}
_UNDECIDED = "?"


def html(day: MonitoredDay, *, policy: Policy) -> str:
    """The page. Whatever is not known is said to be so; a day of which nothing is known has a page too."""
    body = (
        _head(day)
        + distributions(day)
        + history(day, policy=policy)
        + performance(day, policy=policy)
        + groups(day, policy=policy)
        + statistics(day)
        + glossary(policy)
    )
    title = f"{PRODUCT}: monitoring of {day.day}"
    return page(title, f"<main>\n{body}</main>\n", style=STYLE)


def _head(day: MonitoredDay) -> str:
    asks = [check for check in day.checks if not check.passed]
    look = " bad" if asks else " good" if day.checks else ""
    links = "".join(f'<li><a href="#{target}">{words}</a></li>' for target, words in _SECTIONS.items())
    ordered = sorted(
        day.checks, key=lambda check: (check.passed, check.severity != "error", _status(check) == "passed")
    )
    return (
        f'<header>\n<p class="product">{PRODUCT} · monitoring</p>\n'
        f'<h1>Monitoring of <span class="whole">{day.day}</span></h1>\n'
        f'<p class="verdict{look}">{escaped(_verdict(day, asks))}</p>\n'
        f"{_tiles(day)}"
        f'<ul class="checks">\n{"".join(_check(check) for check in ordered)}</ul>\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n</header>\n'
    )


def _verdict(day: MonitoredDay, asks: list[CheckOutcome]) -> str:
    if not day.checks:
        return "Insufficient data: no check was made."
    if asks:
        return f"{len(asks)} of {plural(len(day.checks), 'check')} ask{'s' if len(asks) == 1 else ''} for attention."
    undecided = sum(_status(check) != "passed" for check in day.checks)
    waits = f" {plural(undecided, 'check')} cannot be decided yet." if undecided else ""
    return f"Nothing asks for attention.{waits}"


def _tiles(day: MonitoredDay) -> str:
    version = f"version {day.model_version}" if day.model_version is not None else "insufficient data"
    trained = f", trained on {counted(day.reference_patients)} patients" if day.reference_patients else ""
    return tiles(
        (
            "Model",
            version,
            f"{day.model_name}{trained if day.model_version is not None else ': no model has scored the day'}",
        ),
        ("Predictions", counted(day.predictions), "patients scored on the day"),
        _drifted(day),
        _error(day),
    )


def _drifted(day: MonitoredDay) -> tuple[str, str, str]:
    columns = {found.column for found in day.distributions} | {found.column for found in day.drift} - {ALL}
    alerting = [column for column in alerting_columns(day.drift) if column in columns]
    if not columns:
        return "Columns that drifted", "insufficient data", "nothing to compare with"
    return "Columns that drifted", f"{len(alerting)} of {len(columns)}", ", ".join(map(name, alerting)) or "none"


def _error(day: MonitoredDay) -> tuple[str, str, str]:
    known = [
        one
        for one in service_days(day)
        if one.status == "matured" and finite(one.risk_score_mae) is not None and not is_small(one.outcomes)
    ]
    if not known:
        return "Error of the risk score", "insufficient data", "no service day has matured"
    newest = known[-1]
    return "Error of the risk score", f"{number(newest.risk_score_mae)} points", f"on {newest.service_date}, matured"


def _check(check: CheckOutcome) -> str:
    status = _status(check)
    kind = status if status in _MARKS else "undecided"
    severity = "" if check.passed else f" ({check.severity})"
    return (
        f'<li class="{kind}"><span class="mark" aria-hidden="true">{_MARKS.get(status, _UNDECIDED)}</span>'
        f'<div><strong>{escaped(name(check.name))}</strong> <span class="status">{escaped(status)}{severity}</span>'
        f"<p>{escaped(check.description)}</p></div></li>\n"
    )


def _status(check: CheckOutcome) -> str:
    return str(check.metadata.get("status", "passed" if check.passed else "failed"))
