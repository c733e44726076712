"""What tests ask of the emulator itself, below /_emulator: no faults, and no place in the log."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from healthcare_assets_tests.workspace.server import processes
from healthcare_assets_tests.workspace.server.faults import Fault, FaultyWorkspace
from healthcare_assets_tests.workspace.server.jobs_api import Jobs
from healthcare_assets_tests.workspace.server.managed import Managed


def admin_app(front: FaultyWorkspace, jobs: Jobs, managed: Managed) -> Starlette:
    runner = jobs.runner

    async def faults(request: Request) -> Response:
        body = await request.json()
        front.arrange([Fault(**fault) for fault in body["faults"]], seed=body["seed"])
        return JSONResponse({})

    async def report(_: Request) -> Response:
        return JSONResponse(
            {
                "calls": front.calls,
                "runs": [run.reported() for run in runner.runs.values()],
                "cluster_starts": runner.compute.starts,
                "processes_started": runner.processes_started,
                "live_processes": sorted(processes.alive().items()),
            }
        )

    async def lose_run(request: Request) -> Response:
        body = await request.json()
        run = runner.runs[body["run_id"]]
        run.lost = True
        if body["kill"]:
            run.stop_it("CANCELED")
        return JSONResponse({})

    async def clusters(request: Request) -> Response:
        runner.compute.start_seconds = (await request.json())["start_seconds"]
        return JSONResponse({})

    async def environment(request: Request) -> Response:
        runner.more_environment = await request.json()
        return JSONResponse({})

    async def reset(_: Request) -> Response:
        front.arrange([], seed=0)
        await runner.stop_all()
        jobs.forget()
        managed.forget()
        front.calls.clear()
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/_emulator/faults", faults, methods=["POST"]),
            Route("/_emulator/report", report),
            Route("/_emulator/lose_run", lose_run, methods=["POST"]),
            Route("/_emulator/clusters", clusters, methods=["POST"]),
            Route("/_emulator/environment", environment, methods=["POST"]),
            Route("/_emulator/reset", reset, methods=["POST"]),
        ]
    )
