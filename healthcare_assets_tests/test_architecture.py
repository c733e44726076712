"""The house: which room may know which, and what may never come in."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PACKAGE = Path(__file__).parent.parent / "healthcare_assets"
ROOT = PACKAGE.parent
LINES_AT_A_SITTING = 320

CLOCK_AND_ENVIRONMENT = {"now", "today", "utcnow", "environ", "getenv", "open", "read_text", "write_text"}


def test_the_arrows_of_the_house_point_one_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((PACKAGE / "domain").rglob("*.py")), ids=lambda path: path.name)
def test_the_domain_reads_no_clock_no_environment_and_no_file(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    assert not called & CLOCK_AND_ENVIRONMENT


@pytest.mark.parametrize(
    "path",
    sorted(p for folder in ("healthcare_assets", "databricks_steps") for p in (ROOT / folder).rglob("*.py")),
    ids=lambda path: path.name,
)
def test_a_file_is_read_at_a_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_AT_A_SITTING


@pytest.mark.parametrize("path", sorted((PACKAGE / "defs" / "assets").glob("*_*.py")), ids=lambda path: path.name)
def test_an_asset_body_is_a_handful_of_lines(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.body[-1].end_lineno is not None
            assert node.body[-1].end_lineno - node.body[0].lineno < 6


def test_no_threshold_stands_twice() -> None:
    """The contract's limits are numbers that occur nowhere but in the policy (and, in words, in descriptions)."""
    limits = {0.70, 15.0, 0.60, 85.0, 75.0}
    for path in PACKAGE.rglob("*.py"):
        if path.name == "policy.py":
            continue
        numbers = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, float)
        }
        assert not numbers & limits, path
