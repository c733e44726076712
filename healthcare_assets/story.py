"""What the monitoring of a run saw and what came of it, a line a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from rich.markup import escape

from healthcare_assets.steps.runtime import Runtime

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class WatchedDay:
    """A day, as its monitoring left it."""

    day: date
    failed: Sequence[str]
    """Names of the checks that ask for attention."""
    scored_by: str | None
    """The model version that was champion when the day was scored."""
    cause: str | None = None
    """Why a training was asked for; None when none was."""
    champion_since: str | None = None
    """The champion after that training."""


def print_story(runtime: Runtime, days: Sequence[WatchedDay], console: "Console") -> None:
    """Quiet days, days that asked for attention, trainings that were asked for, and where the reports lie."""
    console.print("\n[bold]Monitoring[/bold]")
    for watched in days:
        model = f"version {watched.scored_by}" if watched.scored_by else "no champion"
        seen = "quiet" if not watched.failed else f"[red]{escape(', '.join(watched.failed))}[/red]"
        console.print(f"  {watched.day}  {model:<12}  {seen}")
        if watched.cause is None:
            continue
        console.print(f"              {'':<12}  retraining: {escape(watched.cause)}")
        promoted = watched.champion_since != watched.scored_by
        came = f"version {watched.champion_since} is promoted" if promoted else "the challenger is refused"
        console.print(f"              {'':<12}  [{'green' if promoted else 'yellow'}]{came}[/]")
    console.print(f"  reports: {escape(str(runtime.settings.reports_root))}")
