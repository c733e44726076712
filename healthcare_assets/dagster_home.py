"""Dagster's own folder, made ready before a run or the UI opens it: its configuration and its databases.

Dagster makes its SQLite files when it first needs them, and processes that do so at once get in each other's way: here
one process makes them all, and the others wait for it.
"""

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stdout
from importlib.metadata import version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from filelock import FileLock

from healthcare_assets.environments import DAGSTER_DATABASE, PROJECT_ROOT, Settings, made_folder, settings_from
from healthcare_assets.errors import HealthcareError, SettingsError
from healthcare_assets.resources.database_faults import trouble_with_sqlite
from healthcare_assets.resources.disk_faults import trouble_with_the_disk

_CONFIGURATION = "dagster.yaml"
_IN_POSTGRES = f"""
storage:
  postgres:
    postgres_url:
      # The URL bears a password: it stands in no file.
      env: {DAGSTER_DATABASE}
"""
# With the driver's name: SQLAlchemy's own choice is another one than the one that dagster-postgres brings.
_FORM = "postgresql+psycopg2://user:password@host:5432/database"
_POSTGRES_URL = re.compile(r"postgresql\+psycopg2://[^/]+/.+")


def prepare(settings: Settings) -> None:
    """Make the folder with the project's configuration, and databases that fit the installed Dagster.

    SettingsError when there can be no such folder, and when the database is missing, is none or does not answer.
    """
    home = settings.dagster_home
    configuration = (PROJECT_ROOT / _CONFIGURATION).read_text(encoding="utf-8")
    if _is_in_postgres(settings):
        configuration += _IN_POSTGRES
    try:
        made_folder(home)
        with FileLock(home / "prepare.lock"):
            _configure(home, configuration)
            _check_databases(home)
            _bring_databases_up_to_date(settings)
    except OSError as error:
        trouble = trouble_with_the_disk(error)
        raise SettingsError(
            f"Nothing can be written to {home} ({error.strerror}): {f'{trouble[1]}, or ' if trouble else ''}"
            "set HEALTHCARE_HOME to a folder that you may write to."
        ) from error


@contextmanager
def telling_of_storage(settings: Settings) -> Iterator[None]:
    """A fault of the files in which Dagster keeps its runs becomes a SettingsError, with what to do about it."""
    try:
        yield
    except HealthcareError:
        raise
    except Exception as error:
        trouble = trouble_with_sqlite(error) or trouble_with_the_disk(error)
        if trouble is None:
            raise
        said, to_do = trouble
        raise SettingsError(
            f"Dagster's storage in {settings.dagster_home} cannot be used ({said}): {to_do}, and run this again. Every "
            "table is as its last commit left it."
        ) from error


def _is_in_postgres(settings: Settings) -> bool:
    environment, database = settings.environment, settings.dagster_database
    if database is None:
        if environment.shared:
            raise SettingsError(
                f"HEALTHCARE_ENV is {environment.name}, where Dagster's storage lies in PostgreSQL: "
                f"set {DAGSTER_DATABASE} to {_FORM}."
            )
        return False
    if not _POSTGRES_URL.fullmatch(database):
        raise SettingsError(f"{DAGSTER_DATABASE} is no URL like {_FORM}.")
    if find_spec("dagster_postgres") is None:
        raise SettingsError(
            f"{DAGSTER_DATABASE} is set and dagster-postgres is not installed: run make .venv/.ready-dev."
        )
    return True


def _configure(home: Path, wanted: str) -> None:
    there = home / _CONFIGURATION
    if there.exists() and there.read_text(encoding="utf-8") == wanted:
        return
    # By renaming: a daemon or a run that reads it in this moment must not find half of it.
    unfinished = there.with_suffix(".unfinished")
    unfinished.write_text(wanted, encoding="utf-8")
    unfinished.replace(there)


def _check_databases(home: Path) -> None:
    """SettingsError when a SQLite file of Dagster's is none: Dagster itself would tell it with a stack trace."""
    for path in sorted(home.rglob("*.db")):
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            continue  # busy: Dagster waits for it
        except sqlite3.DatabaseError as error:
            raise SettingsError(
                f"{path} is damaged ({error}): put it back from your backup, or move it away, and run this again. "
                "Dagster begins a new one then, without the record of earlier runs; tables and models are not in it."
            ) from error


def _bring_databases_up_to_date(settings: Settings) -> None:
    """SQLite's once a version of Dagster; a server's each time, since another machine may have another version."""
    home = settings.dagster_home
    done = home / f".databases-of-{version('dagster')}"
    if settings.dagster_database is None and done.exists():
        return
    import dagster as dg

    try:
        # It prints what it does, a line a database: nothing that whoever starts a run has to know.
        with redirect_stdout(StringIO()), dg.DagsterInstance.from_config(str(home)) as instance:
            instance.upgrade()
    except Exception as error:
        # Of the library's own, or of SQLAlchemy, or of the driver; the cause names user and host.
        if settings.dagster_database is None or not _is_of_connection(error):
            raise
        raise SettingsError(
            f"The database that {DAGSTER_DATABASE} names does not take us: "
            "start it, or correct user, password, host and database."
        ) from None
    if settings.dagster_database is None:
        done.touch()


def _is_of_connection(error: BaseException) -> bool:
    """Whether the error, or what it came from, is that the database does not take us."""
    from sqlalchemy.exc import OperationalError

    return isinstance(error, OperationalError) or (error.__cause__ is not None and _is_of_connection(error.__cause__))


if __name__ == "__main__":
    try:
        of_environment = settings_from()
        with telling_of_storage(of_environment):
            prepare(of_environment)
    except HealthcareError as problem:
        sys.exit(str(problem))
