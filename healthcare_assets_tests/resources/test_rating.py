"""The market that the settings name, and a curve of the insurer's own."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from healthcare_assets.domain.pricing.age_curves import AGE_LEVELS, FEDERAL_DEFAULT, STATE_CURVES
from healthcare_assets.errors import SettingsError
from healthcare_assets.policy import PricingRules
from healthcare_assets.resources.rating import rating_law_of

RULES = PricingRules()
GOOD = dict(zip(AGE_LEVELS, FEDERAL_DEFAULT.factors, strict=True))


def _written(folder: Path, factors: Mapping[str, object], head: str = 'name = "New Jersey, small groups"') -> str:
    file = folder / "curve.toml"
    lines = [head, "[factors]", *(f"{level} = {factor}" for level, factor in factors.items())]
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def test_a_state_is_given_by_its_letters_and_none_is_the_federal_default() -> None:
    assert rating_law_of(None, None, rules=RULES).curve == FEDERAL_DEFAULT
    assert rating_law_of("ma", None, rules=RULES).curve == STATE_CURVES["MA"]
    assert rating_law_of("TX", None, rules=RULES).curve == FEDERAL_DEFAULT
    for state in ("XX", "Massachusetts", "PR"):
        with pytest.raises(SettingsError, match=f"HEALTHCARE_RATING_STATE is '{state}': set it to the two letters"):
            rating_law_of(state, None, rules=RULES)


def test_an_insurer_s_own_curve_takes_the_place_of_the_published_one(tmp_path: Path) -> None:
    law = rating_law_of("NJ", _written(tmp_path, {**GOOD, "40": 1.3}), rules=RULES)
    assert (law.curve.name, law.curve.factor(40), law.tobacco_limit) == ("New Jersey, small groups", 1.3, 1.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"64-over": 3.1}, "64-over pays 3.100 times what 21 pays, over 3:1"),
        ({"30": 0.9}, "the factor falls from 29 to 30"),
        ({"30": 0.0}, "the factor of 30 is no positive number"),
        ({"30": "nan"}, "the factor of 30 is no positive number"),
        ({"30": '"1"'}, r"it needs a table \[factors\], age = factor"),
        ({"30": "true"}, r"it needs a table \[factors\], age = factor"),
        ({"65": 3.0}, "65 is no age band"),
    ],
)
def test_a_curve_that_the_law_does_not_allow_is_refused(
    change: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        rating_law_of(None, _written(tmp_path, {**GOOD, **change}), rules=RULES)


def test_a_file_that_cannot_be_meant_is_one_sentence(tmp_path: Path) -> None:
    lacking = {level: factor for level, factor in GOOD.items() if level != "15"}
    with pytest.raises(SettingsError, match="it has no factor for 15: correct the file"):
        rating_law_of(None, _written(tmp_path, lacking), rules=RULES)
    with pytest.raises(SettingsError, match="state is none of name, version, factors"):
        rating_law_of(None, _written(tmp_path, dict(GOOD), head='state = "NJ"'), rules=RULES)
    with pytest.raises(SettingsError, match="cannot be read"):
        rating_law_of(None, str(tmp_path / "missing.toml"), rules=RULES)
    (tmp_path / "curve.toml").write_text("no toml", encoding="utf-8")
    with pytest.raises(SettingsError, match="it is no TOML"):
        rating_law_of(None, str(tmp_path / "curve.toml"), rules=RULES)
