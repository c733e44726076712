"""The verdict: approved when and only when everything is shown, and a reason for whatever is not."""

import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_assets.domain.bootstrap import Estimate
from healthcare_assets.domain.columns import CRITERION_FIELDS
from healthcare_assets.domain.fairness import GroupCalibration, GroupStatus
from healthcare_assets.domain.governance import ChampionComparison, Evidence, decide
from healthcare_assets.domain.hipaa import REQUIRED_EVIDENCE, HipaaEvidence
from healthcare_assets.domain.leakage import Leak
from healthcare_assets.domain.verdict import Verdict, refused

METRICS = ("risk_score_r2", "risk_score_mae", "high_risk_recall")
AGAINST = ("risk_score_r2_gain", "risk_score_mae_ratio", "high_risk_recall_ratio")


def _about(value: float, spread: float = 0.01) -> Estimate:
    return Estimate(value=value, lower=value - spread, upper=value + spread)


def _group(attribute: str, group: str, bias: float = 0.0, status: GroupStatus = "pass") -> GroupCalibration:
    return GroupCalibration(
        attribute=attribute, group=group, patients=500, bias=bias, lower=bias - 0.03, upper=bias + 0.03, status=status
    )


GROUPS = tuple(
    _group(attribute, group)
    for attribute, group in (
        ("sex", "female"),
        ("sex", "male"),
        ("region", "northeast"),
        ("region", "southwest"),
        ("age_band", "0-24"),
        ("age_band", "25-34"),
    )
)
GOOD = Evidence(
    metrics={
        "risk_score_r2": _about(0.75),
        "risk_score_mae": _about(8.6),
        "high_risk_recall": _about(0.85),
        "predictive_ratio": _about(1.0),
    },
    groups=GROUPS,
    leaks=(),
    overlapping_patients=0,
    inference_faults=(),
    hipaa=tuple(HipaaEvidence(name=name, satisfied=True, detail="nothing found") for name in REQUIRED_EVIDENCE),
    against_champion=None,
)
BETTER = ChampionComparison(
    champion="3",
    metrics={
        "risk_score_r2_gain": Estimate(value=0.02, lower=0.01, upper=0.03),
        "risk_score_mae_ratio": _about(0.95),
        "high_risk_recall_ratio": _about(1.0),
    },
)


def _with_metrics(**metrics: Estimate) -> Evidence:
    return replace(GOOD, metrics={**GOOD.metrics, **metrics})


def _against(**metrics: Estimate) -> Evidence:
    return replace(GOOD, against_champion=replace(BETTER, metrics={**BETTER.metrics, **metrics}))


def _failed(verdict: Verdict) -> list[str]:
    return [criterion.name for criterion in verdict.criteria if not criterion.passed]


def test_a_good_model_with_complete_evidence_is_approved() -> None:
    verdict = decide(GOOD)
    assert (verdict.decision, verdict.reasons) == ("approved", ())
    assert [criterion.name for criterion in verdict.criteria] == [
        *METRICS,
        "predictive_ratio_off_by",
        "no_demographic_bias",
        "no_label_leakage",
        "no_patient_overlap",
        "inference_validated",
        *REQUIRED_EVIDENCE,
    ]


def test_against_a_champion_three_more_criteria_are_asked() -> None:
    verdict = decide(replace(GOOD, against_champion=BETTER))
    assert verdict.decision == "approved"
    assert [criterion.name for criterion in verdict.criteria][-3:] == list(AGAINST)


def test_a_criterion_has_the_fields_of_the_table_and_its_interval() -> None:
    criterion = decide(GOOD).criteria[0]
    assert set(asdict(criterion)) == {name for name, _ in CRITERION_FIELDS}
    assert (criterion.lower, criterion.value, criterion.upper) == (0.74, 0.75, 0.76)


@pytest.mark.parametrize(
    ("metric", "at_the_threshold", "beyond"),
    [("risk_score_r2", 0.70, 0.6999999), ("risk_score_mae", 15.0, 15.0000001), ("high_risk_recall", 0.60, 0.5999)],
)
def test_a_threshold_itself_passes(metric: str, at_the_threshold: float, beyond: float) -> None:
    assert decide(_with_metrics(**{metric: _about(at_the_threshold)})).decision == "approved"
    verdict = decide(_with_metrics(**{metric: _about(beyond)}))
    assert (verdict.decision, _failed(verdict)) == ("rejected", [metric])


def test_the_reason_states_value_interval_and_threshold() -> None:
    unsure = Estimate(value=15.0000001, lower=math.nan, upper=math.nan)
    assert decide(_with_metrics(risk_score_r2=_about(0.61234), risk_score_mae=unsure)).reasons == (
        "R² of the risk score is 0.6123 (95 % interval 0.6023 to 0.6223) and must be at least 0.7.",
        "Mean absolute error of the risk score is 15.0000001 and must be at most 15.",
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [(math.nan, "is not a number (NaN)"), (math.inf, "is infinite"), (-math.inf, "is infinite")],
)
@pytest.mark.parametrize("metric", METRICS)
def test_a_value_that_is_no_number_is_a_reason_of_its_own(metric: str, value: float, words: str) -> None:
    verdict = decide(_with_metrics(**{metric: _about(value)}))
    assert _failed(verdict) == [metric]
    assert words in verdict.reasons[0]
    assert next(criterion for criterion in verdict.criteria if criterion.name == metric).value is None


