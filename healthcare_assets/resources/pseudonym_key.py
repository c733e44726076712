"""The secret that pseudonymises patient ids."""

import base64
import os
import secrets
from pathlib import Path

from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.workspace import patiently

KEY_FILE = "pseudonym.key"
MINIMUM_KEY_BYTES = 16


SECRET = "pseudonym_key"  # noqa: S105 - the secret's name
"""Its name in a secret scope of a workspace."""


def pseudonym_key(home: Path, *, configured: str | None, secret_scope: str | None) -> bytes:
    """The configured key; else the one of the workspace's secret scope, or where there is none the one in `home`, made
    once with mode 0600.

    Raises SettingsError when the key is too short to be a secret, or is required and absent.
    """
    if configured is not None:
        return _long_enough(configured.encode(), "HEALTHCARE_PSEUDONYM_KEY")
    if secret_scope is not None:
        return _long_enough(_of_the_workspace(secret_scope), f"the secret scope {secret_scope}")
    path = home / KEY_FILE
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _create(path)
    return _long_enough(path.read_text(encoding="ascii").strip().encode(), str(path))


def _of_the_workspace(scope: str) -> bytes:
    """The secret, read by the login that the step runs with. It is in no variable, argument or log on the way."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors.base import DatabricksError

    how = f"put it there (`databricks secrets put-secret {scope} {SECRET}`) and let who runs the step read the scope"
    try:
        client = WorkspaceClient()
        encoded = patiently(lambda: client.secrets.get_secret(scope, SECRET).value)
    except (DatabricksError, ValueError, OSError) as error:
        raise SettingsError(
            f"The pseudonym key cannot be read from the secret scope {scope} ({type(error).__name__}): {how}."
        ) from error
    if not encoded:
        raise SettingsError(f"The pseudonym key in the secret scope {scope} is empty: {how}.")
    return base64.b64decode(encoded)


def _create(path: Path) -> None:
    """Write a new key. Of several processes that try at once one wins, and a key is never seen half written."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _long_enough(key: bytes, place: str) -> bytes:
    if len(key) < MINIMUM_KEY_BYTES:
        raise SettingsError(
            f"The pseudonym key in {place} has {len(key)} bytes: use a random secret of at least {MINIMUM_KEY_BYTES}."
        )
    return key
