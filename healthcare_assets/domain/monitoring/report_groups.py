"""Whether predicted costs fit actual costs in every group of patients."""

from collections.abc import Sequence
from dataclasses import dataclass

from healthcare_assets.domain.monitoring import svg
from healthcare_assets.domain.monitoring.findings import MonitoredDay, Performance
from healthcare_assets.domain.monitoring.performance import EVERYBODY
from healthcare_assets.domain.monitoring.report_cells import hidden_cells
from healthcare_assets.domain.monitoring.report_figures import NOT_SHOWN, UNKNOWN, finite, name, number, percent
from healthcare_assets.domain.monitoring.report_parts import card, key, nothing, section
from healthcare_assets.domain.page import table
from healthcare_assets.domain.small_cells import MINIMUM_CELL, counted
from healthcare_assets.policy import Policy

_ROW, _TOP, _AXIS = 21.0, 6.0, 20.0
_LEFT, _RIGHT = 96.0, 232.0
_LABEL_CHARACTERS = 13
_TITLE = "Calibration by group"
_FURTHEST = 5
"""Of the allowed bias, that the axis reaches at most: a wide interval must not flatten the others."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    label: str
    heading: str | None
    """The attribute, before its first group."""
    found: Performance
    hidden: bool

    @property
    def within(self) -> bool:
        """Whether it is one of the groups of an attribute, and not everybody."""
        return self.found.attribute != EVERYBODY

    @property
    def figures(self) -> tuple[float, float, float] | None:
        """Bias and the bounds of its interval, as shares; None where they are not known or not to be shown."""
        bounds = [
            finite(value) for value in (self.found.predictive_ratio, self.found.ratio_lower, self.found.ratio_upper)
        ]
        known = [bound - 1.0 for bound in bounds if bound is not None]
        return (known[0], known[1], known[2]) if len(known) == len(bounds) and not self.hidden else None

    @property
    def status(self) -> str:
        """In words."""
        if self.hidden:
            return NOT_SHOWN
        if self.found.biased:
            return "biased"
        return "no bias found" if self.found.status == "matured" else self.found.status


def groups(day: MonitoredDay, *, policy: Policy) -> str:
    """A chart of the bias of every group with its interval, and a table beside it."""
    found = [one for one in day.performance if one.scope == "window"]
    if not found:
        return section("groups", _TITLE, "", nothing("the costs of no service day have matured yet"))
    band = policy.fairness.bias_maximum
    newest = max(found, key=lambda one: one.service_date)
    version = f"version {newest.model_version}" if newest.model_version else "a model that is not known"
    intro = (
        f"Predicted ÷ actual costs − 1 over the newest matured service days up to {newest.service_date}, of {version}, "
        f"with 95 % intervals. A group is biased when it is off by more than {percent(band)} and by more than chance. "
        f"Fewer than {policy.fairness.minimum_patients} patients, or an interval wider than "
        f"±{percent(policy.fairness.interval_half_width_maximum)}, are insufficient data."
    )
    listed = _listed(found)
    biased = [group for group in listed if group.status == "biased"]
    title = "Predicted ÷ actual costs − 1"
    legend = key(
        ("dot", "bias, interval"),
        ("dot hollow", "insufficient data"),
        ("alert", "biased"),
        ("band", f"within ±{percent(band)}"),
    )
    drawn = card(
        title,
        legend + svg.chart("groups", f"{title} by group", _described(listed, band), *_chart(listed, band)),
        badge="biased" if biased else "",
        said=_notes(listed),
    )
    return section("groups", _TITLE, intro, f'<div class="beside">\n{drawn}{_table(listed)}</div>\n')


def _listed(found: Sequence[Performance]) -> list[_Group]:
    """Everybody first; which groups of an attribute are hidden depends on all of them."""
    attributes = sorted(dict.fromkeys(one.attribute for one in found), key=lambda attribute: attribute != EVERYBODY)
    listed = []
    for attribute in attributes:
        own = [one for one in found if one.attribute == attribute]
        for one, hide in zip(own, hidden_cells([one.outcomes for one in own]), strict=True):
            within = attribute != EVERYBODY
            listed.append(
                _Group(
                    label=f"{name(attribute)} {one.group}" if within else "Everybody",
                    heading=name(attribute) if within and one is own[0] else None,
                    found=one,
                    hidden=hide,
                )
            )
    return listed


def _chart(listed: Sequence[_Group], band: float) -> tuple[float, list[str]]:
    """Its height and its marks: a heading an attribute, a row a group."""
    headings = sum(group.heading is not None for group in listed)
    bottom = _TOP + _ROW * (len(listed) + headings)
    figures = [abs(figure) for group in listed for figure in group.figures or ()]
    reach = min(max([*figures, 1.5 * band]), _FURTHEST * band)
    scale = svg.Scale(low=-reach, high=reach, start=_LEFT, end=_RIGHT)
    marks = [
        svg.rectangle(scale.at(-band), _TOP, scale.at(band) - scale.at(-band), bottom - _TOP, look="band"),
        svg.line(scale.at(0), _TOP, scale.at(0), bottom, look="axis"),
        svg.text(percent(-band), scale.at(-band) + 8, bottom + 15, anchor="end"),
        svg.text(percent(band, signed=True), scale.at(band) - 8, bottom + 15),
    ]
    y = _TOP + _ROW / 2
    for group in listed:
        if group.heading is not None:
            marks.append(svg.text(group.heading, 0.0, y + 4, look="name heading"))
            y += _ROW
        marks += _row(group, y, scale)
        y += _ROW
    return bottom + _AXIS, marks


def _row(group: _Group, y: float, scale: svg.Scale) -> list[str]:
    marks = [
        svg.text(
            svg.shortened(group.found.group if group.within else group.label, _LABEL_CHARACTERS),
            8.0 if group.within else 0.0,
            y + 4,
            look="name",
        ),
        svg.text(group.status, _RIGHT + 8, y + 4, look="strong" if group.status == "biased" else "label"),
    ]
    if group.figures is None:
        return marks
    bias, lower, upper = group.figures
    marks.append(svg.line(scale.at(lower), y, scale.at(upper), y, look="interval"))
    if lower < scale.low:
        marks.append(svg.arrow(_LEFT, y, right=False, look="interval"))
    if upper > scale.high:
        marks.append(svg.arrow(_RIGHT, y, right=True, look="interval"))
    x = scale.at(bias)
    if group.status == "biased":
        return [*marks, svg.triangle(x, y, 5.5)]
    return [*marks, svg.dot(x, y, 4, look="mark" if group.found.status == "matured" else "mark hollow")]


def _notes(listed: Sequence[_Group]) -> list[str]:
    if not any(group.hidden for group in listed):
        return []
    few = f"Not shown: groups of fewer than {MINIMUM_CELL} patients, and those that would give them away."
    return [few]


def _described(listed: Sequence[_Group], band: float) -> str:
    said = [
        f"{group.label} {percent(group.figures[0], signed=True)} ({group.status})"
        if group.figures
        else f"{group.label} {group.status}"
        for group in listed
    ]
    return f"A dot with its interval for each group, over the band of ±{percent(band)}: {', '.join(said)}."


def _table(listed: Sequence[_Group]) -> str:
    head = ("group", "status", "bias", "95 % interval", "costs known", "MAE (points)", "R²")
    return table(_TITLE, head, (_table_row(group) for group in listed), words=(1,))


def _table_row(group: _Group) -> tuple[str, ...]:
    found = group.found
    if group.hidden:
        return group.label, group.status, *[NOT_SHOWN] * 5
    if group.figures is None:
        bias, interval = UNKNOWN, UNKNOWN
    else:
        bias = percent(group.figures[0], signed=True)
        interval = " to ".join(percent(bound, signed=True) for bound in group.figures[1:])
    return (
        group.label,
        group.status,
        bias,
        interval,
        counted(found.outcomes),
        number(found.risk_score_mae),
        number(found.risk_score_r2),
    )
