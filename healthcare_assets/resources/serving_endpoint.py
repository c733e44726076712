"""The workspace's serving endpoint: one version behind it, or the one before when the new one does not become ready."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar

from healthcare_assets.errors import ServingError
from healthcare_assets.resources.endpoint_config import EndpointConfig, config_of, is_idle, serves, versions
from healthcare_assets.resources.workspace import passing_fault, said

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.serving import ServedEntityInput, ServingEndpointDetailed

T = TypeVar("T")

Change = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """How large the endpoint is, and how long it is waited for."""

    workload_size: str = "Small"
    scale_to_zero: bool = True
    """An idle endpoint costs nothing, and its first request after a while waits for it to start."""
    ready_within_seconds: float = 3600
    """Building an environment and starting it takes ten to twenty minutes."""
    poll_every_seconds: float = 15


def endpoint_settings(environment: str) -> EndpointSettings:
    """Those of the environment. Only in `prod` somebody waits for an answer at any hour."""
    return EndpointSettings(scale_to_zero=environment != "prod")


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How time passes: seconds from some beginning, and waiting for some to pass."""

    seconds: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is to be behind the endpoint."""

    model: str
    """`<catalog>.<schema>.<name>`."""
    version: str


@dataclass(frozen=True, kw_only=True)
class ReadyEndpoint:
    """The endpoint, ready, as it is now."""

    name: str
    change: Change
    served: Served
    served_before: str | None
    """The version; None where the endpoint served none."""


def endpoint_name(environment: str) -> str:
    """The endpoint of an environment."""
    return f"health-insurance-cost-{environment}"


def ensure_endpoint(  # noqa: PLR0913 - what an endpoint consists of
    client: "WorkspaceClient",
    *,
    name: str,
    served: Served,
    tags: Mapping[str, str],
    settings: EndpointSettings | None = None,
    clock: Clock | None = None,
) -> ReadyEndpoint:
    """Put the version behind the endpoint, which is made where there is none, and wait until it is ready.

    Nothing is changed where it serves the version already. What does not become ready is taken back: the endpoint
    serves what it served before, or is removed when it was made just now. The workspace may be busy, silent or failing
    in between. Raises ServingError.
    """
    endpoint = _Endpoint(client, name, served, settings or EndpointSettings(), clock or Clock())
    with _answering(name):
        ready = endpoint.ensure(tags)
        endpoint.tag(tags)
    return ready


class _Endpoint:
    """One endpoint, on its way to serving one version."""

    def __init__(
        self, client: "WorkspaceClient", name: str, served: Served, settings: EndpointSettings, clock: Clock
    ) -> None:
        self._api = client.serving_endpoints
        self._name = name
        self._served = served
        self._settings = settings
        self._clock = clock

    def ensure(self, tags: Mapping[str, str]) -> ReadyEndpoint:
        if self._created(tags):
            self._await_creation()
            return self._report("created", None)
        deadline = self._deadline()
        before = self._settled(deadline)
        if before is None:
            raise self._busy()
        known = config_of(before)
        version = versions(known)
        wanted = EndpointConfig(entities=(self._entity(),), capture=known.capture)
        if serves(before, wanted):
            return self._report("unchanged", version)
        after = self._updated(wanted, deadline)
        if after is None or not serves(after, wanted):
            self._roll_back(known, cause=self._cause(after))
        return self._report("updated", version)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set the tags that differ; others' stay."""
        from databricks.sdk.service.serving import EndpointTag

        deadline = self._deadline()
        there = {tag.key: tag.value for tag in self._asked(deadline).tags or []}
        missing = [EndpointTag(key, value) for key, value in tags.items() if there.get(key) != value]
        if missing:
            self._insisting(lambda: self._api.patch(self._name, add_tags=missing), deadline)

    def _created(self, tags: Mapping[str, str]) -> bool:
        """False when there is one already, or when somebody else is faster."""
        from databricks.sdk.errors import NotFound, ResourceConflict
        from databricks.sdk.service.serving import EndpointCoreConfigInput, EndpointTag

        deadline = self._deadline()
        config = EndpointCoreConfigInput(served_entities=[self._entity()])
        labels = [EndpointTag(key, value) for key, value in tags.items()]
        try:
            self._asked(deadline)
        except NotFound:
            pass
        else:
            return False
        try:
            self._insisting(lambda: self._api.create(self._name, config=config, tags=labels), deadline)
        except ResourceConflict:
            return False
        return True

    def _await_creation(self) -> None:
        found = self._settled(self._deadline())
        if found is None or not serves(found, EndpointConfig(entities=(self._entity(),))):
            cause = self._cause(found)
            self._insisting(lambda: self._api.delete(self._name), self._deadline())
            raise ServingError(
                f"The new endpoint {self._name} did not become ready with version {self._served.version} of "
                f"{self._served.model} ({cause}) and was removed again: look into the cause, and materialise "
                "serving_endpoint again."
            )

    def _roll_back(self, before: EndpointConfig, *, cause: str) -> NoReturn:
        """Serve what was served before, see that it is so, and say what happened."""
        failed = f"The endpoint {self._name} did not become ready with version {self._served.version} ({cause})"
        next_step = "look into the cause, and materialise serving_endpoint again, or roll the champion back"
        if not before.entities:
            raise ServingError(f"{failed}, and it served nothing before: {next_step}.")
        try:
            with _answering(self._name):
                found = self._updated(before, self._deadline())
        except ServingError as error:
            raise ServingError(f"{failed}, and the way back failed too. {error}") from error
        if found is None or not serves(found, before):
            raise ServingError(
                f"{failed}, and did not return to version {versions(before)} either ({self._cause(found)}): look at "
                "it in the workspace."
            )
        raise ServingError(f"{failed}, so that it serves version {versions(before)} as before: {next_step}.")

    def _updated(self, wanted: EndpointConfig, deadline: float) -> "ServingEndpointDetailed | None":
        """The endpoint as it is when the update has ended; None when it has not by the deadline.

        An answer may get lost, and an update of somebody else's be under way: the endpoint is looked at each time
        before it is told again, and is not told what it serves already.
        """
        taken = False
        while True:
            found = self._asked(deadline)
            if is_idle(found) and (taken or serves(found, wanted)):
                return found
            if not taken:
                taken = self._told(wanted)
                if taken:
                    continue
            if not self._may_wait(deadline):
                if not taken:
                    raise self._busy()
                return None

    def _told(self, wanted: EndpointConfig) -> bool:
        """False when the workspace is busy, with another update of the endpoint or with itself."""
        from databricks.sdk.errors import ResourceConflict

        try:
            self._api.update_config(
                self._name,
                served_entities=list(wanted.entities),
                traffic_config=wanted.traffic,
                auto_capture_config=wanted.capture,
            )
        except (OSError, TimeoutError) as error:
            if isinstance(error, ResourceConflict) or passing_fault(error):
                return False
            raise
        return True

    def _settled(self, deadline: float) -> "ServingEndpointDetailed | None":
        """The endpoint when no update of it is under way; None when one still is at the deadline."""
        while not is_idle(found := self._asked(deadline)):
            if not self._may_wait(deadline):
                return None
        return found

    def _asked(self, deadline: float) -> "ServingEndpointDetailed":
        return self._insisting(lambda: self._api.get(self._name), deadline)

    def _insisting(self, call: Callable[[], T], deadline: float) -> T:
        """What the call answers, made again until the workspace has an answer."""
        while True:
            try:
                return call()
            except (OSError, TimeoutError) as error:
                if not passing_fault(error) or not self._may_wait(deadline):
                    raise

    def _deadline(self) -> float:
        return self._clock.seconds() + self._settings.ready_within_seconds

    def _may_wait(self, deadline: float) -> bool:
        """Wait a little; False when that would be too long."""
        if self._clock.seconds() >= deadline:
            return False
        self._clock.sleep(self._settings.poll_every_seconds)
        return True

    def _entity(self) -> "ServedEntityInput":
        from databricks.sdk.service.serving import ServedEntityInput

        return ServedEntityInput(
            entity_name=self._served.model,
            entity_version=self._served.version,
            workload_size=self._settings.workload_size,
            scale_to_zero_enabled=self._settings.scale_to_zero,
        )

    def _cause(self, found: "ServingEndpointDetailed | None") -> str:
        if found is None:
            return f"its update had not ended after {self._settings.ready_within_seconds / 60:g} minutes"
        parts = [part for part in (found.pending_config, found.config) if part is not None]
        states = [entity.state for part in parts for entity in part.served_entities or []]
        message = next((s.deployment_state_message for s in states if s and s.deployment_state_message), None)
        update = found.state.config_update.value if found.state and found.state.config_update else "unknown"
        return message.strip().splitlines()[0].rstrip(".") if message else f"its update ended as {update}"

    def _busy(self) -> ServingError:
        return ServingError(
            f"The endpoint {self._name} is busy with another update and was not changed: materialise serving_endpoint "
            "again when it is done."
        )

    def _report(self, change: Change, before: str | None) -> ReadyEndpoint:
        return ReadyEndpoint(name=self._name, change=change, served=self._served, served_before=before)


@contextmanager
def _answering(name: str) -> Iterator[None]:
    """Turn what the SDK raises into one sentence for the user."""
    from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated

    again = "materialise serving_endpoint again"
    try:
        yield
    except Unauthenticated as error:
        raise ServingError(
            f"The workspace does not know who asks for the endpoint {name} ({said(error)}): renew the "
            f"credentials and {again}."
        ) from error
    except PermissionDenied as error:
        raise ServingError(
            f"The endpoint {name} may not be made or changed ({said(error)}): grant this job's user CAN MANAGE "
            f"on it and EXECUTE on the served model, and {again}."
        ) from error
    except NotFound as error:
        raise ServingError(
            f"The endpoint {name}, or the model behind it, is gone ({said(error)}): {again} to have it made."
        ) from error
    except (OSError, TimeoutError) as error:
        raise ServingError(
            f"The workspace did not take the endpoint {name} ({said(error)}): {again} in some minutes."
        ) from error
