"""The other end of `forking.py`: starts the process that forks, gives it orders and takes its answers."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any

from healthcare_assets_tests.killing import forking
from healthcare_assets_tests.killing.forking import Order


class Warm:
    """A process that is ready to run jobs, for as long as the block lasts."""

    def __enter__(self) -> "Warm":
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HEALTHCARE_", "DAGSTER_"))}
        quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DAGSTER_DISABLE_TELEMETRY": "yes"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", forking.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**clean, **quiet},
        )
        self._answer()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        # Its end of input is its end; what it forked has ended before it answered.
        self._process.communicate()

    def done(self, order: Order) -> dict[str, Any]:
        """What came of the order. RuntimeError when the process that forks has died itself."""
        if self._process.stdin is None:
            raise RuntimeError("The process that forks was started without a pipe.")
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"The process that forks has ended with {self._process.wait()}: see its standard error.")
        answer: dict[str, Any] = json.loads(line)
        return answer
