"""The reference says what the code says."""

import pytest

from healthcare_assets_tests.documents.reference import FOLDER, documents


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return documents()


@pytest.mark.parametrize("name", ["tables.md", "checks.md", "errors.md"])
def test_the_reference_is_the_code_s(made: dict[str, str], name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == made[name], "run `make reference`"


def test_every_error_is_a_sentence_that_says_what_to_do(made: dict[str, str]) -> None:
    said = [line.split(" | ")[0].removeprefix("| ") for line in made["errors.md"].splitlines() if " | `" in line]
    assert len(said) > 60
    for sentence in said:
        assert sentence[0].isupper() or sentence.startswith(("{", "dataframe_split")), sentence
        assert sentence.endswith((".", "}")), sentence
