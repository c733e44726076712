"""The Jobs API, over the runner."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from healthcare_assets_tests.workspace.server.execution import Runner
from healthcare_assets_tests.workspace.server.graph import check_graph
from healthcare_assets_tests.workspace.server.records import ApiError, Json, Run, now

Handler = Callable[[Json], Json]
_MACHINES = ("new_cluster", "existing_cluster_id", "job_cluster_key", "environment_key")
_PYTHON = ("spark_python_task", "python_wheel_task")


@dataclass
class Jobs:
    """The jobs of a workspace, and its runs as the API has them."""

    runner: Runner
    jobs: dict[int, Json] = field(default_factory=dict)
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)

    def forget(self) -> None:
        """No job, no run and no token is known any more; ids go on."""
        self.jobs.clear()
        self.tokens.clear()
        self.runner.runs.clear()
        self.runner.compute.starts.clear()
        self.runner.compute.start_seconds = 0
        self.runner.processes_started = 0
        self.runner.more_environment = {}

    def create(self, body: Json) -> Json:
        _check(body)
        job_id = next(self.runner.ids)
        self.jobs[job_id] = {
            "job_id": job_id,
            "created_time": now(),
            "creator_user_name": "minilake-user",
            "run_as_user_name": "minilake-user",
            "settings": {"format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0, **body},
        }
        return {"job_id": job_id}

    def get(self, query: Json) -> Json:
        return self._job(query)

    def list_jobs(self, query: Json) -> Json:
        wanted = query.get("name")
        jobs = [job for job in self.jobs.values() if wanted in (None, job["settings"].get("name"))]
        return {"jobs": jobs, "has_more": False}

    def update(self, body: Json) -> Json:
        job = self._job(body)
        changed = {**job["settings"], **(body.get("new_settings") or {})}
        for name in body.get("fields_to_remove") or []:
            changed.pop(name, None)
        _check(changed)
        job["settings"] = changed
        return {}

    def reset(self, body: Json) -> Json:
        _check(body["new_settings"])
        self._job(body)["settings"] = {"format": "MULTI_TASK", "max_concurrent_runs": 1, **body["new_settings"]}
        return {}

    def delete(self, body: Json) -> Json:
        del self.jobs[self._job(body)["job_id"]]
        return {}

    def submit(self, body: Json) -> Json:
        _check(body)
        if not body.get("tasks"):
            raise ApiError("One of job_cluster_key, new_cluster, or existing_cluster_id must be specified.")
        token = body.get("idempotency_token")
        return self._once("submit", token, lambda run_id: self._run(run_id, body, token=token))

    def run_now(self, body: Json) -> Json:
        job = self._job(body)
        token = body.get("idempotency_token")
        if body.get("python_params") and job["settings"].get("parameters"):
            raise ApiError("The job to run has job parameters. Please use job_parameters instead of python_params.")

        def made(run_id: int) -> Run:
            declared = {each["name"]: each["default"] for each in job["settings"].get("parameters") or []}
            run = self._run(run_id, job["settings"], token=token)
            run.job_id = job["job_id"]
            run.parameters = {**declared, **(body.get("job_parameters") or {})}
            run.tasks = _chosen(run.tasks, body.get("only"))
            if body.get("python_params"):
                run.tasks = [_with_parameters(task, body["python_params"]) for task in run.tasks]
            self._queue(run, job["settings"])
            return run

        answer = self._once(f"run-now {job['job_id']}", token, made)
        return {**answer, "number_in_job": answer["run_id"]}

    def get_run(self, query: Json) -> Json:
        return self._find(query).described(self.runner.site.host)

    def list_runs(self, query: Json) -> Json:
        found = []
        for run in self.runner.runs.values():
            of_job = query.get("job_id") in (None, str(run.job_id))
            active = query.get("active_only") != "true" or not run.state.ended
            completed = query.get("completed_only") != "true" or run.state.ended
            if of_job and active and completed and not run.lost:
                found.append(run.described(self.runner.site.host))
        return {"runs": sorted(found, key=lambda run: run["run_id"], reverse=True), "has_more": False}

    def cancel(self, body: Json) -> Json:
        self._find(body).stop_it("CANCELED")
        return {}

    def cancel_all(self, body: Json) -> Json:
        for run in self.runner.runs.values():
            if body.get("all_queued_runs") or body.get("job_id") == run.job_id:
                run.stop_it("CANCELED")
        return {}

    def delete_run(self, body: Json) -> Json:
        run = self._find(body)
        if not run.state.ended:
            raise ApiError(f"Run {run.run_id} is still active.", code="INVALID_STATE")
        run.lost = True
        return {}

    def output(self, query: Json) -> Json:
        run_id = _number(query, "run_id")
        if run_id in self.runner.runs:
            self._find(query)
            raise ApiError(
                "Retrieving the output of runs with multiple tasks is not supported. "
                "Please retrieve the output of each individual task run instead."
            )
        for run in self.runner.runs.values():
            for attempt in run.attempts:
                if attempt.run_id == run_id and not run.lost:
                    of_run = {"job_id": run.job_id or 0, "run_name": run.name, "parent_run_id": run.run_id}
                    output = dict(attempt.output)
                    if attempt.state.ended and attempt.state.result != "SUCCESS":
                        output.setdefault("error", attempt.state.message)
                    return {"metadata": {**attempt.described(), **of_run}, **output}
        raise _absent(run_id)

    def _run(self, run_id: int, settings: Json, *, token: str | None) -> Run:
        return Run(
            run_id=run_id,
            name=settings.get("run_name") or settings.get("name") or "Untitled",
            tasks=[dict(task) for task in settings["tasks"]],
            token=token,
            environments={each["environment_key"]: each for each in settings.get("environments") or []},
            job_clusters={each["job_cluster_key"]: each for each in settings.get("job_clusters") or []},
            timeout=settings.get("timeout_seconds") or 0,
        )

    def _once(self, of: str, token: str | None, make: Callable[[int], Run]) -> Json:
        """The run that the token has made already, or a new one."""
        if token and len(token) > 64:
            raise ApiError("The idempotency token must have at most 64 characters.")
        if token and (of, token) in self.tokens:
            return {"run_id": self.tokens[of, token]}
        run = make(next(self.runner.ids))
        if token:
            self.tokens[of, token] = run.run_id
        if run.state.ended:
            self.runner.runs[run.run_id] = run
        else:
            self.runner.start(run)
        return {"run_id": run.run_id}

    def _queue(self, run: Run, settings: Json) -> None:
        """A run more than the job may have at a time waits its turn, or is skipped when the job has no queue."""
        others = [each for each in self.runner.runs.values() if each.job_id == run.job_id and not each.state.ended]
        run.at_most = settings.get("max_concurrent_runs", 1)
        if len(others) < run.at_most:
            return
        if (settings.get("queue") or {}).get("enabled"):
            run.queued_behind = others
            return
        result, code = "MAXIMUM_CONCURRENT_RUNS_REACHED", "MAX_CONCURRENT_RUNS_EXCEEDED"
        run.state.finish(result, "The job has as many runs as it may have.", life_cycle="SKIPPED", code=code)

    def _job(self, body: Json) -> Json:
        job_id = _number(body, "job_id")
        if job_id not in self.jobs:
            raise ApiError(f"Job {job_id} does not exist.")
        return self.jobs[job_id]

    def _find(self, body: Json) -> Run:
        run_id = _number(body, "run_id")
        run = self.runner.runs.get(run_id)
        if run is None or run.lost:
            raise _absent(run_id)
        return run

    def routes(self) -> list[Route]:
        read = {"get": self.get, "list": self.list_jobs}
        read |= {"runs/get": self.get_run, "runs/list": self.list_runs, "runs/get-output": self.output}
        change = {"create": self.create, "update": self.update, "reset": self.reset, "delete": self.delete}
        change |= {"runs/submit": self.submit, "run-now": self.run_now, "runs/cancel": self.cancel}
        change |= {"runs/cancel-all": self.cancel_all, "runs/delete": self.delete_run}
        return [
            Route(f"/api/{version}/jobs/{path}", answering(handler), methods=[method])
            for version in ("2.0", "2.1", "2.2")
            for method, handlers in (("GET", read), ("POST", change))
            for path, handler in handlers.items()
        ]


def answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler behind a route: a query or a JSON body in, with what the path names; JSON or an error out."""

    async def answer(request: Request) -> Response:
        given: Any = await request.json() if await request.body() else dict(request.query_params)
        try:
            return JSONResponse(handler({**given, **request.path_params}))
        except ApiError as error:
            return JSONResponse({"error_code": error.code, "message": error.message}, status_code=error.status)

    return answer


