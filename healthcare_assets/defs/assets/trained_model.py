import dagster as dg

from databricks_steps.launcher import Results, StepLauncher
from healthcare_assets.defs.table_assets import DATA_SCIENCE, table_spec
from healthcare_assets.defs.tags import tags_of
from healthcare_assets.domain.tables import TRAINING_PATIENTS
from healthcare_assets.steps.catalogue import code_version

TRAINED_FROM = ["risk_features", "silver_patients", "observed_outcomes"]


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "trained_model",
            description="The best of the candidates by its out-of-fold skill, trained on the patients whose "
            "charges are known, or on a sample of very many; registered in MLflow as the challenger.",
            deps=TRAINED_FROM,
            group_name="model",
            owners=[DATA_SCIENCE],
            tags=tags_of("trained_model"),
            kinds={"mlflow", "scikitlearn"},
            code_version=code_version("training"),
        ),
        table_spec(TRAINING_PATIENTS, group="model", owner=DATA_SCIENCE, deps=TRAINED_FROM, partitioned=False),
    ],
)
def trained_model(context: dg.AssetExecutionContext, steps: dg.ResourceParam[StepLauncher]) -> Results:
    yield from steps.launch(context, "training")
