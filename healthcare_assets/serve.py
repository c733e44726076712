"""`make serve`: the local champion behind MLflow's scoring server, on 127.0.0.1 alone.

It answers with the version that is champion when it starts; after a promotion or a rollback it is started again.
"""

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from rich.markup import escape

from healthcare_assets.environments import made_folder, settings_from
from healthcare_assets.errors import HealthcareError, ServingError, SettingsError
from healthcare_assets.steps.catalogue import files_of_module
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets.steps.serving import SERVED_MODULE

HOST = "127.0.0.1"
DEFAULT_PORT = 5001
_HIGHEST_PORT = 65_535


def main() -> int:
    """Serve until interrupted; 0 when it was."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        with closing(_listening(port_from(os.environ))) as listener:
            _serve(listener, console)
    except HealthcareError as error:
        console.print(f"[red]{escape(str(error))}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
    return 0


def port_from(variables: Mapping[str, str]) -> int:
    """HEALTHCARE_SERVE_PORT, or 5001; SettingsError when it is no port."""
    text = variables.get("HEALTHCARE_SERVE_PORT", "").strip() or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _HIGHEST_PORT):
        raise SettingsError(f"HEALTHCARE_SERVE_PORT is '{text}': set it to a number from 1 to {_HIGHEST_PORT}.")
    return int(text)


def _listening(port: int) -> socket.socket:
    """Taken before anything is loaded: who cannot have the port hears it at once, and nobody takes it meanwhile."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise ServingError(
            f"Port {port} of {HOST} cannot be had ({error.strerror}): stop what listens there (another make serve?), "
            "or set HEALTHCARE_SERVE_PORT to another one."
        ) from error


def _serve(listener: socket.socket, console: Console) -> None:
    settings = settings_from()
    runtime = Runtime(settings=settings, now=datetime.now(UTC), run_id="serve", log=console.print, code_version="")
    champion = runtime.registry.required_version("champion")

    import uvicorn

    from healthcare_assets.resources.scoring_server import scoring_application
    from healthcare_assets.resources.servable import assemble

    root = made_folder(settings.home / "serving")
    with FileLock(root / "serving.lock"):
        code = files_of_module(SERVED_MODULE)
        servable = assemble(runtime.registry, champion, Path(root) / champion.version, code=code)
        application = scoring_application(servable.folder)
    port = listener.getsockname()[1]
    console.print(
        f"Serving {champion.name} version {champion.version} at http://{HOST}:{port}/invocations (Ctrl-C stops it)."
    )
    # Without a line a request: whoever serves for others has a proxy in front that writes them.
    uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
