"""The environments in one typed table, and the settings that a process reads from its environment variables.

Nothing here is evaluated at import: definitions load with no variable set.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, get_args

from healthcare_assets.compute import ClusterShape, Compute, JobCluster, WarmCluster, Workload
from healthcare_assets.errors import SettingsError

EnvironmentName = Literal["local", "dev", "staging", "prod"]
EngineName = Literal["polars", "spark"]

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FIRST_DAY = date(2026, 1, 1)
DAGSTER_DATABASE = "HEALTHCARE_DAGSTER_DATABASE"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What the graph uses of a Databricks workspace."""

    catalog: str
    schema: str
    volume: str
    """A volume of the schema, or a volume's path: staged steps, the code, scratch files, reports."""
    compute: Mapping[Workload, Compute]
    secret_scope: str
    """Holds `pseudonym_key`, and nothing that a step does not need."""
    service_principal: str
    """Who the jobs run as: the name of the bundle's variable that holds its application id."""
    notify: tuple[str, ...]
    """Whom Databricks mails when a job of the bundle fails."""
    cost_centre: str
    deadline: timedelta = timedelta(hours=2)
    """How long a step may take, waiting for its machines included."""

    @property
    def volume_path(self) -> str:
        """The volume as a folder: jobs and the Files API know it by the same path."""
        return self.volume if self.volume.startswith("/") else f"/Volumes/{self.catalog}/{self.schema}/{self.volume}"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where the graph runs."""

    name: EnvironmentName
    experiment_root: str
    """Folder of the MLflow experiments."""
    model_name: str
    """Registered name of the model, without catalog and schema."""
    workspace: Workspace | None = None
    """Where steps are launched; None is the process that asks, and folders of its machine."""
    shared: bool = False
    """Whether several people rely on its runs: then Dagster's storage lies in PostgreSQL."""

    @property
    def schema(self) -> str | None:
        """`<catalog>.<schema>` of tables and models in Unity Catalog; None where tables are folders of this machine."""
        return None if self.workspace is None else f"{self.workspace.catalog}.{self.workspace.schema}"

    @property
    def registered_model(self) -> str:
        """The name by which the registry knows the model."""
        return self.model_name if self.schema is None else f"{self.schema}.{self.model_name}"


_SCHEMA, _VOLUME, _MODEL = "insurance", "steps", "health_insurance_cost"
_SMALL, _LARGE = "m6id.xlarge", "m6id.2xlarge"

