"""The reference says what the code says."""

import pytest

from databricks_steps.bundle_jobs import SETTINGS
from databricks_steps.order import FORWARDED
from healthcare_assets_tests.documents.reference import FOLDER, documents
from healthcare_assets_tests.documents.reference_settings import is_secret, read_by_the_code, told_by_readme


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return documents()


@pytest.mark.parametrize("name", ["tables.md", "checks.md", "alerts.md", "errors.md", "settings.md"])
def test_the_reference_is_the_code_s(made: dict[str, str], name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == made[name], "run `make reference`"


def test_no_page_of_the_reference_is_left_over(made: dict[str, str]) -> None:
    assert {path.name for path in FOLDER.iterdir()} == made.keys()


def test_every_error_is_a_sentence_that_says_what_to_do(made: dict[str, str]) -> None:
    said = [line.split(" | ")[0].removeprefix("| ") for line in made["errors.md"].splitlines() if " | `" in line]
    assert len(said) > 60
    for sentence in said:
        assert sentence[0].isupper() or sentence.startswith(("{", "dataframe_split")), sentence
        assert sentence.endswith((".", "}")), sentence


def test_readme_has_each_setting_that_the_code_reads_and_no_other() -> None:
    assert set(told_by_readme()) == read_by_the_code()


def test_what_is_handed_to_a_step_is_a_setting_and_no_secret() -> None:
    told = told_by_readme()
    assert set(FORWARDED) | set(SETTINGS) <= told.keys()
    assert set(SETTINGS) <= set(FORWARDED)
    secrets = {name for name in told if is_secret(name)}
    assert secrets == {
        "HEALTHCARE_ALERT_URLS",
        "HEALTHCARE_DAGSTER_DATABASE",
        "HEALTHCARE_PSEUDONYM_KEY",
        "HEALTHCARE_PSEUDONYM_KEY_NEXT",
    }
    assert not secrets & set(FORWARDED)
