"""The explanations quote the policy as it is."""

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
