"""What a launcher orders and what the step reports, as JSON: the only things that travel between the two.

Neither side's machinery is imported here: the cluster knows no Dagster.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from healthcare_assets.steps.report import AssetReport, Link, Markdown, MetadataEntry

Json = dict[str, Any]

FORWARDED = (
    "HEALTHCARE_AGE_CURVE",
    "HEALTHCARE_CARE_CAPACITY",
    "HEALTHCARE_CATALOG",
    "HEALTHCARE_ENGINE",
    "HEALTHCARE_FIRST_DAY",
    "HEALTHCARE_OUTCOMES",
    "HEALTHCARE_RATING_STATE",
    "HEALTHCARE_SOURCE",
    "HEALTHCARE_SOURCE_COLUMNS",
    "HEALTHCARE_VOLUME",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_TRACKING_URI",
)
"""The settings that a step gets from who orders it. None of them is a secret."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A step to run, or an operation that a person asks for."""

    step: str
    """The step, or the operation."""
    environment: str
    now: datetime
    """When it was ordered (UTC): the only clock that the step sees."""
    run_id: str
    """Of the Dagster run, or of the Databricks run where there is no Dagster."""
    code_version: str
    day: date | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of `FORWARDED`."""
    mlflow_run_id: str | None = None
    """The MLflow run that the step continues; None: it opens one."""
    who: str = ""
    """Who or what asked for it: a person, a schedule, a sensor, a job."""
    why: str = ""
    """Of an operation: what goes on record."""

    def as_json(self) -> Json:
        day = None if self.day is None else self.day.isoformat()
        return {**asdict(self), "settings": dict(self.settings), "now": self.now.isoformat(), "day": day}

    @classmethod
    def from_json(cls, fields: Json) -> "Order":
        day = fields["day"]
        return cls(
            **{
                **fields,
                "now": datetime.fromisoformat(fields["now"]),
                "day": None if day is None else date.fromisoformat(day),
            }
        )


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a step ended badly."""

    said: str
    """A sentence for the user, or kinds and places of an error that nobody foresaw."""
    foreseen: bool
    """The sentence was written for the user: to try again changes nothing."""


def message_of(outcome: AssetReport | Fault) -> Json:
    """The message that carries it."""
    if isinstance(outcome, Fault):
        return {"fault": asdict(outcome)}
    metadata = {name: _entry_json(entry) for name, entry in outcome.metadata.items()}
    return {"report": {**asdict(outcome), "metadata": metadata, "checks": [asdict(check) for check in outcome.checks]}}


def outcome_from(message: Json) -> AssetReport | Fault:
    """What `message_of` was given."""
    if "fault" in message:
        return Fault(**message["fault"])
    from healthcare_assets.domain.checks import CheckOutcome

    fields = message["report"]
    return AssetReport(
        **{
            **fields,
            "metadata": {name: _entry_from(entry) for name, entry in fields["metadata"].items()},
            "checks": tuple(CheckOutcome(**check) for check in fields["checks"]),
        }
    )


def _entry_json(entry: MetadataEntry) -> Any:  # noqa: ANN401 - a JSON value
    match entry:
        case Markdown(text):
            return {"markdown": text}
        case Link(url):
            return {"link": url}
        case _:
            return entry


def _entry_from(entry: Any) -> MetadataEntry:  # noqa: ANN401 - a JSON value
    match entry:
        case {"markdown": text}:
            return Markdown(text)
        case {"link": url}:
            return Link(url)
        case str() | int() | float() | bool():
            return entry
        case _:
            raise ValueError(f"{entry!r} is no metadata that a step reports.")
