"""Faults on demand: answers that never come, come late, or lie about what happened."""

import asyncio
import json
import random
import re
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
_GATEWAY = (502, 504)


@dataclass
class Fault:
    """See healthcare_assets_tests.workspace.emulator.Fault, which makes these."""

    calls: str
    answer: int | str | None
    probability: float
    times: int | None
    skip: int
    after_effect: bool
    delay: float
    retry_after: int | None
    met: int = 0

    def strikes(self, call: str, dice: random.Random) -> bool:
        if self.times == 0 or not re.search(self.calls, call) or dice.random() >= self.probability:
            return False
        self.met += 1
        if self.met <= self.skip:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class FaultyWorkspace:
    """The workspace behind its faults. Logs each call of the API."""

    app: ASGIApp
    token: str
    faults: list[Fault] = field(default_factory=list)
    dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 (chance, not a secret)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def arrange(self, faults: Sequence[Fault], *, seed: int) -> None:
        self.faults, self.dice = list(faults), random.Random(seed)  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        what = f"{scope['method']} {scope['path']}"
        call: dict[str, Any] = {"call": what, "status": None, "fault": None}
        self.calls.append(call)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                call["status"] = message["status"]
            await send(message)

        fault = next((fault for fault in self.faults if fault.strikes(what, self.dice)), None)
        if fault is None:
            await self._allowed(scope, receive, noting)
            return
        call["fault"] = fault.answer if fault.answer is not None else f"{fault.delay} s late"
        await self._faulty(fault, scope, receive, noting)

    async def _faulty(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The effect or none, then the time that it takes, then the answer or none."""
        answer: list[Message] = []
        if fault.after_effect or fault.answer is None:

            async def keeping(message: Message) -> None:
                answer.append(message)

            await self._allowed(scope, receive, keeping)
        elif fault.answer != "drop":
            await _read_to_the_end(receive)
        if fault.delay:
            await _pause(receive, fault.delay)
        if fault.answer == "drop":
            await _drop(receive)
        elif isinstance(fault.answer, int):
            await _refuse(send, fault.answer, fault.retry_after)
        else:
            for message in answer:
                await send(message)

    async def _allowed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The workspace's own answer, for whoever has its token."""
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if given == f"Bearer {self.token}":
            await self.app(scope, receive, send)
        else:
            await _refuse(send, 403 if given else 401, None)


async def _read_to_the_end(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _pause(receive: Receive, seconds: float) -> None:
    """So long, or until nobody waits any more."""
    gone = asyncio.create_task(_disconnected(receive))
    await asyncio.wait({gone}, timeout=seconds)
    gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int, retry_after: int | None) -> None:
    headers = [] if retry_after is None else [(b"retry-after", str(retry_after).encode())]
    if status in _GATEWAY:
        body = f"<html><body><h1>{status} of the gateway</h1></body></html>".encode()
        headers.append((b"content-type", b"text/html"))
    else:
        said = {"error_code": _CODES.get(status, "INTERNAL_ERROR"), "message": f"A fault was asked for: {status}."}
        body = json.dumps(said).encode()
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _drop(receive: Receive) -> None:
    """Reset the connection, without a word. The server hands its connection to nobody, so it is asked for it."""
    transport = receive.__self__.transport  # type: ignore[attr-defined]
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _disconnected(receive)
