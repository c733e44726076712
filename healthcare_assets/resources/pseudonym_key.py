"""The secret that pseudonymises patient ids."""

import os
import secrets
from pathlib import Path

from healthcare_assets.errors import SettingsError

KEY_FILE = "pseudonym.key"
MINIMUM_KEY_BYTES = 16


def pseudonym_key(home: Path, *, configured: str | None, may_create: bool) -> bytes:
    """The configured key, or the one in `home`, made once with mode 0600 where that is allowed.

    Raises SettingsError when the key is too short to be a secret, or is required and absent.
    """
    if configured is not None:
        return _long_enough(configured.encode(), "HEALTHCARE_PSEUDONYM_KEY")
    if not may_create:
        raise SettingsError(
            "HEALTHCARE_PSEUDONYM_KEY is not set: outside 'local' the key must come from a secret store."
        )
    path = home / KEY_FILE
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _create(path)
    return _long_enough(path.read_text(encoding="ascii").strip().encode(), str(path))


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
