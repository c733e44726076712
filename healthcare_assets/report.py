"""`make report`: the site that people open, written from the tables as they are now."""

import sys
from datetime import UTC, datetime

from healthcare_assets.environments import settings_from
from healthcare_assets.errors import HealthcareError
from healthcare_assets.steps.runtime import Runtime
from healthcare_assets.steps.site import write_site


def main() -> int:
    """Write the site and say where it begins."""
    try:
        settings = settings_from()
        runtime = Runtime(settings=settings, now=datetime.now(UTC), run_id="", log=print, code_version="")
        print(f"The site begins at {write_site(runtime)}")  # noqa: T201
    except HealthcareError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
