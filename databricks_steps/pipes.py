"""Dagster's side of the Pipes protocol over a Unity Catalog volume, through a workspace that is asked patiently."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from databricks_steps.launches import Launch
from databricks_steps.messages import message_file, parsed
from databricks_steps.workspace import Workspace

if TYPE_CHECKING:
    from dagster_pipes import PipesContextData, PipesParams


class VolumeContextInjector(dg.PipesContextInjector):
    """Writes the context into the launch's folder. One that is joined half-way has its own already."""

    def __init__(self, workspace: Workspace, launch: Launch, *, joined: bool) -> None:
        self._workspace = workspace
        self._launch = launch
        self._joined = joined

    @contextmanager
    def inject_context(self, context_data: "PipesContextData") -> Iterator["PipesParams"]:
        if not self._joined:
            self._workspace.upload(self._launch.context_file, json.dumps(context_data).encode())
        yield {"path": self._launch.context_file}

    def no_messages_debug_text(self) -> str:
        return f"The context was written to {self._launch.context_file}."


class VolumeMessageReader(dg.PipesMessageReader):
    """Hands on the messages of the launch's folder, in their order, whenever it is asked to."""

    def __init__(self, workspace: Workspace, launch: Launch) -> None:
        self._workspace = workspace
        self._launch = launch
        self._handler: dg.PipesMessageHandler | None = None
        self._next = 1

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator["PipesParams"]:
        self._handler = handler
        yield {"path": self._launch.messages}

    def pump(self) -> bool:
        """Hand on what has come since; whether there was anything."""
        before = self._next
        while (content := self._workspace.download(message_file(self._launch.messages, self._next))) is not None:
            message = parsed(content)
            if message is None or self._handler is None:
                break
            self._handler.handle_message(message)
            self._next += 1
        return self._next > before

    @property
    def expected_writer_count(self) -> int:
        """One step writes. (Said here, since the inherited answer is a preview, and warns.)"""
        return 1

    def no_messages_debug_text(self) -> str:
        return f"Messages were looked for in {self._launch.messages}."
