"""The messages of a step on their way through a folder of a volume, one file each, numbered from 1.

The writer runs on the cluster and knows no Dagster. A file is one JSON document: half of one does not parse, and is
read again. The library's writer holds messages back for ten seconds; this one writes at once.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from dagster_pipes import PipesMessage, PipesMessageWriter, PipesMessageWriterChannel, PipesParams

FOLDER = "messages"


def message_file(folder: str, number: int) -> str:
    """Where the message of that number lies."""
    return f"{folder}/{number:06}.json"


def parsed(content: bytes) -> Any:  # noqa: ANN401 - a JSON value
    """The message, or None when the file is not whole yet."""
    try:
        return json.loads(content)
    except ValueError:
        return None


class FolderMessageWriter(PipesMessageWriter["FolderMessageWriterChannel"]):
    """Writes the messages into the folder that the parameters name by `path`."""

    @contextmanager
    def open(self, params: PipesParams) -> Iterator["FolderMessageWriterChannel"]:
        yield FolderMessageWriterChannel(str(params["path"]))


class FolderMessageWriterChannel(PipesMessageWriterChannel):
    """Writes a message a file, as soon as there is one."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._numbers = count(1)
        Path(folder).mkdir(parents=True, exist_ok=True)

    def write_message(self, message: PipesMessage) -> None:
        file = message_file(self._folder, next(self._numbers))
        Path(file).write_text(json.dumps(message), encoding="utf-8")
