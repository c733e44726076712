"""A workspace to deploy to: the emulator, with what it lacks.

Everything that the emulator knows (jobs, clusters, schemas, volumes, files, secrets, permissions) is its own. In front
of it stands a server that answers for the kinds that it does not know (experiments, registered models, serving
endpoints, dashboards), by keeping what it is given, with the errors that the real ones give for what is there already
and for what is not; and that says who asks: the emulator knows one user, and a deployment to staging or prod is a
service principal's.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from healthcare_assets_tests.loopback import refusing

Json = dict[str, Any]
Found = tuple[int, Json]

PRINCIPAL = "8b948b2e-d2b5-4b9e-8274-11b596f3b652"
"""Application id of the service principal that deploys."""

_EMULATOR_S_USER = "minilake-user"
_MISSING = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "There is none of that name."}
_TAKEN = 409, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "There is one of that name already."}


@dataclass
class Kept:
    """What the emulator does not know, by kind and name."""

    experiments: dict[str, Json] = field(default_factory=dict)
    ids: "count[int]" = field(default_factory=lambda: count(1))
    models: dict[str, Json] = field(default_factory=dict)
    endpoints: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    permissions: dict[str, Json] = field(default_factory=dict)
    """Who may use a warehouse or a dashboard, by its path."""
    clusters: dict[str, Json] = field(default_factory=dict)
    """As they were asked for: the emulator drops what it does not use, as who may use one."""

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Found | None:
        """The answer for a kind that is kept here; None for any other."""
        for prefix, respond in (
            ("/api/2.0/mlflow/experiments/", self._experiment),
            ("/api/2.1/unity-catalog/models", self._model),
            ("/api/2.0/serving-endpoints", self._endpoint),
            ("/api/2.0/lakeview/dashboards", self._dashboard),
            ("/api/2.0/permissions/sql/warehouses", self._permission),
            ("/api/2.0/permissions/dashboards", self._permission),
        ):
            if path.startswith(prefix):
                return respond(method, unquote(path.removeprefix(prefix).strip("/")), query, body)
        return None

    def completed(self, path: str, given: Json, answered: Json) -> Json:
        """The emulator's answer with the fields of a cluster that it has dropped."""
        action = path.removeprefix("/api/2.1/clusters/")
        identity = answered.get("cluster_id") or given.get("cluster_id")
        if identity is None or action == path:
            return answered
        if action in ("create", "edit"):
            self.clusters[identity] = given
        return {**self.clusters.get(identity, {}), **answered} if action == "get" else answered

    def _experiment(self, _: str, action: str, query: Mapping[str, str], body: Json) -> Found:
        if action == "create":
            if any(there["name"] == body["name"] for there in self.experiments.values()):
                return _TAKEN
            identity = str(next(self.ids))  # the CLI makes several at a time: their number is no id
            self.experiments[identity] = {**body, "experiment_id": identity, "lifecycle_stage": "active"}
            return 200, {"experiment_id": identity}
        identity = body.get("experiment_id") or query.get("experiment_id") or ""
        if identity not in self.experiments:
            return _MISSING
        if action == "get":
            return 200, {"experiment": self.experiments[identity]}
        if action == "delete":
            del self.experiments[identity]
        return 200, {}

    def _model(self, method: str, name: str, _: Mapping[str, str], body: Json) -> Found:
        if method == "POST":
            name = ".".join(body[part] for part in ("catalog_name", "schema_name", "name"))
            if name in self.models:
                return _TAKEN
            self.models[name] = {**body, "full_name": name}
        return self._one(self.models, method, name, body)

    def _endpoint(self, method: str, name: str, _: Mapping[str, str], body: Json) -> Found:
        name, _separator, part = (name or body["name"]).partition("/")
        if method == "POST":
            if name in self.endpoints:
                return _TAKEN
            self.endpoints[name] = {
                **body,
                "id": f"{len(self.endpoints) + 1:032x}",
                "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
            }
        return self._one(self.endpoints, method, name, {"config": body} if part == "config" else {})

    def _dashboard(self, method: str, name: str, query: Mapping[str, str], body: Json) -> Found:
        identity, _separator, part = name.partition("/")
        if method == "POST" and not identity:
            identity = f"{next(self.ids):032x}"
            path = f"{body['parent_path']}/{body['display_name']}.lvdash.json"
            self.dashboards[identity] = {**body, **query, "dashboard_id": identity, "path": path, "etag": "1"}
            return 200, self.dashboards[identity]
        if part == "published":
            there = self.dashboards.get(identity, {})
            if method == "POST":
                there["published"] = {"display_name": there["display_name"], **body}
            return (200, there["published"]) if "published" in there else _MISSING
        return self._one(self.dashboards, method, identity, {**body, **query})

    def _permission(self, method: str, identity: str, _: Mapping[str, str], body: Json) -> Found:
        given = [
            {**who, "all_permissions": [{"permission_level": who.pop("permission_level"), "inherited": False}]}
            for who in map(dict, body.get("access_control_list", []))
        ]
        if method == "PUT":
            self.permissions[identity] = {"object_id": identity, "access_control_list": given}
        return 200, self.permissions.get(identity, {"object_id": identity, "access_control_list": []})

    @staticmethod
    def _one(there: dict[str, Json], method: str, name: str, changes: Json) -> Found:
        if name not in there:
            return _MISSING
        if method == "DELETE":
            del there[name]
            return 200, {}
        if method in ("PATCH", "PUT"):
            there[name].update(changes)
        return 200, there[name]


