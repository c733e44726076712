"""The environments in one typed table, and the settings that a process reads from its environment variables.

Nothing here is evaluated at import: definitions load with no variable set.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from healthcare_assets.errors import SettingsError

EnvironmentName = Literal["local", "dev", "staging", "prod"]
EngineName = Literal["polars", "spark"]

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where the graph runs."""

    name: EnvironmentName
    launches: Literal["in process"]
    """How a step is launched."""
    experiment_root: str
    """Folder of the MLflow experiments."""
    model_name: str
    """Registered name of the model."""
    schema: str | None = None
    """`<catalog>.<schema>` of the tables in Unity Catalog; None where tables are folders of this machine."""


ENVIRONMENTS: Mapping[str, Environment] = {
    environment.name: environment
    for environment in (
        Environment(
            name="local",
            launches="in process",
            experiment_root="healthcare/local",
            model_name="health_insurance_cost",
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment variables of the contract say."""

    environment: Environment
    home: Path
    """Folder of everything local, absolute."""
    source: str | None
    """Where patient records come from; None is the synthetic source."""
    outcomes: str | None
    """Where costs come from as they become known; None is the synthetic source's, where that is the source."""
    engine: EngineName
    first_day: date
    """First partition; an undated file belongs to it."""
    pseudonym_key: str | None
    alert_urls: tuple[str, ...]
    """Where alerts go (Apprise URLs, each with its secrets); none: the log."""

    @property
    def reports_root(self) -> Path:
        return self.home / "reports"

    @property
    def lakehouse_root(self) -> Path:
        return self.home / "lakehouse"

    @property
    def mlflow_root(self) -> Path:
        return self.home / "mlflow"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"


def settings_from(variables: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. An unset or empty variable takes its default; SettingsError names a value that is unusable."""
    name = environment_name_from(variables)
    if name not in get_args(EnvironmentName):
        raise SettingsError(f"HEALTHCARE_ENV is '{name}': set it to one of {', '.join(get_args(EnvironmentName))}.")
    if name not in ENVIRONMENTS:
        raise SettingsError(
            f"HEALTHCARE_ENV is '{name}', and this version materialises in 'local' only: unset it to run here."
        )
    engine = _value(variables, "HEALTHCARE_ENGINE") or "polars"
    if engine not in get_args(EngineName):
        raise SettingsError(f"HEALTHCARE_ENGINE is '{engine}': set it to one of {', '.join(get_args(EngineName))}.")
    home = Path(_value(variables, "HEALTHCARE_HOME") or PROJECT_ROOT / ".healthcare").expanduser()
    return Settings(
        environment=ENVIRONMENTS[name],
        home=home if home.is_absolute() else Path.cwd() / home,
        source=_value(variables, "HEALTHCARE_SOURCE"),
        outcomes=_value(variables, "HEALTHCARE_OUTCOMES"),
        engine="spark" if engine == "spark" else "polars",
        first_day=first_day_from(variables),
        pseudonym_key=_value(variables, "HEALTHCARE_PSEUDONYM_KEY"),
        alert_urls=alert_urls_from(variables),
    )


def environment_name_from(variables: Mapping[str, str] = os.environ) -> str:
    """HEALTHCARE_ENV as it was given, or local."""
    return _value(variables, "HEALTHCARE_ENV") or "local"


def alert_urls_from(variables: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """HEALTHCARE_ALERT_URLS: Apprise URLs, separated by commas. A comma within a URL is written %2C."""
    return tuple(url.strip() for url in variables.get("HEALTHCARE_ALERT_URLS", "").split(",") if url.strip())


def first_day_from(variables: Mapping[str, str] = os.environ) -> date:
    """The first partition: HEALTHCARE_FIRST_DAY, or 2026-01-01."""
    text = _value(variables, "HEALTHCARE_FIRST_DAY")
    if text is None:
        return DEFAULT_FIRST_DAY
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"HEALTHCARE_FIRST_DAY is '{text}': write it as a date like 2026-01-01.") from error


def made_folder(folder: Path) -> Path:
    """The folder, made for this user only where it is not there yet: bronze records carry identifiers.

    Raises SettingsError when it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be made ({error.strerror}): "
            "set HEALTHCARE_HOME to a folder that you may write to."
        ) from error
    return folder


def _value(variables: Mapping[str, str], name: str) -> str | None:
    return variables.get(name, "").strip() or None
