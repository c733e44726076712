"""`make run`: the whole graph, from the source to a governed prediction, and a short account of it.

It drives Dagster's own jobs in this process and recorded in Dagster's own storage, so that the UI shows these runs too.
There are no options: the variables of the contract say where from, where to and on which engine.
"""

import os
import sys
import warnings

from rich.console import Console
from rich.markup import escape

from healthcare_assets.dagster_home import prepare, telling_of_storage
from healthcare_assets.environments import settings_from
from healthcare_assets.errors import HealthcareError

_FILE_WIDTH = 240


def main() -> int:
    """Run and report; 0 when every day has its predictions."""
    # Off a terminal there is no width to fit into, and a file that is read later wants whole paths.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _FILE_WIDTH)
    try:
        settings = settings_from()
        os.environ.setdefault("DAGSTER_HOME", str(settings.dagster_home))
        # Preview features of Dagster are named where they are used; their notice is not for who runs the graph.
        warnings.filterwarnings("ignore", category=Warning, module=r"dagster\b")
        with telling_of_storage(settings):
            prepare(settings)

            from healthcare_assets.walkthrough import Walkthrough

            return 0 if Walkthrough(settings, console).run() else 1
    except HealthcareError as error:
        console.print(f"[red]{escape(str(error))}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. Every table is as its last finished step left it; run again to go on.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
