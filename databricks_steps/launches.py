"""What is on its way in the workspace, noted in the tags of the Dagster run: a retry finds it there, whoever died.

The note is made before the submission, and again with the run's id after it. A run that was submitted and never noted
with its id is found by its idempotency token.
"""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

import dagster as dg

from databricks_steps.order import Order

Context = dg.AssetExecutionContext | dg.OpExecutionContext

_TAG = "healthcare/launched."


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A step that was submitted, or is about to be."""

    folder: str
    """Where its context and messages lie in the volume."""
    token: str
    """Of the submission: the workspace starts one run a token."""
    content: str
    """Digest of what was ordered: step, day, code, settings."""
    run_id: int | None = None
    """The Databricks run, when it is known."""

    @property
    def context_file(self) -> str:
        return f"{self.folder}/context.json"

    @property
    def messages(self) -> str:
        return f"{self.folder}/messages"


def new_launch(context: Context, order: Order, *, volume: str, wheel: str) -> Launch:
    """The launch of this attempt: the same run, step and attempt always give the same token."""
    name = f"{context.run.run_id}.{order.step}.{context.retry_number}"
    ordered: dict[str, Any] = {
        **order.as_json(),
        "wheel": wheel,
        "now": "",
        "run_id": "",
        "mlflow_run_id": "",
        "who": "",
    }
    return Launch(
        folder=f"{launches_folder(volume)}/{name}",
        token=_digest(f"{order.environment}.{name}"),
        content=_digest(json.dumps(ordered, sort_keys=True)),
    )


def launches_folder(volume: str) -> str:
    """Where the folders of all launches lie."""
    return f"{volume}/launches"


def note(context: Context, step: str, launch: Launch) -> None:
    """Note the launch on the Dagster run."""
    context.instance.add_run_tags(context.run.run_id, {f"{_TAG}{step}": json.dumps(asdict(launch))})


def noted(context: Context, step: str) -> Launch | None:
    """What was launched last for the step: by an earlier attempt of this run, or by the run that this one retries."""
    run_id: str | None = context.run.run_id
    while run_id is not None:
        run = context.instance.get_run_by_id(run_id)
        if run is None:
            return None
        if found := run.tags.get(f"{_TAG}{step}"):
            return Launch(**json.loads(found))
        run_id = run.parent_run_id or run.tags.get("dagster/parent_run_id")
    return None


def started(launch: Launch, run_id: int) -> Launch:
    """The launch with its run's id."""
    return replace(launch, run_id=run_id)


def _digest(text: str) -> str:
    # 64 characters, the most that the Jobs API takes.
    return sha256(text.encode()).hexdigest()
