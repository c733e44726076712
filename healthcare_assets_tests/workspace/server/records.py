"""Runs and their tasks, and what the Jobs API says of them."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_NEW_STATES = {"TERMINATED": "TERMINATED", "SKIPPED": "TERMINATED", "INTERNAL_ERROR": "TERMINATED"}
_CODES = {"SUCCESS": "SUCCESS", "CANCELED": "USER_CANCELED", "SUCCESS_WITH_FAILURES": "SUCCESS_WITH_FAILURES"}


class ApiError(Exception):
    """A request that the workspace refuses, in the words of Databricks."""

    def __init__(self, message: str, *, code: str = "INVALID_PARAMETER_VALUE", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status


def now() -> int:
    """Milliseconds, as the API counts."""
    return int(time.time() * 1000)


@dataclass
class State:
    """Where a run or a task stands."""

    life_cycle: str = "PENDING"
    result: str | None = None
    message: str = ""
    code: str | None = None
    start: int = field(default_factory=now)
    end: int | None = None

    @property
    def ended(self) -> bool:
        return self.life_cycle in ENDED

    def finish(
        self, result: str, message: str = "", *, life_cycle: str = "TERMINATED", code: str | None = None
    ) -> None:
        self.life_cycle, self.result, self.message, self.end = life_cycle, result, message, now()
        self.code = code or _CODES.get(result, "RUN_EXECUTION_ERROR")

    def described(self) -> Json:
        """The old form of a state and the new one, as every answer has both."""
        status: Json = {"state": _NEW_STATES.get(self.life_cycle, self.life_cycle)}
        if self.ended:
            status["termination_details"] = {
                "code": self.code,
                "type": "SUCCESS" if self.result == "SUCCESS" else "CLIENT_ERROR",
                "message": self.message,
            }
        state: Json = {
            "life_cycle_state": self.life_cycle,
            "state_message": self.message,
            "user_cancelled_or_timedout": self.result in ("CANCELED", "TIMEDOUT"),
        }
        if self.result is not None:
            state["result_state"] = self.result
        times: Json = {"start_time": self.start, "end_time": self.end or 0}
        if self.end is not None:
            times["execution_duration"] = self.end - self.start
        return {"state": state, "status": status, **times}


@dataclass
class Attempt:
    """A task of a run, tried once. `output` is what runs/get-output adds to it once it has ended."""

    run_id: int
    spec: Json
    number: int = 0
    state: State = field(default_factory=State)
    pid: int | None = None
    exit_code: int | None = None
    argv: list[str] = field(default_factory=list)
    output: Json = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> str:
        return str(self.spec["task_key"])

    def described(self) -> Json:
        return {
            **self.spec,
            "run_id": self.run_id,
            "attempt_number": self.number,
            **self.state.described(),
        }


@dataclass
class Run:
    """A run of a workspace, submitted or of a job."""

    run_id: int
    name: str
    tasks: list[Json]
    token: str | None = None
    job_id: int | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Json] = field(default_factory=dict)
    job_clusters: dict[str, Json] = field(default_factory=dict)
    timeout: float = 0
    state: State = field(default_factory=State)
    attempts: list[Attempt] = field(default_factory=list)
    stop_as: str | None = None
    """CANCELED or TIMEDOUT, once somebody wants it stopped."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    queued_behind: list["Run"] = field(default_factory=list)
    at_most: int = 1
    """How many of those before it and itself may go on at a time."""
    lost: bool = False
    started_clusters: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of each job cluster of this run that was started: the wheels on it, path → content."""

    def stop_it(self, result: str) -> None:
        if not self.state.ended and self.stop_as is None:
            self.stop_as = result
            self.state.life_cycle = "TERMINATING"
            self.stop.set()

    def latest(self) -> list[Attempt]:
        """The newest attempt of each task, in the order of the tasks."""
        newest = {attempt.key: attempt for attempt in self.attempts}
        return [newest[task["task_key"]] for task in self.tasks if task["task_key"] in newest]

    def described(self, host: str) -> Json:
        job = self.job_id or 0
        return {
            "run_id": self.run_id,
            "job_id": job,
            "run_name": self.name,
            "run_type": "JOB_RUN" if self.job_id else "SUBMIT_RUN",
            "creator_user_name": "minilake-user",
            "format": "MULTI_TASK",
            "run_page_url": f"{host}/?o=1#job/{job}/run/{self.run_id}",
            "tasks": [attempt.described() for attempt in self.latest()],
            "job_parameters": [{"name": name, "value": value} for name, value in self.parameters.items()],
            **self.state.described(),
        }

    def reported(self) -> Json:
        """What tests are told, beyond what the API says."""
        return {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "name": self.name,
            "token": self.token,
            "life_cycle": self.state.life_cycle,
            "result": self.state.result,
            "message": self.state.message,
            "tasks": [
                {
                    "key": attempt.key,
                    "run_id": attempt.run_id,
                    "attempt": attempt.number,
                    "life_cycle": attempt.state.life_cycle,
                    "result": attempt.state.result,
                    "message": attempt.state.message,
                    "pid": attempt.pid,
                    "exit_code": attempt.exit_code,
                    "argv": attempt.argv,
                }
                for attempt in self.attempts
            ],
        }
