"""The pages of the site that tell of months: what the newest one says, beside the one before."""

from datetime import date
from typing import Any

from healthcare_assets.domain.columns import Table
from healthcare_assets.domain.month import month_before
from healthcare_assets.domain.population.health import no_small_cell_published
from healthcare_assets.domain.population.tables import POPULATION_HEALTH
from healthcare_assets.domain.pricing.checks import relativities_allowed
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.site.population import population_page
from healthcare_assets.domain.site.pricing import pricing_page
from healthcare_assets.resources.rating import rating_law_of
from healthcare_assets.steps.months import everybody, rows_of_month
from healthcare_assets.steps.runtime import Runtime

Rows = list[dict[str, Any]]


def pricing(runtime: Runtime) -> str:
    """The page of the newest month of `pricing_factors`, held against the law that the settings name now."""
    month = max(runtime.lakehouse.days(PRICING_FACTORS), default=None)
    rows, before = _newest(runtime, PRICING_FACTORS, month)
    settings = runtime.settings
    check = None
    if rows:
        law = rating_law_of(settings.rating_state, settings.age_curve, rules=runtime.policy.pricing)
        check = relativities_allowed(rows, law=law)
    return pricing_page(month=month, rows=rows, before=before, check=check, made_at=runtime.now)


def population(runtime: Runtime) -> str:
    """The page of the newest month of `population_health`, examined as its check examines it."""
    month = max(runtime.lakehouse.days(POPULATION_HEALTH), default=None)
    rows, before = _newest(runtime, POPULATION_HEALTH, month)
    return population_page(
        month=month,
        rows=rows,
        over_months=everybody(runtime, upto=month) if month else [],
        check=no_small_cell_published(rows, before=before) if rows else None,
        made_at=runtime.now,
    )


def _newest(runtime: Runtime, table: Table, month: date | None) -> tuple[Rows, Rows]:
    """The rows of the month and of the one before it."""
    if month is None:
        return [], []
    return rows_of_month(runtime, table, month), rows_of_month(runtime, table, month_before(month))
