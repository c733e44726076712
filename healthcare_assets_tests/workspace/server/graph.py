"""Which tasks of a run wait for which, and what becomes of a run when theirs is known."""

from collections.abc import Iterable

from healthcare_assets_tests.workspace.server.records import Attempt, Json, Run

_FAILED = ("FAILED", "TIMEDOUT", "UPSTREAM_FAILED")


def dependencies(task: Json) -> list[str]:
    return [dependency["task_key"] for dependency in task.get("depends_on") or []]


def check_graph(tasks: Iterable[Json]) -> str | None:
    """What is wrong with the dependencies of the tasks."""
    waiting = {task["task_key"]: set(dependencies(task)) for task in tasks}
    for key, needed in waiting.items():
        for unknown in needed - waiting.keys():
            return f"Task '{key}' depends on the unknown task '{unknown}'."
    while waiting:
        ready = {key for key, needed in waiting.items() if not needed & waiting.keys()}
        if not ready:
            return f"The tasks {', '.join(sorted(waiting))} depend on each other."
        waiting = {key: needed for key, needed in waiting.items() if key not in ready}
    return None


def excluded(task: Json, upstream: list[Attempt]) -> str | None:
    """As what a task ends that need not run after these, None when it is to run."""
    results = [attempt.state.result for attempt in upstream]
    failed = [result for result in results if result in _FAILED]
    wanted = {
        "ALL_SUCCESS": all(result == "SUCCESS" for result in results),
        "ALL_DONE": True,
        "NONE_FAILED": not failed,
        "AT_LEAST_ONE_SUCCESS": "SUCCESS" in results,
        "AT_LEAST_ONE_FAILED": bool(failed),
        "ALL_FAILED": len(failed) == len(results),
    }
    if not results or wanted[task.get("run_if", "ALL_SUCCESS")]:
        return None
    if "CANCELED" in results or "UPSTREAM_CANCELED" in results:
        return "UPSTREAM_CANCELED"
    return "UPSTREAM_FAILED" if failed else "EXCLUDED"


def stopped(result: str) -> str:
    return "Run cancelled." if result == "CANCELED" else "Run timed out."


def conclude(run: Run) -> None:
    """A run is what its last tasks were."""
    latest = run.latest()
    if run.stop_as is not None:
        run.state.finish(run.stop_as, stopped(run.stop_as))
        return
    inner = {key for attempt in latest for key in dependencies(attempt.spec)}
    last = [attempt.state.result for attempt in latest if attempt.key not in inner]
    bad = next((attempt for attempt in latest if attempt.state.result in ("FAILED", "TIMEDOUT")), None)
    if all(result in ("SUCCESS", "EXCLUDED") for result in last):
        run.state.finish("SUCCESS_WITH_FAILURES" if bad else "SUCCESS")
    elif bad is not None and bad.state.result == "TIMEDOUT":
        run.state.finish("TIMEDOUT", f"Task {bad.key} timed out.")
    else:
        said = f"Task {bad.key} failed with message: {bad.state.message}." if bad else "Tasks were skipped."
        code = bad.state.code if bad else None
        run.state.finish("FAILED", f"{said} This caused all downstream tasks to get skipped.", code=code)
        run.state.life_cycle = "INTERNAL_ERROR"
