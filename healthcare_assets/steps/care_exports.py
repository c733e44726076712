"""Where the care team's files are: what makes them, and what has to be done to all that has a row a patient."""

from healthcare_assets.domain.care import CARE_MANAGEMENT
from healthcare_assets.domain.site.care import CARE_FILE
from healthcare_assets.resources.exports import Exports
from healthcare_assets.steps.runtime import Runtime


def exports_of(runtime: Runtime) -> Exports:
    """The files that the care team was handed."""
    return Exports(runtime.settings.exports_root, CARE_MANAGEMENT.name)


def delete_page(runtime: Runtime) -> None:
    """The page of the site that names the patients of the list; `make report` writes it anew."""
    (runtime.settings.reports_root / CARE_FILE).unlink(missing_ok=True)
