"""Entering the Databricks workspace, and what it says when it refuses."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from healthcare_assets.errors import HealthcareError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.clock import Clock

T = TypeVar("T")

PATIENCE = timedelta(minutes=15)
"""How long one call is made again and again: a workspace that is away for longer is out of order."""


def open_client(
    raising: type[HealthcareError], *, patience: timedelta = PATIENCE, clock: "Clock | None" = None
) -> "WorkspaceClient":
    """A client of the workspace that the SDK's own settings name.

    Raises the given error when there is none, or no login to it.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    try:
        seconds = int(patience.total_seconds())
        return WorkspaceClient(config=Config(clock=clock, http_timeout_seconds=60, retry_timeout_seconds=seconds))
    except ValueError as error:
        raise raising(
            "The Databricks workspace cannot be entered: set DATABRICKS_HOST and a login that the Databricks SDK knows "
            "(DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET of a service principal), or unset HEALTHCARE_ENV to "
            "run here."
        ) from error


def patiently(call: Callable[[], T], *, patience: timedelta | None = None, clock: "Clock | None" = None) -> T:
    """The answer to a question that may be asked again, and is, while the workspace has a fault.

    The SDK itself asks again after 429, 503 and a lost connection; 500, 502 and 504 it raises at once.
    """
    from databricks.sdk.retries import retried

    answer: T = retried(is_retryable=passing_fault, timeout=patience or PATIENCE, clock=clock)(call)()
    return answer


def said(error: BaseException) -> str:
    """The first line of the error at the bottom, without the client's settings, which the SDK appends to a refusal."""
    while isinstance(error, TimeoutError) and error.__cause__ is not None:
        error = error.__cause__
    text = str(error).partition(" Config: ")[0].strip().splitlines()
    return (text or [type(error).__name__])[0].rstrip(".")


def passing_fault(error: BaseException) -> str | None:
    """Whether it may be gone in a moment, in the words of the SDK's log."""
    from databricks.sdk import errors
    from databricks.sdk.errors.base import DatabricksError
    from requests import RequestException
    from requests.exceptions import InvalidSchema, InvalidURL

    faults = (
        errors.InternalError,
        errors.TemporarilyUnavailable,
        errors.DeadlineExceeded,
        errors.TooManyRequests,
        json.JSONDecodeError,
    )
    if isinstance(error, faults):
        return "the workspace has a fault"
    if isinstance(error, DatabricksError):
        # Statuses that the SDK has no name for, like a gateway's 502, come as the base class.
        return "the gateway has a fault" if type(error) is DatabricksError else None
    if isinstance(error, RequestException) and not isinstance(error, InvalidURL | InvalidSchema):
        return "no answer"
    return None