@pytest.mark.parametrize("metric", [*METRICS, "predictive_ratio"])
def test_a_metric_that_is_missing_is_a_reason_of_its_own(metric: str) -> None:
    verdict = decide(replace(GOOD, metrics={name: m for name, m in GOOD.metrics.items() if name != metric}))
    assert len(verdict.reasons) == 1
    assert "is missing from the evidence" in verdict.reasons[0]


@given(
    st.dictionaries(
        st.sampled_from([*METRICS, "predictive_ratio"]),
        st.builds(Estimate, value=st.floats(), lower=st.floats(), upper=st.floats()),
    ),
    st.lists(st.sampled_from([True, False, None]), min_size=3, max_size=3),
    st.sampled_from([None, 0, 2]),
)
def test_approved_when_and_only_when_every_criterion_passes(
    metrics: dict[str, Estimate], satisfied: list[bool | None], overlapping: int | None
) -> None:
    hipaa = tuple(
        HipaaEvidence(name=name, satisfied=good, detail="")
        for name, good in zip(REQUIRED_EVIDENCE, satisfied, strict=True)
        if good is not None
    )
    verdict = decide(replace(GOOD, metrics=metrics, hipaa=hipaa, overlapping_patients=overlapping))
    failed = [criterion for criterion in verdict.criteria if not criterion.passed]
    assert (verdict.decision == "approved") == (not failed)
    assert verdict.reasons == tuple(criterion.detail for criterion in failed)
    assert all(c.value is None or math.isfinite(c.value) for c in verdict.criteria)


@pytest.mark.parametrize(
    ("ratio", "passed"),
    [
        (Estimate(value=1.02, lower=1.01, upper=1.03), True),
        (Estimate(value=0.98, lower=0.97, upper=0.99), True),
        (Estimate(value=1.0201, lower=1.01, upper=1.03), False),
        (Estimate(value=0.979, lower=0.97, upper=0.99), False),
        (Estimate(value=1.05, lower=0.99, upper=1.11), True),  # chance alone may have brought it about
        (Estimate(value=1.05, lower=math.nan, upper=math.nan), False),
        (Estimate(value=1.05, lower=-math.inf, upper=math.inf), False),
        (Estimate(value=1.0, lower=math.nan, upper=math.nan), True),
        (_about(math.nan), False),
        (_about(math.inf), False),
    ],
)
def test_the_total_must_be_right_unless_it_is_off_by_chance(ratio: Estimate, passed: bool) -> None:
    assert _failed(decide(_with_metrics(predictive_ratio=ratio))) == ([] if passed else ["predictive_ratio_off_by"])


@pytest.mark.parametrize("status", ["bias", "insufficient data", "provisional"])
def test_a_group_that_has_not_passed_is_named_and_refuses_the_model(status: GroupStatus) -> None:
    groups = (*GROUPS[:-1], _group("age_band", "25-34", -0.12, status))
    verdict = decide(replace(GOOD, groups=groups))
    assert verdict.reasons == (
        f"Bias must be at most 10% in every group: age_band 25-34: {status} (-12.0%, -15.0% to -9.0%).",
    )


def test_a_group_without_any_cost_is_not_passed_over() -> None:
    unknown = replace(GROUPS[0], bias=None, lower=None, upper=None, status="insufficient data")
    verdict = decide(replace(GOOD, groups=(unknown, *GROUPS[1:])))
    assert "sex female: insufficient data." in verdict.reasons[0]
    assert next(c for c in verdict.criteria if c.name == "no_demographic_bias").value is None


@pytest.mark.parametrize(("patients", "shown"), [(1, False), (10, False), (11, True)])
def test_a_group_of_few_is_named_and_its_figures_are_not_told(patients: int, shown: bool) -> None:
    few = replace(_group("age_band", "25-34", 0.4321, "insufficient data"), patients=patients)
    verdict = decide(replace(GOOD, groups=(*GROUPS[:-1], few)))
    criterion = next(c for c in verdict.criteria if c.name == "no_demographic_bias")
    assert (verdict.decision, "age_band 25-34: insufficient data" in criterion.detail) == ("rejected", True)
    assert ("43.2%" in criterion.detail, criterion.value == 0.4321) == (shown, shown)


@pytest.mark.parametrize("metric", AGAINST)
def test_a_comparison_that_is_missing_is_no_comparison(metric: str) -> None:
    metrics = {name: found for name, found in BETTER.metrics.items() if name != metric}
    verdict = decide(replace(GOOD, against_champion=replace(BETTER, metrics=metrics)))
    assert _failed(verdict) == [metric]
    assert "is missing from the evidence" in verdict.reasons[0]


def test_a_better_challenger_passes_the_same_gates_as_a_first_model() -> None:
    evidence = replace(_with_metrics(high_risk_recall=_about(0.59)), against_champion=BETTER)
    assert _failed(decide(evidence)) == ["high_risk_recall"]


