"""`silver_patients` and `observed_outcomes` of a month → `pricing_factors`."""

import math
from dataclasses import asdict
from datetime import date

import pyarrow as pa

from healthcare_assets.domain import checks
from healthcare_assets.domain.figures.figure import Figure
from healthcare_assets.domain.figures.pricing import Rows, cost_figures, in_order, relativity_figure, whole_book
from healthcare_assets.domain.month import month_before
from healthcare_assets.domain.pricing.checks import relativities_allowed, summary
from healthcare_assets.domain.pricing.credibility import book
from healthcare_assets.domain.pricing.experience import Experience, experience, summed
from healthcare_assets.domain.pricing.factors import pricing_factors
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.tables import REGIONS, SILVER_PATIENTS
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.rating import rating_law_of
from healthcare_assets.steps.months import of_month, patients_with_cost, rows_of_month
from healthcare_assets.steps.pictures import numbers, shown, told
from healthcare_assets.steps.report import AssetReport, Markdown, MetadataEntry, StepReport
from healthcare_assets.steps.runtime import Runtime, counts, ranges_of


def run(runtime: Runtime, month: date) -> StepReport:
    """`month` is the month's first day."""
    lakehouse, rules = runtime.lakehouse, runtime.policy.pricing
    law = rating_law_of(runtime.settings.rating_state, runtime.settings.age_curve, rules=rules)
    found = _experience(runtime, month)
    factors = pricing_factors(found, law=law, areas=REGIONS)
    columns = PRICING_FACTORS.content_columns
    batch = pa.RecordBatch.from_pylist([asdict(factor) for factor in factors], schema=arrow_schema(columns))
    rows = lakehouse.replace_day(PRICING_FACTORS, month, lakehouse.from_batches([batch], columns=columns))
    written = lakehouse.scan(PRICING_FACTORS, day=month)
    nulls = counts(lakehouse, checks.null_counts(PRICING_FACTORS, written))
    held = in_order(rows_of_month(runtime, PRICING_FACTORS, month))
    before = rows_of_month(runtime, PRICING_FACTORS, month_before(month))
    patients, members = int(found.patients.sum()), int(found.members.sum())
    needed = book(found, rules=rules).full_credibility
    return (
        AssetReport(
            asset=PRICING_FACTORS.name,
            location=lakehouse.location(PRICING_FACTORS),
            rows=rows,
            metadata={
                "factors": Markdown(summary(held)),
                **shown(_figures(held, before)),
                "age_curve": f"{law.curve.name}: {law.curve.version}",
                "state": law.state or "federal default",
                **_followed(held),
                # Beside the members alone: with all patients as well, a few without a known cost could be worked out.
                "patients_without_known_cost": told(patients - members),
                "members_for_full_credibility": round(needed) if math.isfinite(needed) else "not known",
            },
            checks=(
                checks.schema(PRICING_FACTORS, written, nulls),
                relativities_allowed(held, law=law),
            ),
        ),
    )


def _figures(held: Rows, before: Rows) -> dict[str, Figure]:
    found = {f"expected_cost_by_{name}": figure for name, figure in cost_figures(held, before=before).items()}
    curve = relativity_figure(held)
    return found | ({"relativity_by_age": curve} if curve else {})


def _followed(held: Rows) -> dict[str, MetadataEntry]:
    """Of the whole book, what can be followed from month to month."""
    whole = whole_book(held) or {}
    levels = {row["level"]: row["relativity"] for row in held if row["dimension"] == "tobacco"}
    return {
        **numbers(whole, ("members", "expected_cost", "expected_lower", "expected_upper", "observed_cost")),
        "tobacco_relativity": levels["yes"],
        "levels_withheld": sum(bool(row["suppressed"]) for row in held),
    }


def _experience(runtime: Runtime, month: date) -> Experience:
    """The month's cells, summed up a range of patients at a time."""
    lakehouse = runtime.lakehouse
    ranges = ranges_of(lakehouse, of_month(runtime, SILVER_PATIENTS, month))
    cells = [lakehouse.collect(summed(patients_with_cost(runtime, month, keys))) for keys in ranges]
    return experience(pa.concat_tables(cells).to_pandas())
