"""Dagster's own folder, made ready before a run or the UI opens it: its configuration and its databases.

Dagster makes its SQLite files when it first needs them, and processes that do so at once get in each other's way: here
one process makes them all, and the others wait for it.
"""

import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path

from filelock import FileLock

from healthcare_assets.environments import PROJECT_ROOT, made_folder, settings_from
from healthcare_assets.errors import HealthcareError, SettingsError

_CONFIGURATION = "dagster.yaml"


def prepare(home: Path) -> None:
    """Make the folder with the project's configuration, and databases that fit the installed Dagster.

    SettingsError when there can be no such folder.
    """
    try:
        made_folder(home)
        with FileLock(home / "prepare.lock"):
            _configure(home)
            _bring_databases_up_to_date(home)
    except OSError as error:
        raise SettingsError(
            f"Nothing can be written to {home} ({error.strerror}): "
            "set HEALTHCARE_HOME to a folder that you may write to."
        ) from error


def _configure(home: Path) -> None:
    wanted, there = PROJECT_ROOT / _CONFIGURATION, home / _CONFIGURATION
    if there.exists() and there.read_bytes() == wanted.read_bytes():
        return
    # By renaming: a daemon or a run that reads it in this moment must not find half of it.
    unfinished = there.with_suffix(".unfinished")
    unfinished.write_bytes(wanted.read_bytes())
    unfinished.replace(there)


def _bring_databases_up_to_date(home: Path) -> None:
    done = home / f".databases-of-{version('dagster')}"
    if done.exists():
        return
    import dagster as dg

    # It prints what it does, a line a database: nothing that whoever starts a run has to know.
    with redirect_stdout(StringIO()), dg.DagsterInstance.from_config(str(home)) as instance:
        instance.upgrade()
    done.touch()


if __name__ == "__main__":
    try:
        prepare(settings_from().dagster_home)
    except HealthcareError as problem:
        sys.exit(str(problem))
