"""`make audit-verify`: whether the audit trail is whole, and whether the tables are as it says, on this machine."""

import sys
from datetime import UTC, datetime

from healthcare_assets.environments import settings_from
from healthcare_assets.errors import HealthcareError, SettingsError
from healthcare_assets.steps.audit import examine
from healthcare_assets.steps.runtime import Runtime


def main() -> int:
    """Verify and tell; 0 when nothing is wrong."""
    try:
        settings = settings_from()
        if settings.environment.workspace is not None:
            raise SettingsError(
                f"HEALTHCARE_ENV is {settings.environment.name}, whose tables this machine does not read: materialize "
                "the asset audit_trail, which verifies the trail there."
            )
        runtime = Runtime(settings=settings, now=datetime.now(UTC), run_id="", log=print, code_version="")
        found, unrecorded = examine(runtime)
    except HealthcareError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    faults = [*found.faults, *unrecorded]
    for fault in faults:
        print(f"- {fault}")  # noqa: T201
    print(f"{found.entries} entries verified through {found.head}: {len(faults) or 'no'} faults found.")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
