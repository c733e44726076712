"""Serve a workspace until standard input ends: whoever started the server need not live to stop it."""

import argparse
import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

_SERVICES = (
    "identity,scim,tokens,dbfs,files,workspace,clusters,cluster_policies,instance_pools,secrets,permissions,"
    "unity_catalog,grants,sql_warehouses,workspace_admin,catchall"
)


class ReportingServer(uvicorn.Server):
    """Says through a pipe when it answers, and where."""

    def __init__(self, config: uvicorn.Config, *, report_to: int, port: int) -> None:
        super().__init__(config)
        self._report_to, self._port = report_to, port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        with os.fdopen(self._report_to, "w") as report:
            json.dump({"port": self._port}, report)


async def serve(settings: Path, report_to: int) -> None:
    wanted = json.loads(settings.read_text())
    os.environ |= {
        "MINILAKE_DATA_DIR": wanted["data"],
        "MINILAKE_NOTEBOOK": "0",
        "MINILAKE_JOB_EXECUTOR": "subprocess",
        "MINILAKE_SERVICES": _SERVICES,
        # A folder without extensions, since looking for one that is not there would go to the network.
        "MINILAKE_DUCKDB_EXTENSION_DIR": f"{wanted['data']}/duckdb",
    }
    # minilake reads its settings as it is imported.
    from minilake.app import create_app

    from healthcare_assets_tests.workspace.server.admin import admin_app
    from healthcare_assets_tests.workspace.server.compute import settle_at_once
    from healthcare_assets_tests.workspace.server.execution import Runner, Site
    from healthcare_assets_tests.workspace.server.faults import FaultyWorkspace
    from healthcare_assets_tests.workspace.server.jobs_api import Jobs
    from healthcare_assets_tests.workspace.server.managed import Managed
    from healthcare_assets_tests.workspace.server.mended import routes

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    host = f"http://127.0.0.1:{port}"
    login = {"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": wanted["token"]}
    site = Site(host, Path(wanted["data"]), wanted["python"], {**wanted["environment"], **login})
    settle_at_once()
    jobs, managed = Jobs(Runner(site)), Managed()
    minilake = create_app()
    minilake.router.routes[:0] = [*jobs.routes(), *managed.routes(), *routes(jobs.runner.compute)]
    front = FaultyWorkspace(minilake, wanted["token"])
    admin = admin_app(front, jobs, managed)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        of_tests = scope["type"] == "http" and scope["path"].startswith("/_emulator/")
        await (admin if of_tests else front)(scope, receive, send)

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        log_level="warning",
        # A connection is only ever lost because a test wants it.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
    )
    server = ReportingServer(config, report_to=report_to, port=port)

    def stop() -> None:
        server.should_exit = True
        asyncio.get_running_loop().remove_reader(sys.stdin)

    asyncio.get_running_loop().add_reader(sys.stdin, stop)
    try:
        await server.serve(sockets=[listening])
    finally:
        await jobs.runner.stop_all()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--report-to", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.settings, arguments.report_to))