def test_one_class_of_a_group_leaves_nothing_to_compare() -> None:
    verdict = decide(replace(GOOD, groups=GROUPS[1:]))
    assert "sex has fewer than two groups with patients to compare" in verdict.reasons[0]
    assert _failed(decide(replace(GOOD, groups=()))) == ["no_demographic_bias"]


def test_a_leak_is_refused_with_the_feature_s_name() -> None:
    leak = Leak(feature="bmi", detail="bmi has a rank correlation of 1.000 with the charges.")
    verdict = decide(replace(GOOD, leaks=(leak,)))
    assert verdict.reasons == ("bmi has a rank correlation of 1.000 with the charges.",)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (replace(GOOD, leaks=None), "Whether a feature gives the label away could not be examined."),
        (replace(GOOD, overlapping_patients=3), "3 patients would be judged by a model that has been fitted on them."),
        (replace(GOOD, overlapping_patients=None), "Which patients the model was fitted on is not known."),
        (replace(GOOD, inference_faults=None), "The model was not scored on trial."),
        (replace(GOOD, inference_faults=("it predicts otherwise",)), "it predicts otherwise."),
        (replace(GOOD, hipaa=GOOD.hipaa[1:]), "this evidence is missing"),
    ],
)
def test_what_was_not_found_out_has_not_passed(evidence: Evidence, said: str) -> None:
    verdict = decide(evidence)
    assert len(verdict.reasons) == 1
    assert said in verdict.reasons[0]


def test_hipaa_evidence_that_is_not_satisfied_says_what_was_found_and_is_not_outweighed() -> None:
    found = HipaaEvidence(name=REQUIRED_EVIDENCE[0], satisfied=False, detail="silver_patients.ssn is not declared")
    verdict = decide(replace(GOOD, hipaa=(*GOOD.hipaa, found)))
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].endswith(
        "is 0 and must be exactly 1: nothing found; silver_patients.ssn is not declared."
    )


@pytest.mark.parametrize(
    ("evidence", "failed"),
    [
        (_against(risk_score_r2_gain=Estimate(value=0.02, lower=0.0, upper=0.04)), ["risk_score_r2_gain"]),
        (_against(risk_score_r2_gain=Estimate(value=0.0, lower=0.0, upper=0.0)), ["risk_score_r2_gain"]),
        (_against(risk_score_r2_gain=Estimate(value=-0.1, lower=-0.2, upper=-0.05)), ["risk_score_r2_gain"]),
        (_against(risk_score_r2_gain=_about(math.nan)), ["risk_score_r2_gain"]),
        (_against(risk_score_r2_gain=_about(math.inf)), ["risk_score_r2_gain"]),
        (_against(risk_score_r2_gain=Estimate(value=0.1, lower=math.nan, upper=math.nan)), ["risk_score_r2_gain"]),
        (_against(risk_score_r2_gain=Estimate(value=0.1, lower=math.inf, upper=math.inf)), ["risk_score_r2_gain"]),
        (_against(risk_score_mae_ratio=_about(math.inf)), ["risk_score_mae_ratio"]),
        (_against(risk_score_mae_ratio=_about(1.05)), []),
        (_against(risk_score_mae_ratio=_about(1.0501)), ["risk_score_mae_ratio"]),
        (_against(high_risk_recall_ratio=_about(0.95)), []),
        (_against(high_risk_recall_ratio=_about(0.9499)), ["high_risk_recall_ratio"]),
        (_against(high_risk_recall_ratio=_about(math.nan)), ["high_risk_recall_ratio"]),
    ],
)
def test_a_challenger_wins_when_its_gain_is_no_chance_and_nothing_else_suffers(
    evidence: Evidence, failed: list[str]
) -> None:
    assert _failed(decide(evidence)) == failed


def test_a_champion_that_cannot_be_loaded_is_no_reason_to_promote() -> None:
    unknown = ChampionComparison(champion="3", metrics={}, fault="version 3 cannot be loaded")
    verdict = decide(replace(GOOD, against_champion=unknown))
    assert _failed(verdict) == list(AGAINST)
    assert all("(version 3 cannot be loaded)" in reason for reason in verdict.reasons)


def test_where_nothing_could_be_evaluated_nothing_is_invented() -> None:
    evidence = replace(GOOD, metrics={}, groups=(), leaks=None, overlapping_patients=None, fault="the model is damaged")
    verdict = decide(evidence)
    assert {"risk_score_r2", "predictive_ratio_off_by", "no_patient_overlap"} <= set(_failed(verdict))
    assert all(criterion.value is None for criterion in verdict.criteria[:7])
    assert "the model is damaged" in verdict.reasons[0]


def test_a_verdict_that_is_refused_later_keeps_what_was_found() -> None:
    verdict = decide(GOOD)
    later: Any = refused(verdict, "version 4 is champion by now.")
    assert (later.decision, later.reasons) == ("rejected", ("version 4 is champion by now.",))
    assert later.criteria == verdict.criteria
