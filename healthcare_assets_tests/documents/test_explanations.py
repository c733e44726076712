"""The documents quote the policy as it is."""

import re
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets.policy import POLICY

FOLDER = PROJECT_ROOT / "docs" / "explanation"
_QUOTED = re.compile(r"^\| [^|]+ \| ([\d.]+) \| `([\w.]+)` \|$", re.MULTILINE)
_WITH_NUMBERS = ("hipaa-evidence", "risk-score", "verdict")


def _quoted(path: Path) -> list[tuple[str, str]]:
    return _QUOTED.findall(path.read_text(encoding="utf-8"))


def _of_the_policy(name: str) -> float:
    value: object = POLICY
    for part in name.split("."):
        value = value[int(part)] if isinstance(value, tuple) else getattr(value, part)
    assert isinstance(value, int | float)
    return float(value)


@pytest.mark.parametrize("page", _WITH_NUMBERS)
def test_a_number_that_is_quoted_is_the_policys(page: str) -> None:
    quoted = _quoted(FOLDER / f"{page}.md")
    assert quoted
    assert {name: float(value) for value, name in quoted} == {name: _of_the_policy(name) for _, name in quoted}


@pytest.mark.parametrize("page", _WITH_NUMBERS)
def test_each_row_of_a_table_of_numbers_is_read(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    [table] = re.findall(r"\| in `healthcare_assets/policy\.py` \|\n\| --- .+\n((?:\|.+\n)+)", text)
    assert len(_quoted(FOLDER / f"{page}.md")) == table.count("\n")


def test_each_criterion_with_a_threshold_of_its_own_is_explained() -> None:
    explained = {name for _, name in _quoted(FOLDER / "verdict.md")}
    assert {f"promotion.{name}" for name in vars(POLICY.promotion)} <= explained


def test_each_band_of_the_risk_score_is_explained() -> None:
    explained = {name for _, name in _quoted(FOLDER / "risk-score.md")}
    assert {f"bands.{name}" for name in vars(POLICY.bands)} <= explained


@pytest.mark.parametrize(
    ("page", "sentence", "name", "number"),
    [
        ("README.md", "more than a tenth of a day in quarantine", "data.quarantine_rate_maximum", 0.1),
        ("docs/runbook.md", "More than a tenth of the day's records were refused", "data.quarantine_rate_maximum", 0.1),
        ("docs/runbook.md", "is more than 15 points off", "promotion.risk_score_mae_maximum", 15),
        ("docs/runbook.md", "is off by more than a tenth", "fairness.bias_maximum", 0.1),
        ("docs/runbook.md", "Fewer than 50 patients were scored", "data.low_volume_below", 50),
        ("docs/runbook.md", "not known 60 days after the service", "monitoring.outcomes_due_days", 60),
        ("docs/monitoring.md", "is more than 15 points off", "promotion.risk_score_mae_maximum", 15),
        ("docs/monitoring.md", "error is over 15 points", "promotion.risk_score_mae_maximum", 15),
        ("docs/monitoring.md", "fewer than 50 predictions", "data.low_volume_below", 50),
        ("docs/monitoring.md", "is off by more than 10 %", "fairness.bias_maximum", 0.1),
        ("docs/monitoring.md", "not known 60 days after the service", "monitoring.outcomes_due_days", 60),
        ("docs/monitoring.md", "(of the last 90)", "monitoring.look_back_days", 90),
        ("docs/monitoring.md", "at least 2 of the last 5 days", "retraining.drift_days", 2),
        ("docs/monitoring.md", "at least 2 of the last 5 days", "retraining.of_last_days", 5),
        ("docs/monitoring.md", "not again within 7 days", "retraining.cool_down_days", 7),
        ("docs/monitoring.md", "over 0.3 *and* over", "drift.psi_maximum", 0.3),
        ("docs/monitoring.md", "beyond ±0.147 and beyond chance", "drift.shift_maximum", 0.147),
        ("docs/care.md", "risen by 15 points or more", "care.risen_points", 15),
    ],
)
def test_a_threshold_that_is_told_in_words_is_the_policys(page: str, sentence: str, name: str, number: float) -> None:
    assert sentence in " ".join((PROJECT_ROOT / page).read_text(encoding="utf-8").split())
    assert _of_the_policy(name) == number, f"say it anew in {page}: {sentence}"
