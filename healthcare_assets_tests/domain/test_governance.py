"""The verdict: approved when and only when everything is shown, and a reason for whatever is not."""

import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.columns import CRITERION_FIELDS
from healthcare_assets.domain.governance import Evidence, decide
from healthcare_assets.domain.hipaa import REQUIRED_EVIDENCE, HipaaEvidence

GOOD_METRICS = {"risk_score_r2": 0.75, "risk_score_mae": 8.6, "high_risk_recall": 0.85}
GOOD_HIPAA = tuple(HipaaEvidence(name=name, satisfied=True, detail="nothing found") for name in REQUIRED_EVIDENCE)

_UNUSABLE = st.sampled_from([None, math.nan, math.inf, -math.inf, "absent", True, "0.9"])
_METRIC = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.none())


def _decide(metrics: dict[str, Any], hipaa: tuple[HipaaEvidence, ...] = GOOD_HIPAA) -> Any:
    return decide(Evidence(metrics=metrics, hipaa=hipaa))


def test_a_good_model_with_complete_evidence_is_approved() -> None:
    verdict = _decide(GOOD_METRICS)
    assert (verdict.decision, verdict.reasons) == ("approved", ())
    assert [criterion.name for criterion in verdict.criteria] == [*GOOD_METRICS, *REQUIRED_EVIDENCE]
    assert all(criterion.passed for criterion in verdict.criteria)


def test_a_criterion_has_the_fields_of_the_table() -> None:
    assert list(asdict(_decide(GOOD_METRICS).criteria[0])) == [name for name, _ in CRITERION_FIELDS]


@pytest.mark.parametrize(
    ("metric", "at_the_threshold", "beyond"),
    [("risk_score_r2", 0.70, 0.6999999), ("risk_score_mae", 15.0, 15.0000001), ("high_risk_recall", 0.60, 0.5999)],
)
def test_a_threshold_itself_passes(metric: str, at_the_threshold: float, beyond: float) -> None:
    assert _decide(GOOD_METRICS | {metric: at_the_threshold}).decision == "approved"
    verdict = _decide(GOOD_METRICS | {metric: beyond})
    assert verdict.decision == "rejected"
    assert [c.name for c in verdict.criteria if not c.passed] == [metric]


def test_the_reason_states_value_and_threshold() -> None:
    reasons = _decide({"risk_score_r2": 0.61234, "risk_score_mae": 15.0000001, "high_risk_recall": 0.5}).reasons
    assert reasons == (
        "R² of the risk score is 0.6123 and must be at least 0.7.",
        "Mean absolute error of the risk score is 15.0000001 and must be at most 15.",
        "High-risk recall is 0.5 and must be at least 0.6.",
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is empty in the evidence"),
        (math.nan, "is not a number (NaN)"),
        (math.inf, "is infinite"),
        (-math.inf, "is infinite"),
        ("0.9", "is not a number in the evidence"),
    ],
)
def test_a_value_that_is_no_number_is_a_reason_of_its_own(value: Any, words: str) -> None:
    verdict = _decide(GOOD_METRICS | {"high_risk_recall": value})
    assert verdict.reasons == (f"High-risk recall {words} and must be at least 0.6.",)
    assert verdict.criteria[2].value is None


@given(metric=st.sampled_from(sorted(GOOD_METRICS)), value=_UNUSABLE)
def test_what_is_missing_or_no_number_is_never_approved(metric: str, value: Any) -> None:
    metrics: dict[str, Any] = {**GOOD_METRICS, metric: value}
    if value == "absent":
        del metrics[metric]
    verdict = _decide(metrics)
    assert verdict.decision == "rejected"
    assert len(verdict.reasons) == 1


@given(
    metrics=st.dictionaries(st.sampled_from([*GOOD_METRICS, "r2_charges"]), _METRIC),
    satisfied=st.lists(st.sampled_from([True, False, None]), min_size=2, max_size=2),
)
def test_approved_when_and_only_when_every_criterion_passes(
    metrics: dict[str, float | None], satisfied: list[bool | None]
) -> None:
    hipaa = tuple(
        HipaaEvidence(name=name, satisfied=good, detail="")
        for name, good in zip(REQUIRED_EVIDENCE, satisfied, strict=True)
        if good is not None
    )
    verdict = _decide(dict(metrics), hipaa)
    failed = [criterion for criterion in verdict.criteria if not criterion.passed]
    assert (verdict.decision == "approved") == (not failed)
    assert verdict.reasons == tuple(criterion.detail for criterion in failed)
    assert len(verdict.criteria) == 5
    assert all(c.value is None or math.isfinite(c.value) for c in verdict.criteria)


def test_without_hipaa_evidence_no_model_is_approved() -> None:
    verdict = _decide(GOOD_METRICS, ())
    assert verdict.decision == "rejected"
    assert all("this evidence is missing" in reason for reason in verdict.reasons)
    assert len(verdict.reasons) == 2


def test_hipaa_evidence_that_is_not_satisfied_says_what_was_found() -> None:
    found = HipaaEvidence(name=REQUIRED_EVIDENCE[0], satisfied=False, detail="silver_patients.ssn is not declared")
    verdict = _decide(GOOD_METRICS, (found, GOOD_HIPAA[1]))
    assert verdict.reasons == (
        "HIPAA evidence hipaa_columns_on_allow_list is 0 and must be exactly 1: silver_patients.ssn is not declared.",
    )


def test_one_bad_item_is_not_outweighed_by_a_good_one_of_the_same_name() -> None:
    found = HipaaEvidence(name=REQUIRED_EVIDENCE[0], satisfied=False, detail="a finding")
    assert _decide(GOOD_METRICS, (*GOOD_HIPAA, found)).decision == "rejected"
