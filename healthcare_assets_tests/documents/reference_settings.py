"""The settings: what README says of each, and what the code does with it."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from databricks_steps.bundle_jobs import SETTINGS
from databricks_steps.order import FORWARDED
from healthcare_assets.environments import PROJECT_ROOT, Settings, settings_from
from healthcare_assets.errors import SettingsError
from healthcare_assets_tests.documents.pages import page, table

_ROW = re.compile(r"^\| `((?:HEALTHCARE|MLFLOW)_[A-Z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
_NAME = re.compile(r"HEALTHCARE_[A-Z_]+[A-Z]")
_PACKAGES = ("healthcare_assets", "databricks_steps")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A row of README's table."""

    meaning: str
    default: str


class _Recorded(dict[str, str]):
    """Variables that are all unset, and remember which of them were asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self.asked: set[str] = set()

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        self.asked.add(key)
        return super().get(key, default)


def settings() -> str:
    rows = (
        (
            f"`{name}`",
            _seen_from_here(told.meaning),
            _seen_from_here(told.default),
            f"`{SETTINGS[name]}`" if name in SETTINGS else "",
            "yes" if name in FORWARDED else "no",
            "yes" if is_secret(name) else "no",
        )
        for name, told in told_by_readme().items()
    )
    return page(
        "Settings",
        "The environment variables that a process reads. An empty one counts as not set; a value that cannot be used "
        "ends the process with a sentence that names it ([errors](errors.md#settings)). *Bundle variable* is what sets "
        "it for Databricks' own jobs (`--var name=value`, [deployment.md](../deployment.md)). *Forwarded* says whether "
        "a step that Dagster launches in a workspace gets it from the process that launches it; the environment's name "
        "is part of each order. A *secret* is never forwarded: in a workspace the keys of the pseudonyms are in the "
        "secret scope.",
        table(("setting", "meaning", "default", "bundle variable", "forwarded", "secret"), rows),
    )


def told_by_readme() -> dict[str, Told]:
    """By name, in the order of README's table."""
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    return {name: Told(meaning=meaning, default=default) for name, meaning, default in _ROW.findall(text)}


def read_by_the_code() -> set[str]:
    """Whatever `settings_from` asks for, and every other name of ours that stands alone in a text of the code."""
    return {name for name in _asked() if name.startswith(("HEALTHCARE_", "MLFLOW_"))} | set(_literals())


def is_secret(name: str) -> bool:
    """Whether its value is one of those that `Settings` does not show."""
    try:
        given = settings_from({name: "https://one.example"})
    except SettingsError:
        return False  # what is checked to be a number, a date or a name
    unset = settings_from({})
    hidden = [field.name for field in fields(Settings) if not field.repr]
    return any(getattr(given, field) != getattr(unset, field) for field in hidden)


def _asked() -> set[str]:
    asked: set[str] = set()
    for environment in ("local", "dev"):
        recorded = _Recorded({"HEALTHCARE_ENV": environment})
        settings_from(recorded)
        asked |= recorded.asked
    return asked


def _literals() -> Iterator[str]:
    for package in _PACKAGES:
        for path in sorted((PROJECT_ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
                    yield node.value


def _seen_from_here(text: str) -> str:
    """README's links, from the folder of the reference."""
    return re.sub(r"\[docs/([^\]]+)\]\(docs/([^)]+)\)", r"[\1](../\2)", text)
