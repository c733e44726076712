"""A real MLflow server on this machine, as the workspace's is for a step: runs, models and files over HTTP."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from healthcare_assets_tests.workspace.running import until


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Its address. Everything of it lies in the folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", *command, *stores],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until(lambda: _healthy(uri))
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def _healthy(uri: str) -> bool:
    try:
        with urlopen(f"{uri}/health", timeout=1) as answer:  # noqa: S310 - this machine
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