ENVIRONMENTS: Mapping[str, Environment] = {
    environment.name: environment
    for environment in (
        Environment(name="local", experiment_root="healthcare/local", model_name=_MODEL),
        Environment(
            name="dev",
            experiment_root="/Shared/healthcare/dev",
            model_name=_MODEL,
            workspace=Workspace(
                catalog="healthcare_dev",
                schema=_SCHEMA,
                volume=_VOLUME,
                compute={
                    "daily": WarmCluster(
                        shape=ClusterShape(node_type=_SMALL, min_workers=0, max_workers=0, spot=True), idle_minutes=15
                    ),
                    "training": JobCluster(
                        shape=ClusterShape(node_type=_SMALL, min_workers=0, max_workers=0, spot=True)
                    ),
                },
                secret_scope="healthcare_dev",  # noqa: S106 - the scope's name
                service_principal="dev_service_principal",
                notify=(),
                cost_centre="data-platform-dev",
            ),
        ),
        Environment(
            name="staging",
            shared=True,
            experiment_root="/Shared/healthcare/staging",
            model_name=_MODEL,
            workspace=Workspace(
                catalog="healthcare_staging",
                schema=_SCHEMA,
                volume=_VOLUME,
                compute={
                    "daily": WarmCluster(
                        shape=ClusterShape(node_type=_SMALL, min_workers=1, max_workers=2, spot=True), idle_minutes=15
                    ),
                    "training": JobCluster(
                        shape=ClusterShape(node_type=_LARGE, min_workers=1, max_workers=2, spot=True)
                    ),
                },
                secret_scope="healthcare_staging",  # noqa: S106 - the scope's name
                service_principal="staging_service_principal",
                notify=("health-data-platform@example.com",),
                cost_centre="data-platform-staging",
            ),
        ),
        Environment(
            name="prod",
            shared=True,
            experiment_root="/Shared/healthcare/prod",
            model_name=_MODEL,
            workspace=Workspace(
                catalog="healthcare_prod",
                schema=_SCHEMA,
                volume=_VOLUME,
                compute={
                    "daily": WarmCluster(
                        shape=ClusterShape(node_type=_LARGE, min_workers=1, max_workers=8, spot=True), idle_minutes=20
                    ),
                    # A training takes long, and begins anew when a machine is taken away.
                    "training": JobCluster(
                        shape=ClusterShape(node_type=_LARGE, min_workers=1, max_workers=4, spot=False)
                    ),
                },
                secret_scope="healthcare_prod",  # noqa: S106 - the scope's name
                service_principal="prod_service_principal",
                notify=("health-data-oncall@example.com",),
                cost_centre="actuarial-analytics",
            ),
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
    source_columns: str | None
    """The file that says which columns of the source are which; None: they have our names."""
    outcomes: str | None
    """Where costs come from as they become known; None is the synthetic source's, where that is the source."""
    engine: EngineName
    first_day: date
    """First partition; an undated file belongs to it."""
    pseudonym_key: str | None = field(repr=False)
    """One key, or several after rotations: a line each, the oldest first."""
    next_pseudonym_key: str | None = field(repr=False)
    """What a rotation puts on top."""
    tracking_uri: str
    """Where MLflow's runs are."""
    registry_uri: str
    """Where MLflow's registered models are."""
    rating_state: str | None
    """The state whose rating rules hold, two letters; None: the federal default."""
    age_curve: str | None
    """The file with an age curve of the insurer's own; None: the one that is published."""
    alert_urls: tuple[str, ...] = field(repr=False)
    """Where alerts go (Apprise URLs, each with its secrets); none: the log."""
    dagster_database: str | None = field(repr=False)
    """The PostgreSQL database (URL, with its password) of Dagster's own storage; None: SQLite in `dagster_home`."""
    care_capacity: int | None = None
    """How many patients the care team can call a day; None: as the policy has it."""

    @property
    def reports_root(self) -> Path:
        return self.home / "reports"

    @property
    def exports_root(self) -> Path:
        return self.home / "exports"

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
    environment = environment_from(variables)
    engine = _value(variables, "HEALTHCARE_ENGINE") or ("polars" if environment.workspace is None else "spark")
    if engine not in get_args(EngineName):
        raise SettingsError(f"HEALTHCARE_ENGINE is '{engine}': set it to one of {', '.join(get_args(EngineName))}.")
    home = Path.cwd() / Path(_value(variables, "HEALTHCARE_HOME") or PROJECT_ROOT / ".healthcare").expanduser()
    tracking_uri, registry_uri = _mlflow_uris(environment, home, variables)
    return Settings(
        environment=environment,
        home=home,
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
        source=_value(variables, "HEALTHCARE_SOURCE"),
        source_columns=_value(variables, "HEALTHCARE_SOURCE_COLUMNS"),
        outcomes=_value(variables, "HEALTHCARE_OUTCOMES"),
        engine="spark" if engine == "spark" else "polars",
        first_day=first_day_from(variables),
        rating_state=_value(variables, "HEALTHCARE_RATING_STATE"),
        age_curve=_value(variables, "HEALTHCARE_AGE_CURVE"),
        pseudonym_key=_value(variables, "HEALTHCARE_PSEUDONYM_KEY"),
        next_pseudonym_key=_value(variables, "HEALTHCARE_PSEUDONYM_KEY_NEXT"),
        alert_urls=alert_urls_from(variables),
        dagster_database=_value(variables, DAGSTER_DATABASE),
        care_capacity=_care_capacity_from(variables),
    )


def environment_from(variables: Mapping[str, str] = os.environ) -> Environment:
    """The environment that HEALTHCARE_ENV names, with the catalog and the volume that the variables put in its place.

    SettingsError for an environment that does not exist, and for a catalog that is another environment's.
    """
    name = environment_name_from(variables)
    if name not in ENVIRONMENTS:
        raise SettingsError(f"HEALTHCARE_ENV is '{name}': set it to one of {', '.join(ENVIRONMENTS)}.")
    environment = ENVIRONMENTS[name]
    if environment.workspace is None:
        return environment
    catalog = _value(variables, "HEALTHCARE_CATALOG") or environment.workspace.catalog
    for other in ENVIRONMENTS.values():
        if other.workspace is not None and other.name != name and other.workspace.catalog == catalog:
            raise SettingsError(
                f"HEALTHCARE_CATALOG is '{catalog}', which is the catalog of {other.name}: "
                f"name one of {name}, or unset it to use {environment.workspace.catalog}."
            )
    volume = _value(variables, "HEALTHCARE_VOLUME") or environment.workspace.volume
    return replace(environment, workspace=replace(environment.workspace, catalog=catalog, volume=volume))


def environment_name_from(variables: Mapping[str, str] = os.environ) -> str:
    """HEALTHCARE_ENV as it was given, or local."""
    return _value(variables, "HEALTHCARE_ENV") or "local"


def alert_urls_from(variables: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """HEALTHCARE_ALERT_URLS: Apprise URLs, separated by commas. A comma within a URL is written %2C."""
    return tuple(url.strip() for url in variables.get("HEALTHCARE_ALERT_URLS", "").split(",") if url.strip())


def _mlflow_uris(environment: Environment, home: Path, variables: Mapping[str, str]) -> tuple[str, str]:
    """Where runs and models are: a database in `home`, the workspace and Unity Catalog, or a server that is named."""
    if environment.workspace is None:
        database = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
        return database, database
    tracking = _value(variables, "MLFLOW_TRACKING_URI") or "databricks"
    models = "databricks-uc" if tracking == "databricks" else tracking
    return tracking, _value(variables, "MLFLOW_REGISTRY_URI") or models


def first_day_from(variables: Mapping[str, str] = os.environ) -> date:
    """The first partition: HEALTHCARE_FIRST_DAY, or 2026-01-01."""
    text = _value(variables, "HEALTHCARE_FIRST_DAY")
    if text is None:
        return DEFAULT_FIRST_DAY
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"HEALTHCARE_FIRST_DAY is '{text}': write it as a date like 2026-01-01.") from error


def _care_capacity_from(variables: Mapping[str, str]) -> int | None:
    text = _value(variables, "HEALTHCARE_CARE_CAPACITY")
    if text is None:
        return None
    if not re.fullmatch("0*[1-9][0-9]{0,8}", text):
        raise SettingsError(
            f"HEALTHCARE_CARE_CAPACITY is '{text}': set it to how many patients the care team can call a day, a whole "
            "number from 1 to 999999999."
        )
    return int(text)


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
