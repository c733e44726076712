"""The secrets that pseudonymise patient ids: the first key, and after each rotation one more on top of it.

Several keys stand a line each, the oldest first.
"""

import base64
import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from healthcare_assets.environments import Settings
from healthcare_assets.errors import SettingsError
from healthcare_assets.resources.workspace import patiently

KEY_FILE = "pseudonym.key"
NEXT_KEY_FILE = "pseudonym.key.next"
MINIMUM_KEY_BYTES = 16
SECRET = "pseudonym_key"  # noqa: S105 - the secret's name
"""Its name in a secret scope of a workspace."""
NEXT_SECRET = "pseudonym_key_next"  # noqa: S105 - the secret's name

Keys = tuple[bytes, ...]


def fingerprints(keys: Sequence[bytes]) -> tuple[str, ...]:
    """What goes on record of the keys: enough to tell them apart, and no way back to a random secret."""
    return tuple(sha256(b"pseudonym key " + key).hexdigest()[:16] for key in keys)


def pseudonym_keys(settings: Settings, *, recorded: Sequence[str] | None) -> Keys:
    """The keys that the tables' pseudonyms are made with: those configured; else those of the workspace's secret scope,
    or where there is none those in the home folder, made once with mode 0600.

    `recorded` are the fingerprints that are on record, None where there is no pseudonym yet. After a rotation the next
    key counts as the last one, until it is put beside the others. Raises SettingsError when a key is too short to be a
    secret, when it is required and absent, and when the tables are made with others.
    """
    keys = configured_keys(settings, made=recorded is None)
    if recorded is None or fingerprints(keys) == tuple(recorded):
        return keys
    following = configured_next_key(settings)
    if following is not None and fingerprints((*keys, following)) == tuple(recorded):
        return (*keys, following)
    raise SettingsError(
        f"The tables' pseudonyms are not made with the key in {_place(settings)}, so that no patient would be known "
        f"again: put back what was there (fingerprint {' '.join(recorded)}), from your backup of secrets."
    )


def configured_keys(settings: Settings, *, made: bool = True) -> Keys:
    """The keys as they are configured, whatever the tables are made with; `made` says whether a first one may be."""
    place = _place(settings)
    if settings.pseudonym_key is not None:
        return _keys(settings.pseudonym_key.encode(), place)
    if (scope := _scope(settings)) is not None:
        return _keys(_of_the_workspace(scope, SECRET), place)
    path = settings.home / KEY_FILE
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        if not made:
            raise SettingsError(
                f"The pseudonym key {path} is gone, and without it no patient would be known again: put it back from "
                "your backup of secrets."
            )
        _create(path)
    return _keys(path.read_bytes(), place)


def configured_next_key(settings: Settings) -> bytes | None:
    """The key that a rotation puts on top; None where none is configured."""
    if settings.pseudonym_key is not None:
        text = (settings.next_pseudonym_key or "").encode()
    elif (scope := _scope(settings)) is not None:
        text = _of_the_workspace(scope, NEXT_SECRET, required=False)
    else:
        path = settings.home / NEXT_KEY_FILE
        text = path.read_bytes() if path.exists() else b""
    keys = _keys(text, f"the next to {_place(settings)}") if text.strip() else ()
    return keys[-1] if keys else None


def next_key(settings: Settings) -> bytes:
    """The key that a rotation is to put on top; made where the first one is made too.

    SettingsError where it has to be configured and is not.
    """
    found = configured_next_key(settings)
    if found is not None:
        return found
    if settings.pseudonym_key is not None:
        raise SettingsError(
            "There is no next pseudonym key: set HEALTHCARE_PSEUDONYM_KEY_NEXT to a new random secret, and run this "
            "again."
        )
    if (scope := _scope(settings)) is not None:
        raise SettingsError(
            f"There is no next pseudonym key: put a new random secret into the scope "
            f"(`databricks secrets put-secret {scope} {NEXT_SECRET}`), and run this again."
        )
    _create(settings.home / NEXT_KEY_FILE)
    return next_key(settings)


def adopt_next_key(settings: Settings, keys: Keys) -> str:
    """Put the keys where they are found from now on; what is left to do by hand, in a sentence, or nothing."""
    if settings.pseudonym_key is not None:
        return (
            "Append HEALTHCARE_PSEUDONYM_KEY_NEXT to HEALTHCARE_PSEUDONYM_KEY, on a line of its own, and unset it: "
            "until then both are needed."
        )
    if (scope := _scope(settings)) is not None:
        return (
            f"Append the secret {NEXT_SECRET} of the scope {scope} to {SECRET}, on a line of its own, and delete it: "
            "until then both are needed."
        )
    path = settings.home / KEY_FILE
    draft = _draft(path, b"\n".join(keys) + b"\n")
    draft.replace(path)
    (settings.home / NEXT_KEY_FILE).unlink(missing_ok=True)
    return ""


def _place(settings: Settings) -> str:
    if settings.pseudonym_key is not None:
        return "HEALTHCARE_PSEUDONYM_KEY"
    scope = _scope(settings)
    return str(settings.home / KEY_FILE) if scope is None else f"the secret scope {scope}"


def _scope(settings: Settings) -> str | None:
    workspace = settings.environment.workspace
    return None if workspace is None else workspace.secret_scope


def _of_the_workspace(scope: str, secret: str, *, required: bool = True) -> bytes:
    """The secret, read by the login that the step runs with. It is in no variable, argument or log on the way."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import ResourceDoesNotExist
    from databricks.sdk.errors.base import DatabricksError

    how = f"put it there (`databricks secrets put-secret {scope} {secret}`) and let who runs the step read the scope"
    try:
        client = WorkspaceClient()
        encoded = patiently(lambda: client.secrets.get_secret(scope, secret).value)
    except (DatabricksError, ValueError, OSError) as error:
        if not required and isinstance(error, ResourceDoesNotExist):
            return b""
        raise SettingsError(
            f"The pseudonym key cannot be read from the secret scope {scope} ({type(error).__name__}): {how}."
        ) from error
    if not encoded and required:
        raise SettingsError(f"The pseudonym key in the secret scope {scope} is empty: {how}.")
    return base64.b64decode(encoded or b"")


def _create(path: Path) -> None:
    """Write a new key. Of several processes that try at once one wins, and a key is never seen half written."""
    draft = _draft(path, secrets.token_hex(32).encode())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _keys(text: bytes, place: str) -> Keys:
    keys = tuple(line.strip() for line in text.splitlines() if line.strip())
    for key in keys or (b"",):
        if len(key) < MINIMUM_KEY_BYTES:
            raise SettingsError(
                f"The pseudonym key in {place} has {len(key)} bytes: use a random secret of at least "
                f"{MINIMUM_KEY_BYTES}."
            )
    return keys
