"""The model card: what is known of a model, written from the record of its verdict and from nothing else.

Nobody writes it by hand, and it claims nothing that was not computed: what the record lacks, the card says is not
known.
"""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.compiled import DIFFERENCE_AT_MOST
from healthcare_assets.domain.evaluation import Metrics
from healthcare_assets.domain.fairness import GroupCalibration, recall_gap_found
from healthcare_assets.domain.markdown import one_line, table
from healthcare_assets.domain.page import page
from healthcare_assets.domain.plots import group_calibration_plot
from healthcare_assets.domain.small_cells import suppressed
from healthcare_assets.domain.verdict import Criterion, Verdict
from healthcare_assets.policy import Policy

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #1a1a1a; }
table { border-collapse: collapse; } .scroll { overflow-x: auto; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left; vertical-align: top; }
th { background: #f3f3f3; }
img { max-width: 100%; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
"""

_INLINE_PNG = "data:image/png;base64,"

_SHOWN_METRICS: Mapping[str, tuple[str, str]] = {
    "r2_charges": ("R² of yearly charges", "{:.3f}"),
    "rmse_charges": ("Root mean squared error", "${:,.0f}"),
    "mae_charges": ("Mean absolute error", "${:,.0f}"),
    "mae_share_of_cost": ("Mean absolute error ÷ mean cost", "{:.1%}"),
    "predictive_ratio": ("Predicted ÷ actual cost in total", "{:.3f}"),
    "risk_score_r2": ("R² of the risk score", "{:.3f}"),
    "risk_score_mae": ("Mean absolute error of the risk score (points)", "{:.2f}"),
    "high_risk_recall": ("High-risk recall (top 5 %)", "{:.1%}"),
    "top_share_of_cost": ("Share of all cost held by the flagged 5 %", "{:.1%}"),
    "interval_coverage": ("Actual cost within the 90 % interval", "{:.1%}"),
}
"""Each overall metric with its name for a reader and its format."""


@dataclass(frozen=True, kw_only=True)
class VerdictRecord:
    """Everything that a verdict was made from, and what it decided."""

    verdict_id: str
    model_name: str
    model_version: str
    candidate: str | None
    """Which of the candidates the model is."""
    verdict: Verdict
    metrics: Metrics
    """Held-out metrics on the current patients."""
    beside: Mapping[str, Metrics]
    """By name, the same metrics of what the model is shown beside: the median, the GLM, the champion."""
    groups: Sequence[GroupCalibration]
    patients: int
    """How many were evaluated."""
    known_share: float
    """Share (0–1) of the patients whose costs are known."""
    champion_version: str | None
    data_versions: Mapping[str, str]
    trained_on_data_versions: Mapping[str, str]
    code_version: str
    trained_by_code_version: str | None
    mlflow_run_id: str
    dagster_run_id: str
    decided_at: datetime
    known: int | None = None
    """How many patients have known costs, those who were evaluated among them."""
    compiled: str | None = None
    """The form in which it scores, as the registry has it."""
    trained_on: str | None = None
    """How many patients the model was trained on, as the registry has it ..."""
    trained_of: str | None = None
    """... and how many had known costs then."""


def markdown(record: VerdictRecord, *, policy: Policy) -> str:
    """The card as GitHub-flavoured Markdown with its plot inside."""
    sections = (
        _heading(record),
        f"## Criteria\n\n{criteria_table(record.verdict.criteria)}",
        f"## How good it is\n\n{_evaluated(record)}\n\n{metrics_table(side_by_side(record))}",
        f"## By decile of the prediction\n\n{_deciles_table(record.metrics)}",
        f"## By group\n\n{groups_section(record.groups, policy=policy)}",
        f"## Where it comes from\n\n{_lineage_table(record)}",
    )
    return "\n\n".join(sections) + "\n"


def html(record: VerdictRecord, *, policy: Policy) -> str:
    """The card as one self-contained page: it loads nothing, and reads on a phone."""
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    # A reason may quote what somebody else named: no link, and no image but the plot, comes of it.
    renderer.validateLink = _is_inline_image  # type: ignore[method-assign]
    body = renderer.render(markdown(record, policy=policy))
    # A table scrolls within a frame of its own, which has to be reached by key as well.
    framed = body.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")
    title = f"{record.model_name} version {record.model_version}"
    return page(title, f"<main>\n{framed}</main>\n", style=_STYLE)


def description(record: VerdictRecord) -> str:
    """What the registry says of the version: the decision, its reasons, and where to read on."""
    when = f"{record.decided_at:%Y-%m-%d %H:%M} UTC"
    said = _reasons(record.verdict) or "All criteria passed."
    return f"**{record.verdict.decision.capitalize()}** on {when} (verdict {record.verdict_id}).\n\n{said}"


def criteria_table(criteria: Iterable[Criterion]) -> str:
    """Each criterion's value, interval and threshold, and whether it was passed."""
    rows = (
        (
            criterion.name,
            "unknown" if criterion.value is None else f"{criterion.value:.4g}",
            _span("{:.4g}", criterion.lower, criterion.upper),
            f"{criterion.comparison} {criterion.threshold:g}",
            "passed" if criterion.passed else "**failed**",
            criterion.detail,
        )
        for criterion in criteria
    )
    return table(("criterion", "value", "95 % interval", "must be", "result", "in words"), rows)


def side_by_side(record: VerdictRecord) -> dict[str, Metrics]:
    """The model's metrics and those of what it is shown beside, by name."""
    return {"this model": record.metrics, **record.beside}


def metrics_table(columns: Mapping[str, Metrics], *, first: str = "held out") -> str:
    """The overall metrics with their intervals, those of several models on the same patients side by side."""
    rows = (
        (label, *(_with_interval(shown, of_model.get(name)) for of_model in columns.values()))
        for name, (label, shown) in _SHOWN_METRICS.items()
    )
    return table((first, *columns), rows)


def groups_section(groups: Sequence[GroupCalibration], *, policy: Policy) -> str:
    """The groups' calibration as a plot and as a table; groups of 1–10 patients show no figures."""
    if not groups:
        return "Not known: the model could not be evaluated."
    return (
        f"{image('Predicted against actual cost by group', _plot(groups, policy))}\n\n{_groups_table(groups, policy)}"
    )


def image(title: str, png: bytes) -> str:
    """A PNG inside the Markdown."""
    return f"![{title}]({_INLINE_PNG}{base64.b64encode(png).decode('ascii')})"


def _is_inline_image(url: str) -> bool:
    return url.startswith(_INLINE_PNG)


def _plot(groups: Sequence[GroupCalibration], policy: Policy) -> bytes:
    return group_calibration_plot(groups, tolerance=policy.fairness.bias_maximum)


def _heading(record: VerdictRecord) -> str:
    against = f", compared with champion version {record.champion_version}" if record.champion_version else ""
    return (
        f"# {record.model_name} version {record.model_version}: {record.verdict.decision}\n\n"
        f"Predicts a member's medical charges of a year in US dollars. {_candidate(record)} "
        f"Judged on {record.decided_at:%Y-%m-%d at %H:%M} UTC{against}.\n\n"
        f"{_reasons(record.verdict) or 'It passed every criterion.'}"
    )


def _candidate(record: VerdictRecord) -> str:
    if record.candidate is None:
        return "Which candidate it is, is not known."
    compiled = record.compiled or "none"
    scores = (
        "It scores as it was fitted."
        if compiled.startswith("none")
        else f"It scores as {compiled}, which predicts what the fitted model does to within {DIFFERENCE_AT_MOST:g} of "
        "the amount."
    )
    return f"Candidate: `{record.candidate}`. {scores}"


def _reasons(verdict: Verdict) -> str:
    return "\n".join(f"- {one_line(reason)}" for reason in verdict.reasons)


def _evaluated(record: VerdictRecord) -> str:
    if not record.metrics:
        return "Not known: the model could not be evaluated."
    return (
        f"On {_sampled(record.patients, record.known)} with known costs ({record.known_share:.0%} of all), each "
        "predicted by a model that was fitted without them. Intervals are bootstrap intervals of 95 %."
    )


def _sampled(patients: int, known: int | None) -> str:
    if known is None or known == patients:
        return f"{patients:,} patients"
    return f"{patients:,} patients, a stratified sample of the {known:,}"


def _trained_on(record: VerdictRecord) -> str:
    if record.trained_on is None or record.trained_of is None:
        return "not known"
    return f"{_sampled(int(record.trained_on), int(record.trained_of))} with known costs"


def _deciles_table(metrics: Metrics) -> str:
    found = sorted(name for name in metrics if name.startswith("predictive_ratio/decile/"))
    rows = ((name.rpartition("/")[2].lstrip("0"), _with_interval("{:.3f}", metrics[name])) for name in found)
    return table(("decile, cheapest first", "predicted ÷ actual cost"), rows) if found else "Not known."


def _groups_table(groups: Sequence[GroupCalibration], policy: Policy) -> str:
    hidden: list[bool] = []
    for attribute in dict.fromkeys(finding.attribute for finding in groups):
        hidden += suppressed([finding.patients for finding in groups if finding.attribute == attribute])
    rows = (_group_row(finding, hide=hide, policy=policy) for finding, hide in zip(groups, hidden, strict=True))
    head = ("group", "patients", "bias", "95 % interval", "status", "recall gap", "high-risk rate", "MAE ÷ MAE of all")
    return table(head, rows)


def _group_row(finding: GroupCalibration, *, hide: bool, policy: Policy) -> tuple[str, ...]:
    name = f"{finding.attribute} {finding.group}"
    if hide:
        return (name, "not shown", "", "", finding.status, "", "", "")
    gap = _with_interval("{:+.1%}", _estimate(finding.recall_gap, finding.recall_gap_lower, finding.recall_gap_upper))
    return (
        name,
        f"{finding.patients:,}",
        _shown("{:+.1%}", finding.bias),
        _span("{:+.1%}", finding.lower, finding.upper),
        finding.status,
        f"**{gap}**" if recall_gap_found(finding, policy=policy) else gap,
        _shown("{:.1%}", finding.high_risk_rate),
        _shown("{:.2f}", finding.mae_ratio),
    )


def _lineage_table(record: VerdictRecord) -> str:
    rows = [
        ("verdict", record.verdict_id),
        ("trained in MLflow run", record.mlflow_run_id),
        ("trained on", _trained_on(record)),
        ("trained by code", record.trained_by_code_version or "not known"),
        *((f"trained on {name}", f"version {version}") for name, version in record.trained_on_data_versions.items()),
        ("judged in Dagster run", record.dagster_run_id),
        ("judged by code", record.code_version),
        *((f"judged on {name}", f"version {version}") for name, version in record.data_versions.items()),
    ]
    return table(("what", "which"), rows)


def _estimate(value: float | None, lower: float | None, upper: float | None) -> Estimate:
    nan = math.nan
    return Estimate(
        value=nan if value is None else value,
        lower=nan if lower is None else lower,
        upper=nan if upper is None else upper,
    )


def _with_interval(shown: str, estimate: Estimate | None) -> str:
    if estimate is None or not math.isfinite(estimate.value):
        return "not known"
    span = _span(shown, estimate.lower, estimate.upper)
    return f"{shown.format(estimate.value)} ({span})" if span else shown.format(estimate.value)


def _shown(shown: str, value: float | None) -> str:
    return "not known" if value is None else shown.format(value)


def _span(shown: str, lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None or not (math.isfinite(lower) and math.isfinite(upper)):
        return ""
    return f"{shown.format(lower)} to {shown.format(upper)}"
