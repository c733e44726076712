"""The workflow that deploys: what goes where, as whom, and that it holds no secret."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from healthcare_assets.environments import ENVIRONMENTS

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
Json = dict[str, Any]


def _workflow(name: str) -> Json:
    # The key `on` is a boolean to YAML 1.1, which PyYAML speaks.
    content: Json = {str(k): v for k, v in yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8")).items()}
    return content


def _job(name: str) -> Json:
    job: Json = _workflow("deploy.yml")["jobs"][name]
    return job


def _commands(job: Json) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_main_goes_to_staging_and_a_published_release_to_prod() -> None:
    assert _workflow("deploy.yml")["True"] == {"push": {"branches": ["main"]}, "release": {"types": ["published"]}}
    assert _job("staging")["if"] == "github.event_name == 'push'"
    assert _job("prod")["if"] == "github.event_name == 'release'"


@pytest.mark.parametrize("target", ["staging", "prod"])
def test_nothing_is_deployed_that_is_not_checked_and_valid(target: str) -> None:
    job = _job(target)
    assert set(job["needs"]) == {"check", "validate"}
    assert job["environment"] == target
    assert job["concurrency"] == {"group": f"deploy-{target}", "cancel-in-progress": False}
    assert f"databricks bundle deploy -t {target}" in _commands(job)
    assert f"databricks workspace mkdirs {ENVIRONMENTS[target].experiment_root}" in _commands(job)
    workspace = ENVIRONMENTS[target].workspace
    assert workspace is not None
    assert f"BUNDLE_VAR_{workspace.service_principal}" in job["env"]


def test_the_check_is_the_one_of_a_pull_request() -> None:
    assert _job("check") == {"uses": "./.github/workflows/ci.yml"}
    assert set(_workflow("ci.yml")["True"]) == {"pull_request", "workflow_call"}
    assert _commands(_workflow("ci.yml")["jobs"]["check"]) == ["make lint", "make test"]


def test_every_target_is_validated_strictly() -> None:
    job = _job("validate")
    assert job["strategy"]["matrix"]["target"] == [e.name for e in ENVIRONMENTS.values() if e.workspace is not None]
    assert all(command.startswith("databricks bundle validate --strict -t") for command in _commands(job))
    assert [step.get("working-directory") for step in job["steps"] if "run" in step] == [
        "databricks_steps",
        "databricks_steps/serving",
    ]


@pytest.mark.parametrize("name", ["validate", "staging", "prod"])
def test_the_workflow_logs_in_without_a_secret(name: str) -> None:
    assert _workflow("deploy.yml")["env"]["DATABRICKS_AUTH_TYPE"] == "github-oidc"
    job = _job(name)
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    assert job["env"]["DATABRICKS_CLIENT_ID"] == "${{ vars.DATABRICKS_CLIENT_ID }}"
    assert job["env"]["DATABRICKS_HOST"] == "${{ vars.DATABRICKS_HOST }}"


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_no_secret_and_no_floating_action_is_in_a_workflow(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|https?://|DATABRICKS_TOKEN|client_secret", text, re.IGNORECASE)
    for action in re.findall(r"uses: (\S+)", text):
        assert action.startswith("./") or re.search(r"@(v\d+(\.\d+\.\d+)?|[0-9a-f]{40})$", action), action
    assert _workflow(path.name)["permissions"] == {"contents": "read"}
