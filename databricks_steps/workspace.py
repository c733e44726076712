"""A Databricks workspace that is asked patiently: each call may be made again, and is, while the workspace has a fault.

The SDK itself asks again after 429, 503 and a lost connection; 500, 502 and 504 it raises at once. A submission carries
an idempotency token, so that one whose answer got lost is not made twice.
"""

import base64
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from healthcare_assets.errors import LaunchError
from healthcare_assets.resources.workspace import PATIENCE, open_client, patiently, said

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.clock import Clock
    from databricks.sdk.service.jobs import Run

T = TypeVar("T")

_ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_OUTPUT_LINES = 30


@dataclass(frozen=True, kw_only=True)
class RemoteRun:
    """A run of one task, as the workspace tells it."""

    run_id: int
    task_run_id: int | None
    page: str
    """Where it can be looked at."""
    state: str
    """Life cycle state; RUNNING, TERMINATED and alike."""
    succeeded: bool
    """Its task did: a run whose task was skipped says SUCCESS, too."""
    said: str
    """What the workspace says about its end."""

    @property
    def ended(self) -> bool:
        return self.state in _ENDED


def open_workspace(clock: "Clock | None" = None, *, patience: timedelta = PATIENCE) -> "Workspace":
    """The workspace that the SDK's own settings name. Raises LaunchError when there is none, or no login to it."""
    return Workspace(open_client(LaunchError, patience=patience, clock=clock), patience=patience)


