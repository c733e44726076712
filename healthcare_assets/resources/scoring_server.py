"""MLflow's scoring server for a servable, with a reader of our own in front of the one that MLflow has."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from healthcare_assets.domain.serving import require_records
from healthcare_assets.errors import RequestError
from healthcare_assets.policy import POLICY
from healthcare_assets.resources.mlflow_client import quietly
from healthcare_assets.resources.scoring_request import read_request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
"""By the ASGI specification, as are the messages."""


def scoring_application(servable: Path) -> Application:
    """An ASGI application that answers as MLflow's scoring server does: /ping, /version, and POST /invocations.

    Loads the servable, whose code has to be this process's own.
    """
    with quietly():
        import mlflow.pyfunc
        from mlflow.pyfunc import scoring_server

        model = mlflow.pyfunc.load_model(str(servable), suppress_warnings=True)
        return _with_reader(scoring_server.init(model))


def _with_reader(application: Application) -> Application:
    """Reads a request before the application does, and hands it on in the one form in which nothing goes wrong."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/invocations"):
            await application(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name not in (b"content-type", b"content-length")}
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        body = await _body(receive, at_most=POLICY.serving.maximum_body_bytes + 1)
        try:
            # In a thread: reading a large request must not keep the server from answering others.
            forwarded = await asyncio.to_thread(_canonical, body, content_type)
        except RequestError as error:
            await _refuse(error, send)
            return
        length = str(len(forwarded)).encode()
        headers |= {b"content-type": b"application/json", b"content-length": length}
        await application({**scope, "headers": list(headers.items())}, _replayed(forwarded, receive), send)

    return answer


def _canonical(body: bytes, content_type: str) -> bytes:
    records = read_request(body, content_type)
    require_records(records)
    return json.dumps({"dataframe_records": records}).encode()


async def _body(receive: Receive, *, at_most: int) -> bytes:
    """The request's body; what goes beyond the limit is received and dropped, so that the sender hears the answer."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")[: at_most - len(body)]
        more = message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body as if it had just come in, and then what really comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _refuse(error: RequestError, send: Send) -> None:
    from healthcare_assets.resources.served_model import RefusedRequestError

    body = str(RefusedRequestError(str(error)).serialize_as_json()).encode()  # type: ignore[no-untyped-call]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