def _number(given: Json, name: str) -> int:
    if name not in given:
        raise ApiError(f"Missing required field: {name}")
    return int(given[name])


def _absent(run_id: int) -> ApiError:
    return ApiError(f"Run {run_id} does not exist.")


def _chosen(tasks: list[Json], only: list[str] | None) -> list[Json]:
    if not only:
        return tasks
    unknown = set(only) - {task["task_key"] for task in tasks}
    if unknown:
        raise ApiError(f"Unknown task keys: {', '.join(sorted(unknown))}")
    return [task for task in tasks if task["task_key"] in only]


def _with_parameters(task: Json, parameters: Iterable[str]) -> Json:
    return {
        name: {**value, "parameters": list(parameters)} if name in _PYTHON else value for name, value in task.items()
    }


def _check(settings: Json) -> None:
    """Refuse what Databricks refuses before it makes a run or a job of it."""
    tasks = settings.get("tasks") or []
    keys = [task.get("task_key") for task in tasks]
    if None in keys or len(set(keys)) < len(keys):
        raise ApiError("Each task needs a task_key of its own.")
    wrong = check_graph(tasks)
    if wrong:
        raise ApiError(wrong)
    environments = {each["environment_key"] for each in settings.get("environments") or []}
    clusters = {each["job_cluster_key"] for each in settings.get("job_clusters") or []}
    for task in tasks:
        key = task["task_key"]
        if any(name in task for name in _PYTHON):
            named = [name for name in _MACHINES if name in task]
            if not named:
                raise ApiError(f"An environment is required for serverless task {key}")
            if len(named) > 1:
                raise ApiError(f"Only one of {', '.join(named)} can be specified for task {key}.")
        if task.get("libraries") and "environment_key" in task:
            raise ApiError(
                f"Libraries field is not supported for serverless task {key}, please specify libraries in environment."
            )
        if task.get("environment_key", next(iter(environments), None)) not in environments | {None}:
            raise ApiError(f"The environment_key '{task['environment_key']}' of task {key} is not defined.")
        if task.get("job_cluster_key", next(iter(clusters), None)) not in clusters | {None}:
            raise ApiError(f"The job_cluster_key '{task['job_cluster_key']}' of task {key} is not defined.")
        if "new_cluster" in task and not task["new_cluster"].get("spark_version"):
            raise ApiError(f"Missing required field: new_cluster.spark_version of task {key}")
