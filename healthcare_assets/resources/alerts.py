"""Where alerts go: a service behind an Apprise URL, or the log. What a URL holds is a secret, and stays with it."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from healthcare_assets.domain.monitoring.messages import Message

if TYPE_CHECKING:
    from apprise import NotifyBase

VARIABLE = "HEALTHCARE_ALERT_URLS"

_TIMEOUT_SECONDS = 5.0
"""To connect, and to wait for an answer. A URL may ask for less."""
_STATUS = re.compile(r"\berror=(\d{3})\b")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Whether a message got through, and if not, why, without a secret."""

    delivered: bool
    reason: str = ""


class Channel(Protocol):
    """Takes one message for one recipient. Never raises."""

    @property
    def digest(self) -> str:
        """Tells recipients apart without giving their secrets away."""

    @property
    def name(self) -> str:
        """For a sentence."""

    def send(self, message: Message) -> Delivery: ...


class AlertChannel:
    """Sends to one Apprise URL."""

    def __init__(self, url: str, *, position: int) -> None:
        """`position` is the URL's place in HEALTHCARE_ALERT_URLS, from 1."""
        self._url = url
        self._position = position

    @cached_property
    def digest(self) -> str:
        return sha256(self._url.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The place alone: even what Apprise shows of a URL for logs may hold a token in its path."""
        return f"URL {self._position} of {VARIABLE}"

    def send(self, message: Message) -> Delivery:
        """Deliver the message in at most a few seconds. Any fault is a Delivery that says so."""
        with _listening() as said:
            try:
                return self._sent(message, said)
            except Exception as error:  # noqa: BLE001 - a hundred services' code; what it says may quote the URL
                return Delivery(delivered=False, reason=f"{self.name} failed with {type(error).__name__}.")

    def _sent(self, message: Message, said: list[str]) -> Delivery:
        if self._service is None:
            return Delivery(
                delivered=False,
                reason=f"{self.name} is none that Apprise can use: write it as its documentation of the service says "
                "(https://github.com/caronc/apprise/wiki), with each comma in it as %2C.",
            )
        import apprise

        sender = apprise.Apprise(asset=self._service.asset)
        sender.add(self._service)
        if sender.notify(
            title=message.title,
            body=message.body,
            notify_type=apprise.NotifyType(message.urgency),
            body_format=apprise.NotifyFormat.TEXT,
        ):
            return Delivery(delivered=True)
        status = next((match[1] for text in said if (match := _STATUS.search(text))), None)
        cause = f"answered {status}" if status else "could not be reached, or did not answer in time"
        return Delivery(delivered=False, reason=f"{self.name} {cause}.")

    @cached_property
    def _service(self) -> "NotifyBase | None":
        import apprise

        # In memory: Apprise would keep what services answer in files of the user's.
        asset = apprise.AppriseAsset(
            app_id="healthcare_assets", async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY
        )
        with warnings.catch_warnings():
            # Apprise imports its hundred services now; one of them imports what Python 3.11 deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            service = apprise.Apprise.instantiate(self._url, asset=asset)
        if service is not None:
            service.socket_connect_timeout = min(service.socket_connect_timeout, _TIMEOUT_SECONDS)
            service.socket_read_timeout = min(service.socket_read_timeout, _TIMEOUT_SECONDS)
        return service


class LogChannel:
    """Writes messages to the log, where no URL is set."""

    digest = "log"
    name = "the log"

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def send(self, message: Message) -> Delivery:
        self._write(f"{message.title}\n{message.body}")
        return Delivery(delivered=True)


def channels_for(urls: tuple[str, ...], *, write: Callable[[str], None]) -> tuple[Channel, ...]:
    """A channel a URL, each URL once; the log where there is none."""
    channels = [AlertChannel(url, position=urls.index(url) + 1) for url in dict.fromkeys(urls)]
    return tuple(channels) or (LogChannel(write),)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise says in its log meanwhile, and keeps from every other log: it may name addresses."""
    said: list[str] = []
    logger = logging.getLogger("apprise")
    handler = _Collector(said)
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.propagate = propagated
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())