class Workspace:
    """What a launcher needs of a workspace. Each method raises LaunchError, in one sentence."""

    def __init__(self, client: "WorkspaceClient", *, patience: timedelta = PATIENCE) -> None:
        self._client = client
        self._patience = patience
        self.clock: Clock = client.config.clock

    def submit(self, request: dict[str, Any], *, token: str) -> int:
        """Start the run that the Jobs API's `runs/submit` describes; returns its id.

        Of several submissions with the same token only the first starts one, and all return its id.
        """
        body = {**request, "idempotency_token": token}
        answer = self._ask("start the step", lambda: self._client.api_client.do("POST", _SUBMIT, body=body))
        return int(answer["run_id"])

    def run(self, run_id: int) -> RemoteRun | None:
        """The run as it is now; None when the workspace knows of none."""
        from databricks.sdk.errors import InvalidParameterValue, NotFound

        def look() -> "Run | None":
            try:
                return self._client.jobs.get_run(run_id)
            except (NotFound, InvalidParameterValue):  # the Jobs API answers 400 for a run that does not exist
                return None

        found = self._ask(f"look at run {run_id}", look)
        return None if found is None else _remote_run(found)

    def cancel(self, run_id: int) -> None:
        """Ask the run to stop; one that has ended, or is gone, need not."""
        from databricks.sdk.errors import BadRequest, NotFound

        def stop() -> None:
            try:
                self._client.jobs.cancel_run(run_id)
            except (NotFound, BadRequest):
                return

        self._ask(f"cancel run {run_id}", stop)

    def output(self, task_run_id: int) -> str:
        """The error and the last lines of what the task printed; empty when it is not known."""
        from databricks.sdk.errors.base import DatabricksError

        try:
            output = self._ask("read the output", lambda: self._client.jobs.get_run_output(task_run_id))
        except LaunchError as error:
            if isinstance(error.__cause__, DatabricksError):
                return ""  # there is none, or it may not be read: what is known of the step is told without it
            raise
        lines = (output.logs or "").strip().splitlines()[-_OUTPUT_LINES:]
        return "\n".join([*([output.error.strip()] if output.error else []), *lines])

    def cluster_id(self, name: str) -> str:
        """The id of the cluster of that name. Raises LaunchError when there is none, or more than one."""

        def look() -> list[str]:
            return [str(found.cluster_id) for found in self._client.clusters.list() if found.cluster_name == name]

        found = self._ask("list the clusters", look)
        if len(found) != 1:
            raise LaunchError(
                f"{len(found) or 'No'} clusters of the workspace are called {name}: deploy the bundle "
                "(databricks_steps), which makes it, or choose another compute for the environment."
            )
        return found[0]

    def upload(self, path: str, content: bytes) -> None:
        """Write a file of a volume, in the place of one that is there."""
        self._ask(f"write {path}", lambda: self._client.files.upload(path, io.BytesIO(content), overwrite=True))

    def download(self, path: str) -> bytes | None:
        """A file of a volume; None when it is not there."""
        from databricks.sdk.errors import NotFound

        def read() -> bytes | None:
            try:
                contents = self._client.files.download(path).contents
            except NotFound:
                return None
            return b"" if contents is None else contents.read()

        return self._ask(f"read {path}", read)

    def is_file(self, path: str) -> bool:
        """Whether a file of a volume is there, whole: an upload shows nothing before it is."""
        from databricks.sdk.errors import NotFound

        def look() -> bool:
            try:
                self._client.files.get_metadata(path)
            except NotFound:
                return False
            return True

        return self._ask(f"look for {path}", look)

    def delete_folder(self, path: str) -> None:
        """Remove a folder of a volume with the files in it, and with its folders."""
        for entry in self.entries(path):
            if entry.is_directory:
                self.delete_folder(entry.path)
            else:
                self._remove(entry.path, self._client.files.delete)
        self._remove(path, self._client.files.delete_directory)

    def entries(self, path: str) -> list["Entry"]:
        """What lies in a folder of a volume; nothing when it is not there."""
        from databricks.sdk.errors import NotFound

        def look() -> list[Entry]:
            try:
                found = list(self._client.files.list_directory_contents(path))
            except NotFound:
                return []
            return [
                Entry(path=str(entry.path), is_directory=bool(entry.is_directory), modified=entry.last_modified or 0)
                for entry in found
            ]

        return self._ask(f"list {path}", look)

    def import_file(self, path: str, content: bytes) -> None:
        """Write a file of the workspace, in the place of one that is there."""
        from databricks.sdk.service.workspace import ImportFormat

        def write() -> None:
            self._client.workspace.mkdirs(path.rpartition("/")[0])
            encoded = base64.b64encode(content).decode()
            self._client.workspace.import_(path, content=encoded, format=ImportFormat.AUTO, overwrite=True)

        self._ask(f"write {path}", write)

    def _remove(self, path: str, remove: Callable[[str], None]) -> None:
        from databricks.sdk.errors import NotFound

        def unless_gone() -> None:
            with suppress(NotFound):
                remove(path)

        self._ask(f"remove {path}", unless_gone)

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        from databricks.sdk.errors.base import DatabricksError
        from requests import RequestException

        try:
            return patiently(call, patience=self._patience, clock=self.clock)
        except (DatabricksError, RequestException, TimeoutError, ValueError) as error:
            raise LaunchError(
                f"The Databricks workspace did not {what} ({said(error)}): {_next_step(error)}."
            ) from error


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or folder of a volume."""

    path: str
    is_directory: bool
    modified: int
    """Milliseconds since 1970; 0 where the workspace does not say."""


_SUBMIT = "/api/2.2/jobs/runs/submit"


def _next_step(error: Exception) -> str:
    from databricks.sdk.errors import PermissionDenied, Unauthenticated

    match error:
        case Unauthenticated():
            return "renew the login that the Databricks SDK uses"
        case PermissionDenied():
            return "grant it to the service principal that Dagster logs in as (docs/deployment.md lists what it needs)"
        case TimeoutError():
            return "look whether the workspace is in order, then run the step again"
        case _:
            return "look at it in the workspace, then run the step again"


def _remote_run(run: "Run") -> RemoteRun:
    tasks = run.tasks or []
    states = [task.state for task in tasks if task.state is not None]
    messages = [state.state_message for state in (*states, run.state) if state is not None and state.state_message]
    return RemoteRun(
        run_id=run.run_id or 0,
        task_run_id=tasks[0].run_id if tasks else None,
        page=run.run_page_url or "",
        state=run.state.life_cycle_state.value if run.state and run.state.life_cycle_state else "PENDING",
        succeeded=bool(states)
        and all(s.result_state is not None and s.result_state.value == "SUCCESS" for s in states),
        said=messages[0] if messages else "",
    )
