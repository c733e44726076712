"""The reference in `docs/reference`, made from the code: `make reference`. A test compares."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from healthcare_assets import errors
from healthcare_assets.domain.columns import PARTITION_COLUMN, STRUCT_FIELDS, Column, Table
from healthcare_assets.domain.lineage import told_origin
from healthcare_assets.domain.retention import days_kept
from healthcare_assets.domain.tables import TABLES
from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets.errors import HealthcareError
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.documents.pages import page, table
from healthcare_assets_tests.documents.reference_checks import alerts, checks
from healthcare_assets_tests.documents.reference_settings import settings

FOLDER = PROJECT_ROOT / "docs" / "reference"
_PACKAGES = ("healthcare_assets", "databricks_steps")


def documents() -> dict[str, str]:
    """The pages by file name."""
    return {
        "tables.md": _tables(),
        "checks.md": checks(),
        "alerts.md": alerts(),
        "errors.md": _errors(),
        "settings.md": settings(),
    }


def _tables() -> str:
    listed = table(
        ("table", "what it is", "kept (days)"),
        (
            (f"[{name}](#{name})", one.description, str(days_kept(one, POLICY.retention)))
            for name, one in TABLES.items()
        ),
    )
    sections = "\n".join(_section(one) for one in TABLES.values())
    return page(
        "Tables",
        "Every Delta table of the lakehouse, with its columns. A daily table is partitioned by `partition_date`.",
        f"{listed}\n{sections}",
    )


def _section(one: Table) -> str:
    key = ", ".join((*one.key, PARTITION_COLUMN) if one.daily else one.key)
    rows = (
        (f"`{c.name}`", _type(c), "yes" if c.nullable else "", c.description, told_origin(one.name, c.name))
        for c in one.columns
    )
    return f"\n## {one.name}\n\n{one.description} One row for each: {key}.\n\n" + table(
        ("column", "type", "may be null", "meaning", "made from"), rows
    )


def _type(column: Column) -> str:
    if column.type in STRUCT_FIELDS:
        return f"list of structs ({', '.join(f'{name}: {kind}' for name, kind in STRUCT_FIELDS[column.type])})"
    return "list of strings" if column.type == "strings" else column.type


def _errors() -> str:
    sections = []
    for kind in HealthcareError.__subclasses__():
        if kind.__module__ != errors.__name__:
            continue
        rows = sorted(set(_sentences_of(kind.__name__)))
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__.removesuffix("Error")).capitalize()
        said = table(("what it says", "module"), rows)
        sections.append(f"## {words}\n\n{(kind.__doc__ or '').strip()}\n\n{said}")
    return page(
        "Errors",
        "What people are told when something is wrong: the cause, the place and the next step, in one sentence and "
        "without a stack trace. In braces stands what the moment fills in.",
        "\n".join(sections),
    )


def _sentences_of(kind: str) -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        for path in sorted((PROJECT_ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id == kind
                    and node.args
                ):
                    sentence = _sentence(node.args[0])
                    # What is put together elsewhere is told there.
                    if not (sentence.startswith("{") and sentence.endswith("}") and sentence.count("{") == 1):
                        yield sentence, f"`{module}`"


def _sentence(node: ast.expr) -> str:
    """A literal with the expressions in it in braces; what is put together elsewhere is one expression."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_sentence(part) for part in parts)
        case ast.FormattedValue(value=inner):
            return f"{{{_placeholder(inner)}}}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _sentence(left) + _sentence(right)
        case _:
            return f"{{{_placeholder(node)}}}"


def _placeholder(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower().replace("_", " ")
        case ast.Call(args=[first, *_]):
            return _placeholder(first)
        case ast.Call(func=function):
            return _placeholder(function)
        case ast.Subscript(value=inner) | ast.Starred(value=inner):
            return _placeholder(inner)
        case _:
            return "…"


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
