"""No file of the project holds a secret: none of a known form, none in a URL, and no text as random as a key."""

import base64
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT

_KNOWN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bdapi[0-9a-f]{32}"
    r"|\bdose[0-9a-f]{32}"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|\bgithub_pat_[A-Za-z0-9_]{22,}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|hooks\.slack\.com/services/T[A-Za-z0-9/]{20,}"
    r"|\bAIza[0-9A-Za-z_-]{35}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
)
_IN_A_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'`{}]*:([^\s/@\"'`{}]+)@")
_RANDOM = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_HEX_KEY = re.compile(r"\b[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32})?\b")
_BITS_OF_BASE64, _BITS_OF_HEX = 4.3, 3.0
"""Entropy of a character: of a random key of 32 bytes it is over 4.5 and over 3.5, of words and paths less."""
_COUNTED = "0123456789"
"""What begins so is an alphabet, and no key."""
_PLACEHOLDERS = {"password", "a-password", "hunter2"}
"""What stands in examples and tests where a password belongs."""
_DIGESTS = {"requirements.lock", "requirements-dev.lock", "requirements-emulator.lock"}
"""Files of hashes of packages, which are as random as keys."""
_OURS = {".github", ".ci"}
_PICTURES = {".png", ".svg"}


def _files() -> Iterator[Path]:
    """The project's own: not the environment, the data or what tools leave behind."""
    for folder, folders, files in os.walk(PROJECT_ROOT):
        folders[:] = [name for name in folders if name in _OURS or not name.startswith((".", "__", "build", "dist"))]
        for name in files:
            path = Path(folder, name)
            if path.suffix not in _PICTURES and name not in _DIGESTS and not path.is_symlink():
                yield path


def _secrets(text: str) -> list[str]:
    found = [match[0] for match in _KNOWN.finditer(text)]
    found += [match[0] for match in _IN_A_URL.finditer(text) if match[1] not in _PLACEHOLDERS]
    found += [word for word in _HEX_KEY.findall(text) if _bits(word) > _BITS_OF_HEX]
    found += [word for word in _RANDOM.findall(text) if _bits(word) > _BITS_OF_BASE64 and re.search(r"\d", word)]
    return [secret for secret in found if _COUNTED not in secret]


def _bits(text: str) -> float:
    """Shannon's entropy of a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def test_no_file_of_the_project_holds_a_secret() -> None:
    found = {}
    searched = 0
    for path in _files():
        searched += 1
        if secrets := _secrets(path.read_text(encoding="utf-8", errors="replace")):
            found[str(path.relative_to(PROJECT_ROOT))] = secrets
    assert found == {}
    assert searched > 300


_KEY = sha256(b"a key of this test").digest()


@pytest.mark.parametrize(
    "text",
    [
        f"key = '{_KEY.hex()}'",
        f"PSEUDONYM_KEY={_KEY.hex()[:32]}",
        f"token: {base64.b64encode(_KEY).decode()}",
        f"token: {base64.urlsafe_b64encode(_KEY).decode()}",
        "-----BEGIN EC " + "PRIVATE KEY-----",
        "AK" + "IA" + "ABCDEFGHIJKLMNOP",
        "da" + "pi" + _KEY.hex()[:32],
        "gh" + "p_" + _KEY.hex()[:36],
        "xo" + "xb-1234567890-abcdef",
        "postgresql+psycopg2://dagster" + ":s3cret@db.example.com/dagster",
        "json://:" + "s3cret@alerts.example.com",
        "ey" + "JhbGciOiJIUzI1NiJ9." + "ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0.x",
    ],
)
def test_a_secret_is_found(text: str) -> None:
    assert _secrets(f"some words before {text} and behind")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg2://user:password@host:5432/database",
        "healthcare_assets_tests/resources/test_source_parquet.py",
        "BUNDLE_VAR_staging_service_principal=$(databricks current-user me)",
        "sqlite:////srv/healthcare/mlflow/mlflow.db",
    ],
)
def test_what_is_none_is_not_found(text: str) -> None:
    assert _secrets(text) == []
