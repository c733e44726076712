"""The table of environments, and what a process reads of it."""

from dataclasses import fields

import pytest

from healthcare_assets.compute import JobCluster, WarmCluster
from healthcare_assets.environments import ENVIRONMENTS, Environment, Workspace, environment_from, settings_from
from healthcare_assets.errors import SettingsError

IN_A_WORKSPACE = [environment for environment in ENVIRONMENTS.values() if environment.workspace is not None]


def _workspace(name: str) -> Workspace:
    workspace = ENVIRONMENTS[name].workspace
    assert workspace is not None
    return workspace


def test_the_environments_are_those_of_the_contract() -> None:
    assert list(ENVIRONMENTS) == ["local", "dev", "staging", "prod"]
    assert ENVIRONMENTS["local"].workspace is None


@pytest.mark.parametrize("of", ["catalog", "volume_path", "secret_scope", "service_principal", "cost_centre"])
def test_no_two_environments_share_what_keeps_them_apart(of: str) -> None:
    values = [getattr(_workspace(environment.name), of) for environment in IN_A_WORKSPACE]
    assert len(set(values)) == len(values) == 3


def test_no_two_environments_share_a_model_or_an_experiment() -> None:
    assert len({environment.registered_model for environment in ENVIRONMENTS.values()}) == len(ENVIRONMENTS)
    assert len({environment.experiment_root for environment in ENVIRONMENTS.values()}) == len(ENVIRONMENTS)


@pytest.mark.parametrize("environment", IN_A_WORKSPACE, ids=lambda environment: environment.name)
def test_every_cluster_ends_by_itself(environment: Environment) -> None:
    for compute in _workspace(environment.name).compute.values():
        if isinstance(compute, WarmCluster):
            assert 0 < compute.idle_minutes <= 30


def test_development_runs_on_one_spot_machine_and_the_others_grow_with_the_work() -> None:
    for environment in IN_A_WORKSPACE:
        for compute in _workspace(environment.name).compute.values():
            assert isinstance(compute, JobCluster | WarmCluster)
            if environment.name == "dev":
                assert compute.shape.single_node
                assert compute.shape.spot
            else:
                assert 0 < compute.shape.min_workers < compute.shape.max_workers


def test_the_table_holds_no_secret() -> None:
    names = {field.name for field in fields(Workspace)}
    assert not {name for name in names if "token" in name or "password" in name or name.endswith("secret")}


def test_a_catalog_of_ones_own_takes_the_place_of_the_tables() -> None:
    environment = environment_from({"HEALTHCARE_ENV": "dev", "HEALTHCARE_CATALOG": "sandbox_of_ada"})
    assert environment.schema == "sandbox_of_ada.insurance"
    assert environment.registered_model == "sandbox_of_ada.insurance.health_insurance_cost"
    assert environment.workspace is not None
    assert environment.workspace.volume_path == "/Volumes/sandbox_of_ada/insurance/steps"


def test_a_volume_of_ones_own_is_a_path() -> None:
    environment = environment_from({"HEALTHCARE_ENV": "dev", "HEALTHCARE_VOLUME": "/Volumes/shared/landing/steps"})
    assert environment.workspace is not None
    assert environment.workspace.volume_path == "/Volumes/shared/landing/steps"
    assert environment.workspace.catalog == "healthcare_dev"


def test_nobody_works_in_another_environments_catalog_by_mistake() -> None:
    with pytest.raises(SettingsError, match="which is the catalog of prod: name one of dev, or unset it"):
        environment_from({"HEALTHCARE_ENV": "dev", "HEALTHCARE_CATALOG": "healthcare_prod"})


def test_an_environment_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(SettingsError, match="HEALTHCARE_ENV is 'production': set it to one of local, dev, staging, pr"):
        settings_from({"HEALTHCARE_ENV": "production"})


def test_the_engine_is_spark_in_a_workspace_and_polars_here() -> None:
    assert settings_from({}).engine == "polars"
    assert settings_from({"HEALTHCARE_ENV": "dev"}).engine == "spark"
    assert settings_from({"HEALTHCARE_ENV": "dev", "HEALTHCARE_ENGINE": "polars"}).engine == "polars"


def test_the_capacity_of_the_care_team_is_a_setting() -> None:
    assert settings_from({}).care_capacity is None
    assert settings_from({"HEALTHCARE_CARE_CAPACITY": " 120 "}).care_capacity == 120


@pytest.mark.parametrize("text", ["0", "-5", "+5", "1.5", "many", "1e3", "1_000", "٥", "9999999999", "1 000"])
def test_a_capacity_that_is_no_number_of_patients_is_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match="set it to how many patients the care team can call a day, a whole number"):
        settings_from({"HEALTHCARE_CARE_CAPACITY": text})
