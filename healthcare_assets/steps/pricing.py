"""`silver_patients` and `observed_outcomes` of a month → `pricing_factors`."""

from dataclasses import asdict
from datetime import date

import pyarrow as pa

from healthcare_assets.domain import checks
from healthcare_assets.domain.pricing.checks import relativities_allowed, summary
from healthcare_assets.domain.pricing.credibility import book
from healthcare_assets.domain.pricing.experience import Experience, experience, summed
from healthcare_assets.domain.pricing.factors import pricing_factors
from healthcare_assets.domain.pricing.tables import PRICING_FACTORS
from healthcare_assets.domain.small_cells import counted
from healthcare_assets.domain.tables import REGIONS, SILVER_PATIENTS
from healthcare_assets.resources.arrow_types import arrow_schema
from healthcare_assets.resources.rating import rating_law_of
from healthcare_assets.steps.months import of_month, patients_with_cost
from healthcare_assets.steps.report import AssetReport, Markdown, StepReport
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
    held = sorted(lakehouse.collect(written).to_pylist(), key=_in_order)
    patients, members = int(found.patients.sum()), int(found.members.sum())
    return (
        AssetReport(
            asset=PRICING_FACTORS.name,
            location=lakehouse.location(PRICING_FACTORS),
            rows=rows,
            metadata={
                "factors": Markdown(summary(held)),
                "age_curve": f"{law.curve.name}: {law.curve.version}",
                "state": law.state or "federal default",
                "patients": counted(patients),
                "patients_with_known_cost": counted(members),
                "patients_without_known_cost": counted(patients - members),
                "members_for_full_credibility": str(round(book(found, rules=rules).full_credibility))
                if members > 1 and book(found, rules=rules).mean
                else "not known",
            },
            checks=(
                checks.schema(PRICING_FACTORS, written, nulls),
                relativities_allowed(held, law=law),
            ),
        ),
    )


def _experience(runtime: Runtime, month: date) -> Experience:
    """The month's cells, summed up a range of patients at a time."""
    lakehouse = runtime.lakehouse
    ranges = ranges_of(lakehouse, of_month(runtime, SILVER_PATIENTS, month))
    cells = [lakehouse.collect(summed(patients_with_cost(runtime, month, keys))) for keys in ranges]
    return experience(pa.concat_tables(cells).to_pandas())


def _in_order(row: dict[str, object]) -> tuple[bool, str, str]:
    """The whole book first."""
    return row["dimension"] != "all", str(row["dimension"]), str(row["level"])
