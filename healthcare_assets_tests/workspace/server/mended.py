"""What minilake answers otherwise than Databricks, beside the Jobs API."""

import base64
from collections.abc import Awaitable, Callable

from minilake.models.clusters import ClusterIdRequest, CreateClusterRequest
from minilake.services import clusters, files, secrets, workspace
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from healthcare_assets_tests.workspace.server.compute import Compute
from healthcare_assets_tests.workspace.server.jobs_api import answering
from healthcare_assets_tests.workspace.server.records import ApiError, Json, now

_NOTEBOOK = b"# Databricks notebook source"


def routes(compute: Compute) -> list[Route]:
    return [
        Route("/api/2.0/secrets/get", answering(_secret), methods=["GET"]),
        Route("/api/2.1/clusters/create", _counting(compute, _created), methods=["POST"]),
        Route("/api/2.1/clusters/start", _counting(compute, _started), methods=["POST"]),
        Route("/api/2.0/fs/files/{path:path}", _upload, methods=["PUT"]),
        Route("/api/2.0/workspace/import", _import, methods=["POST"]),
    ]


def _secret(query: Json) -> Json:
    """Databricks lets whoever may read a secret read it; minilake lets nobody."""
    scope = secrets._state["scopes"].get(query["scope"])
    if scope is None or query["key"] not in scope["secrets"]:
        message = f"Secret does not exist with scope: {query['scope']} and key: {query['key']}"
        raise ApiError(message, code="RESOURCE_DOES_NOT_EXIST", status=404)
    value = scope["secrets"][query["key"]]["value"]
    return {"key": query["key"], "value": base64.b64encode(value.encode()).decode()}


async def _upload(request: Request) -> Response:
    """Without `overwrite` nothing is overwritten; minilake would."""
    path = "/" + request.path_params["path"]
    overwrite = request.query_params.get("overwrite") == "true"
    target = files._resolve(path)
    if target.is_dir() or (target.exists() and not overwrite):
        body = {"error_code": "ALREADY_EXISTS", "message": f"The file being created already exists. {path}"}
        return JSONResponse(body, status_code=409)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{id(request)}")
    draft.write_bytes(await request.body())
    draft.replace(target)
    return Response(status_code=204)


async def _import(request: Request) -> Response:
    """Any file, as JSON or as a form; minilake takes Python in JSON, and makes the folder that is missing."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        async with request.form() as form:
            sent = form["content"]
            content = sent.encode() if isinstance(sent, str) else await sent.read()
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        overwrite = given.get("overwrite") == "true"
    else:
        given = await request.json()
        content, overwrite = base64.b64decode(given.get("content") or ""), bool(given.get("overwrite"))
    path = given["path"]
    target = workspace._resolve(path)
    if not target.parent.is_dir():
        message = f"The parent folder ({path.rpartition('/')[0]}) does not exist."
        return JSONResponse({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}, status_code=404)
    if target.is_dir() or (target.exists() and not overwrite):
        message = f"Path ({path}) already exists."
        return JSONResponse({"error_code": "RESOURCE_ALREADY_EXISTS", "message": message}, status_code=400)
    target.write_bytes(content)
    notebook = given.get("format", "SOURCE") == "SOURCE" or content.startswith(_NOTEBOOK)
    known = workspace._state["objects"].get(path) or {"object_id": workspace._next_id(), "created_at": now()}
    kind = {"object_type": "NOTEBOOK", "language": "PYTHON"} if notebook else {"object_type": "FILE"}
    workspace._state["objects"][path] = {**known, **kind, "modified_at": now()}
    return JSONResponse({})


async def _created(body: Json) -> tuple[str, bool]:
    made = await clusters.create_cluster(CreateClusterRequest(**body))
    return str(made.cluster_id), True


async def _started(body: Json) -> tuple[str, bool]:
    cluster_id = str(body["cluster_id"])
    if cluster_id not in clusters._state["clusters"]:
        raise ApiError(f"Cluster {cluster_id} does not exist")
    was_down = clusters._state["clusters"][cluster_id]["state"] in ("TERMINATED", "TERMINATING")
    await clusters.start_cluster(ClusterIdRequest(cluster_id=cluster_id))
    return cluster_id, was_down


def _counting(
    compute: Compute, change: Callable[[Json], Awaitable[tuple[str, bool]]]
) -> Callable[[Request], Awaitable[Response]]:
    """A change that may bring a cluster up; each time that it does counts."""

    async def answer(request: Request) -> Response:
        try:
            cluster_id, came_up = await change(await request.json())
        except ApiError as error:
            return JSONResponse({"error_code": error.code, "message": error.message}, status_code=error.status)
        if came_up:
            compute.record(cluster_id, run_id=None)
        return JSONResponse({"cluster_id": cluster_id})

    return answer
