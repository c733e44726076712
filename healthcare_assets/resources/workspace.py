"""Entering the Databricks workspace, and what it says when it refuses."""

from typing import TYPE_CHECKING

from healthcare_assets.errors import HealthcareError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def open_client(raising: type[HealthcareError]) -> "WorkspaceClient":
    """A client of the workspace that the environment names. Raises the given error when none can be had."""
    from databricks.sdk import WorkspaceClient

    try:
        return WorkspaceClient()
    except ValueError as error:
        raise raising(
            "The Databricks workspace cannot be entered: set DATABRICKS_HOST and its credentials, or run this in it."
        ) from error


def said(error: Exception) -> str:
    """The first line, without the client's settings, which the SDK appends to a refusal."""
    lines = str(error).partition(" Config: ")[0].strip().splitlines()
    return (lines or [type(error).__name__])[0].rstrip(".")


def passes(error: Exception) -> bool:
    """Whether the same question may be answered some seconds later."""
    from databricks.sdk.errors import DeadlineExceeded, InternalError, TemporarilyUnavailable, TooManyRequests
    from databricks.sdk.errors.base import DatabricksError

    if not isinstance(error, DatabricksError):
        return True  # a connection that was reset or timed out
    known = (TooManyRequests, InternalError, TemporarilyUnavailable, DeadlineExceeded)
    # Statuses that the SDK has no name for, like 502, come as the base class.
    return isinstance(error, known) or type(error) is DatabricksError
