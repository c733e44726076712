import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import POPULATION_HEALTH_TEAM, blocking_checks, table_spec
from healthcare_assets.domain.population.tables import POPULATION_HEALTH


@dg.multi_asset(
    specs=[
        table_spec(
            POPULATION_HEALTH,
            group="insight",
            owner=POPULATION_HEALTH_TEAM,
            deps=["silver_patients", "predictions", "observed_outcomes"],
        )
    ],
    check_specs=blocking_checks(
        POPULATION_HEALTH.name,
        {
            "schema_matches_contract": "Columns, types and required values are those declared.",
            "no_small_cell_published": "No figure tells of 1 to 10 persons, nor can one be worked out: else hand out "
            "nothing.",
        },
    ),
)
def population_health(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "population")
