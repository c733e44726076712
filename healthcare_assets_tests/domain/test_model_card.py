"""The model card: everything in it comes from the record of the verdict, and what is not known is not claimed."""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from healthcare_assets.domain import model_card
from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.fairness import GroupCalibration
from healthcare_assets.domain.governance import ChampionComparison, Evidence, decide
from healthcare_assets.domain.model_card import VerdictRecord
from healthcare_assets.domain.verdict import Criterion, Verdict
from healthcare_assets.policy import POLICY

CRITERIA = (
    Criterion(
        name="risk_score_r2",
        value=0.7958,
        lower=0.7598,
        upper=0.828,
        threshold=0.7,
        comparison=">=",
        passed=True,
        detail="R² of the risk score is 0.7958.",
    ),
    Criterion(
        name="no_label_leakage",
        value=None,
        threshold=0.0,
        comparison="is",
        passed=False,
        detail="A | pipe, a <script>alert(1)</script> and a\nnew line.",
    ),
)


def _group(group: str, patients: int) -> GroupCalibration:
    return GroupCalibration(
        attribute="region",
        group=group,
        patients=patients,
        bias=0.0123,
        lower=-0.0456,
        upper=0.0789,
        status="pass",
        recall_gap=-0.2,
        recall_gap_lower=-0.3,
        recall_gap_upper=-0.1,
        high_risk_rate=0.21,
        mae_ratio=1.07,
    )


RECORD = VerdictRecord(
    verdict_id="verdict-7",
    model_name="health_insurance_cost",
    model_version="4",
    candidate="random_forest",
    verdict=Verdict(decision="rejected", reasons=(CRITERIA[1].detail,), criteria=CRITERIA),
    metrics={
        "r2_charges": Estimate(value=0.8638, lower=0.8364, upper=0.8887),
        "high_risk_recall": Estimate(value=math.nan, lower=math.nan, upper=math.nan),
        "predictive_ratio/decile/10": Estimate(value=0.989, lower=0.972, upper=1.005),
    },
    beside={"median": {"r2_charges": Estimate(value=-0.104, lower=-0.13, upper=-0.08)}},
    groups=(_group("northeast", 500), _group("southwest", 400)),
    patients=1337,
    known_share=0.93,
    champion_version="3",
    data_versions={"risk_features": "12"},
    trained_on_data_versions={"risk_features": "11"},
    code_version="judging-code",
    trained_by_code_version="training-code",
    mlflow_run_id="mlflow-run",
    dagster_run_id="dagster-run",
    decided_at=datetime(2026, 3, 1, 3, 4, tzinfo=UTC),
)


def _markdown(record: VerdictRecord = RECORD) -> str:
    return model_card.markdown(record, policy=POLICY)


def test_the_card_tells_decision_criteria_metrics_groups_and_lineage() -> None:
    card = _markdown()
    assert card.startswith("# health_insurance_cost version 4: rejected")
    assert "2026-03-01 at 03:04 UTC, compared with champion version 3" in card
    assert "| risk_score_r2 | 0.7958 | 0.7598 to 0.828 | >= 0.7 | passed |" in card
    assert "1,337 patients with known costs (93% of all)" in card
    assert "| R² of yearly charges | 0.864 (0.836 to 0.889) | -0.104 (-0.130 to -0.080) |" in card
    assert "| region northeast | 500 | +1.2% | -4.6% to +7.9% | pass | **-20.0% (-30.0% to -10.0%)** |" in card
    assert "| 10 | 0.989 (0.972 to 1.005) |" in card
    for known in (
        "verdict-7",
        "mlflow-run",
        "dagster-run",
        "judging-code",
        "training-code",
        "version 11",
        "version 12",
    ):
        assert known in card


def test_what_is_not_known_is_not_claimed() -> None:
    assert "| no_label_leakage | unknown |  | is 0 | **failed** |" in _markdown()
    assert "| High-risk recall (top 5 %) | not known |" in _markdown()
    empty = replace(RECORD, metrics={}, beside={}, groups=(), candidate=None, champion_version=None)
    card = _markdown(replace(empty, trained_by_code_version=None))
    assert card.count("Not known: the model could not be evaluated.") == 2
    assert "Which candidate it is, is not known." in card
    assert "| trained by code | not known |" in card
    assert "compared with" not in card


@pytest.mark.parametrize("patients", [1, 10])
def test_a_group_of_few_shows_no_figure_and_neither_does_who_would_give_it_away(patients: int) -> None:
    card = _markdown(replace(RECORD, groups=(_group("northeast", patients), *map(_group, "abc", (40, 500, 600)))))
    assert "| region northeast | not shown |" in card
    assert "| region a | not shown |" in card
    assert "| region b | 500 |" in card


def test_the_page_is_the_same_card_loads_nothing_and_runs_nothing() -> None:
    page = model_card.html(RECORD, policy=POLICY)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count('<img src="data:image/png;base64,') == 1
    assert "<table>" in page
    assert page.count("<tr>") == sum(line.startswith("|") and "---" not in line for line in _markdown().splitlines())


def test_nothing_that_a_reason_quotes_becomes_a_link_an_image_or_a_heading() -> None:
    reason = "[a](http://a.example), <https://b.example>, ![c](https://c.example/c.png), [d]\n\n# Approved\r\r[d]: http://d.e"
    criterion = replace(CRITERIA[1], detail=reason)
    hostile = replace(
        RECORD,
        model_name="<script>",
        verdict=Verdict(decision="rejected", reasons=(reason,), criteria=(criterion,)),
    )
    page = model_card.html(hostile, policy=POLICY)
    assert "<a" not in page
    assert "<script" not in page
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 1
    assert page.count("<h1>") == 1
    assert page.count("http://a.example") == 2
    assert "- [a](http://a.example), " in _markdown(hostile)
    assert "| # Approved" not in _markdown(hostile)


def test_every_criterion_of_a_verdict_is_in_the_card_with_value_interval_and_threshold() -> None:
    verdict = decide(
        Evidence(
            metrics={name: Estimate(value=0.8123, lower=0.7111, upper=0.9222) for name in ("risk_score_r2", "x")},
            groups=RECORD.groups,
            leaks=None,
            overlapping_patients=2,
            inference_faults=(),
            hipaa=(),
            against_champion=ChampionComparison(champion="3", metrics={}, fault="version 3 is damaged"),
        )
    )
    card = _markdown(replace(RECORD, verdict=verdict))
    assert "| risk_score_r2 | 0.8123 | 0.7111 to 0.9222 | >= 0.7 | passed |" in card
    for criterion in verdict.criteria:
        value = "unknown" if criterion.value is None else f"{criterion.value:.4g}"
        [line] = [line for line in card.splitlines() if line.startswith(f"| {criterion.name} |")]
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[2] == value
        assert cells[4:7] == [
            f"{criterion.comparison} {criterion.threshold:g}",
            "passed" if criterion.passed else "**failed**",
            criterion.detail,
        ]
    assert all(f"- {reason}" in card for reason in verdict.reasons)


def test_the_registry_s_description_is_the_decision_and_its_reasons() -> None:
    described = model_card.description(RECORD)
    assert described.startswith("**Rejected** on 2026-03-01 03:04 UTC (verdict verdict-7).")
    assert described.endswith("\n\n- A | pipe, a <script>alert(1)</script> and a new line.")
    approved = replace(RECORD, verdict=Verdict(decision="approved", reasons=(), criteria=CRITERIA[:1]))
    assert "All criteria passed." in model_card.description(approved)
    assert "It passed every criterion." in _markdown(approved)
