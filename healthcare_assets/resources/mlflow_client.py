"""Opening MLflow: quietly, without a word to the network, and safely when several processes open a new one at once."""

import logging
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock

from healthcare_assets.errors import RegistryError
from healthcare_assets.resources.database_faults import trouble_with_sqlite
from healthcare_assets.resources.disk_faults import trouble_with_the_disk

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 120
_DATABASE_LOGGER = "mlflow.store.db.utils"
_CHATTY_LOGGERS = (_DATABASE_LOGGER, "mlflow.pyfunc", "alembic.runtime.migration")


@contextmanager
def quietly() -> Iterator[None]:
    """MLflow's import and migrations without telemetry, log lines, and the deprecations inside them."""
    # Read when MLflow is imported or used, in this process and in those that it starts.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in _CHATTY_LOGGERS}
    with warnings.catch_warnings():
        # MLflow 3.17 uses what SQLAlchemy 2.1 deprecates (the `noload` loader strategy).
        warnings.simplefilter("ignore", DeprecationWarning)
        # MLflow 3.17 says so of its own classes, each time that mlflow.pyfunc is imported.
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
        for logger in levels:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in levels.items():
                logger.setLevel(level)


def open_client(tracking_uri: str, registry_uri: str) -> "MlflowClient":
    """A client of the tracking server and the model registry at the URIs. Creates a SQLite database that is not there.

    Importing MLflow takes 1.5–2 s, opening a SQLite store 0.8 s, creating one 2 s more.
    """
    database = sqlite_path(tracking_uri)
    if database is not None:
        _require_database(database)
    with quietly():
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri)


def sqlite_path(tracking_uri: str) -> Path | None:
    """The file of a SQLite tracking URI, or None for any other."""
    return Path(tracking_uri.removeprefix(_SQLITE)) if tracking_uri.startswith(_SQLITE) else None


def artifact_root(database: Path) -> Path:
    """The folder of everything that the store at this SQLite file keeps in files."""
    return database.parent / "artifacts"


def database_lock(database: Path) -> FileLock:
    """Held while the database is created, and while aliases move."""
    return FileLock(database.with_name(f"{database.name}.lock"), timeout=_LOCK_SECONDS)


def _require_database(database: Path) -> None:
    if not database.exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        with database_lock(database):
            if not database.exists():
                _create(database)
    # MLflow would retry for minutes on a file that is no database. Opened for writing, though this only reads: who was
    # killed within a transaction has left a journal, which SQLite has to roll back before anything can be read.
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("SELECT version_num FROM alembic_version")


def _create(database: Path) -> None:
    """Create the schema under another name and then rename: a database that is there is complete, whoever is killed."""
    unfinished = database.with_name(f"{database.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with quietly():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
            f"{_SQLITE}{unfinished}", artifact_root(database).absolute().as_uri()
        )
        store.engine.dispose()
    unfinished.replace(database)


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Turn what MLflow, its database and the file system raise into one sentence for the user."""
    with quietly():
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

    try:
        with _silent(_DATABASE_LOGGER):
            yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        said = one_line(error)
        trouble = trouble_with_sqlite(error) or trouble_with_the_disk(error)
        if isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST":
            message = (
                f"The model registry at {place} lacks what it was asked for ({said}): materialise trained_model again."
            )
        elif trouble is not None:
            message = f"The model registry at {place} does not answer ({trouble[0]}): {trouble[1]}, and run this again."
        else:
            message = (
                f"The model registry at {place} does not answer ({said}): "
                "check that it exists, is writable and belongs to this version of MLflow."
            )
        raise RegistryError(message) from error


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """MLflow logs a fault of its database with a stack trace and the statement's values, besides raising it."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def create_or_find(create: Callable[[], T], find: Callable[[], T]) -> T:
    """Create what may be there already, also when another process creates it in the same moment."""
    from mlflow.exceptions import MlflowException

    try:
        return create()
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return find()


def one_line(error: Exception) -> str:
    """The first line of what the error says, to stand within a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
