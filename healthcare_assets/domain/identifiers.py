"""What identifiers of patients look like, for whoever looks for them: the scan of tables, and the guard of messages."""

from collections.abc import Mapping

PSEUDONYM = r"[0-9a-f]{32}"

IDENTIFIER_PATTERNS: Mapping[str, str] = {
    "social security number": r"\b\d{3}-\d{2}-\d{4}\b",
    "e-mail address": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "URL": r"(?i)\b(?:https?|ftp)://|\bwww\.",
    "IP address": r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}\b",
    "full date": r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b",
    "telephone number": r"(?<!\d)(?:\+?\d{1,2}[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}(?!\d)",
}
"""Tried in this order: the first that matches names the value."""
