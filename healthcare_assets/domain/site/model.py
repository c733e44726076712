"""The champion: what it had to show, what it showed, and where it comes from."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from healthcare_assets.domain.monitoring.report_figures import number
from healthcare_assets.domain.monitoring.report_parts import nothing, section, tiles
from healthcare_assets.domain.page import table
from healthcare_assets.domain.site.frame import site_page

CARD_FILE = "model_card.html"


def model_page(*, champion: str | None, verdict: Mapping[str, Any] | None, has_card: bool, made_at: datetime) -> str:
    """`champion` is the version that scores, `verdict` the row of `governance_verdict` that approved it."""
    return site_page(
        "model",
        "The model that scores" if champion is None else f"The model that scores: version {champion}",
        "What it had to show before it could become champion, held out from its training, and what it showed.",
        _body(champion, verdict, has_card=has_card),
        made_at=made_at,
    )


def _body(champion: str | None, verdict: Mapping[str, Any] | None, *, has_card: bool) -> str:
    if champion is None:
        return nothing("no model has become champion yet: run the job training")
    if verdict is None:
        return nothing(f"no verdict on version {champion} is on record")
    passed = sum(criterion["passed"] for criterion in verdict["criteria"])
    card = f'<p><a href="{CARD_FILE}">The whole model card</a>, with its plots and groups.</p>\n' if has_card else ""
    return (
        tiles(
            ("Version", champion, str(verdict["model_name"])),
            ("Decision", str(verdict["decision"]), f"{verdict['decided_at']:%Y-%m-%d %H:%M} UTC"),
            ("Criteria passed", f"{passed} of {len(verdict['criteria'])}", "all have to be"),
            ("Compared with", str(verdict["champion_version"] or "nobody"), "the champion before it"),
        )
        + card
        + section("criteria", "Criteria", "", _criteria(verdict))
        + section("lineage", "Where it comes from", "", _lineage(verdict))
    )


def _criteria(verdict: Mapping[str, Any]) -> str:
    rows = [
        (
            str(criterion["name"]).replace("_", " "),
            number(criterion["value"]),
            _interval(criterion),
            f"{criterion['comparison']} {number(criterion['threshold'])}",
            "passed" if criterion["passed"] else "failed",
            str(criterion["detail"]),
        )
        for criterion in verdict["criteria"]
    ]
    head = ("criterion", "value", "95 % interval", "must be", "result", "in words")
    return f'<div class="wide long">{table("Criteria", head, rows, words=(4, 5))}</div>\n'


def _interval(criterion: Mapping[str, Any]) -> str:
    if criterion["lower"] is None or criterion["upper"] is None:
        return ""
    return f"{number(criterion['lower'])} to {number(criterion['upper'])}"


def _lineage(verdict: Mapping[str, Any]) -> str:
    rows = [
        ("MLflow run", str(verdict["mlflow_run_id"])),
        ("Dagster run that decided", str(verdict["dagster_run_id"])),
        ("Code that trained", str(verdict["trained_by_code_version"] or "not known")),
        ("Code that decided", str(verdict["code_version"])),
        ("Tables trained on", _versions(verdict["trained_on_data_versions"])),
        ("Tables judged on", _versions(verdict["data_versions"])),
    ]
    return f'<div class="wide">{table("Where it comes from", ("what", "which"), rows, words=(1,))}</div>\n'


def _versions(text: str) -> str:
    return ", ".join(f"{name} version {version}" for name, version in json.loads(text).items())
