"""The rollback as an operator runs it: a Dagster job."""

from pathlib import Path

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets.resources.training_run import Lineage
from healthcare_assets_tests.runtimes import runtime_at
from healthcare_assets_tests.training_populations import trained_on_made_up_patients

_ASKED = {"ops": {"roll_back": {"config": {"who": "Grace Hopper", "why": "complaints"}}}}


@pytest.fixture
def two_champions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry in which version 2 replaced version 1."""
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    for variable in ("HEALTHCARE_SOURCE", "HEALTHCARE_ENV", "HEALTHCARE_ENGINE"):
        monkeypatch.delenv(variable, raising=False)
    registry = runtime_at(tmp_path).registry
    lineage = Lineage(data_versions={"risk_features": "1"}, code_version="test", dagster_run_id="test")
    champion = None
    for _ in range(2):
        version = registry.register(trained_on_made_up_patients(), lineage=lineage)
        registry.promote(version, instead_of=champion)
        champion = version
    return tmp_path


def test_the_job_puts_the_previous_champion_back_and_shows_it(two_champions: Path) -> None:
    job = defs().resolve_job_def("rollback_champion")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(run_config=_ASKED, instance=instance).success
        shown = instance.get_latest_materialization_event(dg.AssetKey("champion_history"))
        assert shown is not None
        assert shown.asset_materialization is not None
        metadata = {name: entry.value for name, entry in shown.asset_materialization.metadata.items()}
        assert (
            metadata.items() >= {"champion": "1", "replaced": "2", "who": "Grace Hopper", "why": "complaints"}.items()
        )
        again = job.execute_in_process(run_config=_ASKED, instance=instance, raise_on_error=False)
        [failure] = [event for event in again.all_events if event.is_step_failure]
        said = failure.step_failure_data.user_failure_data
        assert said is not None
        assert said.description == "No previous yet: a second model has to become champion first."
    registry = runtime_at(two_champions).registry
    assert registry.required_version("champion").version == "1"
    assert registry.tags(registry.required_version("challenger"))["compliance_status"] == "rolled back"


def test_nobody_rolls_back_without_a_name_and_a_reason() -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="Missing required config entr"):
        defs().resolve_job_def("rollback_champion").execute_in_process(run_config={})
