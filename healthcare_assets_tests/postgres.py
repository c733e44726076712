"""A PostgreSQL of the tests' own: a real server on 127.0.0.1, gone with the tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from healthcare_assets_tests.loopback import refusing

_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def postgres_server() -> Iterator[str]:
    """Runs the server; gives the URL of an empty database. Leaves the test out where PostgreSQL is not installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = str(folder / "data")
        _run(programs / "initdb", "--pgdata", data, "--username", "dagster", "--auth", "trust", "--no-sync")
        with refusing() as port:
            pass
        # Nothing of it is to survive: writing is not waited for.
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        _run(
            programs / "pg_ctl", "--pgdata", data, "--wait", "--log", str(folder / "log"), "--options", options, "start"
        )
        try:
            yield f"postgresql+psycopg2://dagster:a-password@127.0.0.1:{port}/postgres"
        finally:
            _run(programs / "pg_ctl", "--pgdata", data, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """Debian keeps them away from the PATH, by version."""
    found = sorted(_DEBIAN.glob("*/bin/initdb")) or [Path(path) for path in [shutil.which("initdb")] if path]
    if not found or (os.geteuid() == 0 and not _user_exists()):
        pytest.skip("no PostgreSQL on this machine: install Debian's package postgresql")
    return found[-1].parent


def _user_exists() -> bool:
    return any(entry.pw_name == "postgres" for entry in pwd.getpwall())


def _run(program: Path, *arguments: str) -> None:
    """PostgreSQL's programs refuse to be run by root."""
    user = {"user": "postgres", "cwd": "/"} if os.geteuid() == 0 else {}
    done = subprocess.run(  # type: ignore[call-overload]
        [str(program), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, **user
    )
    assert done.returncode == 0, done.stderr.decode()
