"""What is checked, and what is told when it fails."""

from collections.abc import Iterable

import dagster as dg

from healthcare_assets.defs.sensors.evaluations import Watched, watched_in
from healthcare_assets.domain.monitoring.alerting import subject
from healthcare_assets.domain.monitoring.messages import RUN
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.documents.pages import anchor, page, table
from healthcare_assets_tests.faults.runbook import sections


def checks() -> str:
    rows = sorted(
        (spec.asset_key.to_user_string(), f"`{spec.name}`", spec.description or "", _consequence(spec))
        for spec in _specs(_repository())
    )
    return page(
        "Checks",
        "What is checked of each asset. Every check that fails is told once to whom `HEALTHCARE_ALERT_URLS` names, and "
        "once more when it is well again; so is every job that fails. What to do then: [alerts](alerts.md).",
        table(("asset", "check", "what it says", "when it fails"), rows),
    )


def alerts() -> str:
    """Each check and each job whose failure is told, with its section of the runbook."""
    repository = _repository()
    watched = watched_in(repository)
    to_do = {told: _link(heading) for heading, section in sections().items() for told in section.subjects}
    of_checks = sorted(
        (
            spec.asset_key.to_user_string(),
            f"`{spec.name}`",
            "yes" if spec.blocking else "no",
            spec.description or "",
            to_do[subject(spec.asset_key.to_user_string(), spec.name)],
        )
        for spec in _specs(repository)
        if spec.key in watched.checks
    )
    return page(
        "Alerts",
        "What can be told to whom `HEALTHCARE_ALERT_URLS` names. It is told once when it fails, and once more when it "
        f"is well again; more than {POLICY.alerts.messages_at_once} at once come as one message. An alert's title "
        "begins with the environment and the name, as in `[prod] drift_report: feature_drift failed for 2026-01-05`. "
        "How to have alerts delivered: [monitoring.md](../monitoring.md).",
        "## Checks\n\nA check that blocks lets nothing be made of the asset until it passes.\n\n"
        + table(("asset", "check", "blocks what follows", "what it says", "what to do"), of_checks)
        + "\n## Jobs\n\nA job's alert has the sentence of the step that failed. A run that a check stopped is told by "
        "the check alone, and assets that somebody materialises by hand are no job.\n\n"
        + table(("job", "alert", "what it does", "what to do"), _of_jobs(repository, watched, to_do)),
    )


def _of_jobs(
    repository: dg.RepositoryDefinition, watched: Watched, to_do: dict[str, str]
) -> Iterable[tuple[str, str, str, str]]:
    for job in watched.jobs:
        told = subject(job, RUN)
        yield job, f"`{told}`", repository.get_job(job).description or "", to_do[told]


def _specs(repository: dg.RepositoryDefinition) -> list[dg.AssetCheckSpec]:
    graph = repository.asset_graph
    return [graph.get_check_spec(key) for key in graph.asset_check_keys]


def _repository() -> dg.RepositoryDefinition:
    from healthcare_assets.definitions import defs

    return defs().get_repository_def()


def _consequence(spec: dg.AssetCheckSpec) -> str:
    return "stops what follows" if spec.blocking else "asks for attention"


def _link(heading: str) -> str:
    return f"[runbook](../runbook.md#{anchor(heading)})"