@dataclass(frozen=True)
class WorkspaceServer:
    """A running workspace."""

    host: str
    kept: Kept


@contextmanager
def workspace_server(emulator: Path, folder: Path) -> Iterator[WorkspaceServer]:
    """The emulator with what it lacks; ended when the context ends."""
    with _emulator(emulator, folder) as behind:
        kept = Kept()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kept, behind))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield WorkspaceServer(f"http://127.0.0.1:{server.server_address[1]}", kept)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@contextmanager
def _emulator(program: Path, folder: Path) -> Iterator[int]:
    with refusing() as free:
        port = free
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MINILAKE_DATA_DIR": str(folder / "data"),
        "MINILAKE_JOB_EXECUTOR": "subprocess",
        "MINILAKE_NOTEBOOK": "0",
        "MINILAKE_CLUSTER_START_DELAY": "0",
        "MINILAKE_CLUSTER_TERMINATE_DELAY": "0",
    }
    with (folder / "emulator.log").open("w") as log:
        process = subprocess.Popen([program, "--port", str(port)], env=environment, stdout=log, stderr=log)
    try:
        _await_answer(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await_answer(port: int, process: "subprocess.Popen[bytes]") -> None:
    waiting = threading.Event()
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"The emulator ended with {process.returncode}.")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/api/2.0/preview/scim/v2/Me")
            connection.getresponse().read()
        except OSError:
            waiting.wait(0.05)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError("The emulator does not answer.")


def _handler(kept: Kept, emulator: int) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            content_type = self.headers.get("Content-Type", "")
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            with lock:
                given = json.loads(body) if body and "json" in content_type else {}
                found = kept.answer(self.command, url.path, query, given)
            if found is not None:
                self._send(found[0], json.dumps(found[1]).encode(), {"Content-Type": "application/json"})
                return
            status, payload, headers = _asked(emulator, self.command, self.path, body, content_type)
            if "/clusters/" in url.path and status < HTTPStatus.BAD_REQUEST:
                with lock:
                    payload = json.dumps(kept.completed(url.path, given, json.loads(payload))).encode()
            self._send(status, _as_principal(payload), headers)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815 - names of http.server

        def _send(self, status: int, payload: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            pass

    return Handler


def _asked(port: int, method: str, path: str, body: bytes, content_type: str) -> tuple[int, bytes, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body=body, headers={"Content-Type": content_type})
        answer = connection.getresponse()
        passed = {n: v for n, v in answer.getheaders() if n.lower() not in _OF_THE_CONNECTION}
        if method == "HEAD" and (length := answer.getheader("Content-Length")):
            passed["Content-Length"] = length
        return answer.status, answer.read(), passed
    finally:
        connection.close()


_OF_THE_CONNECTION = ("content-length", "transfer-encoding", "connection", "date", "server")


def _as_principal(payload: bytes) -> bytes:
    """Where the emulator says its one user, the service principal."""
    user, principal = _EMULATOR_S_USER.encode(), PRINCIPAL.encode()
    named = payload.replace(
        b'"user_name":"%b","group_name":null,"service_principal_name":null' % user,
        b'"user_name":null,"group_name":null,"service_principal_name":"%b"' % principal,
    )
    return named.replace(b'"userName":"%b"' % user, b'"userName":"%b"' % principal)
