"""Dagster's UI and MLflow's server behind a login, as docs/login.md shows it: nothing is reached without one."""

import base64
import json
import os
import re
import shlex
import signal
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets.dagster_home import prepare
from healthcare_assets.environments import PROJECT_ROOT, settings_from
from healthcare_assets_tests.canary.processes import Seen, answered, running, until, watched
from healthcare_assets_tests.nginx import PASSWORD, USER, nginx

pytestmark = pytest.mark.slow

_SHOWN_COMMAND = re.compile(r"^\.venv/bin/((?:dagster-webserver|mlflow) (?:.*\\\n)*.*)$", re.MULTILINE)
_WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "graphql-ws",
}


@dataclass(frozen=True, kw_only=True)
class House:
    """The proxy, and what is behind it."""

    dagster: int
    """Its port of the proxy, as mlflow's."""
    mlflow: int
    certificate: Path
    places: dict[str, int]
    seen: Seen

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def ask(self, port: int, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", data=data, headers=headers)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=60) as response:  # noqa: S310 - https
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def _login(password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()}


def _free_ports(stack: ExitStack, *names: str) -> dict[str, int]:
    """Different ones: each is held until all are known."""
    held = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
    return {name: listener.getsockname()[1] for name, listener in held.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("login")
    home = folder / "home"
    with ExitStack() as holding:
        ports = _free_ports(holding, "dagster", "mlflow", "behind dagster", "behind mlflow")
    outside = {name: ports[name] for name in ("dagster", "mlflow")}
    places = {name: ports[f"behind {name}"] for name in outside} | {"single_sign_on": 9}
    prepare(settings_from({"HEALTHCARE_HOME": str(home)}))
    (home / "mlflow").mkdir()
    variables = {
        "HEALTHCARE_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A worker for evaluations, which nobody asks for here, takes longer to start and to stop than the server.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with ExitStack() as stack:
        seen = stack.enter_context(watched())
        certificate = stack.enter_context(nginx(folder / "nginx", login="password.conf", ports=outside, places=places))
        for name, command in _shown_commands(outside, places, home).items():
            stack.enter_context(running(command, variables=variables, said=folder / name, stop=signal.SIGTERM))
        for name, path in (("dagster", "server_info"), ("mlflow", "health")):
            until(lambda n=name, p=path: answered(f"http://127.0.0.1:{places[n]}/{p}"), f"{name}, {folder / name}")  # type: ignore[misc]
        yield House(**outside, certificate=certificate, places=places, seen=seen)


def _shown_commands(outside: dict[str, int], places: dict[str, int], home: Path) -> dict[str, list[str]]:
    """The commands of the document, at ports and under names of the tests'."""
    text = (PROJECT_ROOT / "docs" / "login.md").read_text(encoding="utf-8").replace("$HEALTHCARE_HOME", str(home))
    for shown, ours in (
        ("--port 3000", f"--port {places['dagster']}"),
        ("--port 5000", f"--port {places['mlflow']}"),
        ("mlflow.example.com", f"127.0.0.1:{outside['mlflow']},127.0.0.1:{places['mlflow']}"),
    ):
        text = text.replace(shown, ours)
    commands = [shlex.split(found.replace("\\\n", " ")) for found in _SHOWN_COMMAND.findall(text)]
    named = {"dagster" if words[0].startswith("dagster") else "mlflow": words for words in commands}
    return {name: [str(Path(sys.executable).with_name(words[0])), *words[1:]] for name, words in named.items()}


_VERSION = {"query": "{ version }"}
_EXPERIMENTS = "/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.mark.parametrize("headers", [{}, _login("another password"), {"Authorization": "Bearer of-nothing"}])
def test_without_the_login_nothing_is_answered(house: House, headers: dict[str, str]) -> None:
    asked = [
        house.ask(house.dagster, "/", **headers),
        house.ask(house.dagster, "/graphql", _VERSION, **headers),
        house.ask(house.dagster, "/graphql", **_WEBSOCKET, **headers),
        house.ask(house.mlflow, "/", **headers),
        house.ask(house.mlflow, _EXPERIMENTS, **headers),
        house.ask(house.mlflow, "/health", **headers),
    ]
    assert [status for status, _ in asked] == [401] * len(asked)
    assert not any(b"dagster" in body.lower() or b"mlflow" in body.lower() for _, body in asked)


def test_with_it_pages_and_interfaces_are(house: House) -> None:
    status, page = house.ask(house.dagster, "/", **_login())
    assert (status, b"Dagster" in page) == (200, True)
    status, answer = house.ask(house.dagster, "/graphql", _VERSION, **_login())
    assert (status, "version" in json.loads(answer)["data"]) == (200, True)
    status, page = house.ask(house.mlflow, "/", **_login())
    assert (status, b"MLflow" in page) == (200, True)
    status, answer = house.ask(house.mlflow, _EXPERIMENTS, **_login())
    assert (status, "experiments" in json.loads(answer)) == (200, True)


def test_the_ui_listens_over_a_websocket(house: House) -> None:
    head = {"Host": f"127.0.0.1:{house.dagster}", **_WEBSOCKET, **_login()}
    lines = ["GET /graphql HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with (
        socket.create_connection(("127.0.0.1", house.dagster), timeout=60) as plain,
        house.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall("\r\n".join(lines).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")
        said = b'{"type": "connection_init", "payload": {}}'
        # A text in one frame, under a mask of zeros.
        connection.sendall(bytes([0x81, 0x80 | len(said), 0, 0, 0, 0]) + said)
        while b"connection_ack" not in received:
            received += connection.recv(4096)


def test_mlflow_s_client_logs_a_run_with_name_and_password(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    (tmp_path / "card.txt").write_bytes(os.urandom(2_000_000))
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(house.certificate))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient(f"https://127.0.0.1:{house.mlflow}")
    with pytest.raises(MlflowException, match="401"):
        client.create_experiment("without a login")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    run = client.create_run(client.create_experiment("with a login"))
    client.log_metric(run.info.run_id, "risk_score_mae", 6.3)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://127.0.0.1:{house.mlflow}")
    client.log_artifact(run.info.run_id, str(tmp_path / "card.txt"))
    assert client.get_run(run.info.run_id).data.metrics == {"risk_score_mae": 6.3}
    assert [file.file_size for file in client.list_artifacts(run.info.run_id)] == [2_000_000]


def test_the_servers_are_reached_through_the_proxy_alone(house: House) -> None:
    """The tests' proxy listens there too; yours has the addresses of dagster.conf and mlflow.conf."""
    house.seen.look()
    ports = {int(address.rpartition(":")[2], 16) for address in house.seen.addresses}
    assert {house.places["dagster"], house.places["mlflow"], house.dagster, house.mlflow} <= ports
    assert house.seen.beyond_loopback == set()
    assert PASSWORD.encode() not in b"".join(house.seen.command_lines)


def test_single_sign_on_lets_in_whom_it_knows_and_a_password_goes_no_further_than_the_proxy(tmp_path: Path) -> None:
    cookie = {"Cookie": "_oauth2_proxy=ada"}

    def of_the_provider(path: str, headers: Message) -> int:
        return 200 if path != "/oauth2/auth" else 202 if headers["Cookie"] == cookie["Cookie"] else 401

    with (
        _recording(lambda path, headers: 200) as (server, handed_on),
        _recording(of_the_provider) as (provider, asked),
        ExitStack() as holding,
    ):
        ports = _free_ports(holding, "dagster", "mlflow")
        holding.close()
        places = {"dagster": server, "mlflow": server, "single_sign_on": provider}
        with nginx(tmp_path / "nginx", login="single-sign-on.conf", ports=ports, places=places) as certificate:
            house = House(**ports, certificate=certificate, places=places, seen=Seen())
            until(lambda: _is_open(ports["dagster"]), "nginx")
            refused = [house.ask(port, "/graphql", _VERSION, **_login()) for port in ports.values()]
            assert refused == [(401, b"/oauth2/sign_in")] * 2
            assert handed_on == []
            let_in = [house.ask(port, "/page", _VERSION, **cookie, **_login()) for port in ports.values()]
            assert let_in == [(200, b"/page")] * 2
            assert house.ask(ports["mlflow"], "/oauth2/callback") == (200, b"/oauth2/callback")
    assert [path for path, _ in handed_on] == ["/page"] * 2
    assert [headers["Authorization"] for _, headers in handed_on] == [None] * 2
    assert {headers["X-Forwarded-Proto"] for _, headers in [*handed_on, *asked]} == {"https"}


@contextmanager
def _recording(status: Callable[[str, Message], int]) -> Iterator[tuple[int, list[tuple[str, Message]]]]:
    """A server that answers with the path that it was asked for; gives its port, and paths and headers as they come."""
    received: list[tuple[str, Message]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            received.append((self.path, self.headers))
            self.send_response(status(self.path, self.headers))
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())

        do_GET = do_POST = _answer  # noqa: N815 - names of http.server

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
