"""Writes the bundle, `databricks.yml` and `resources/`, from the table of environments: no figure stands twice.

`python -m databricks_steps.bundle` writes the files anew; a test fails when they are not what the table says.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from databricks_steps.bundle_jobs import requirements_file
from databricks_steps.bundle_resources import DASHBOARD_FILE, holds_records, resources, serving_endpoint
from databricks_steps.clusters import PROJECT, Json, required_workspace
from databricks_steps.dashboard import dashboard
from databricks_steps.requirements import step_requirements
from healthcare_assets.environments import ENVIRONMENTS, Environment
from healthcare_assets.steps.catalogue import STEPS

FOLDER = Path(__file__).resolve().parent
SERVING = "serving"
"""Folder of the second bundle: the endpoint."""

_DIST = "databricks_steps/dist"
_MADE = "Made by `make bundle` from the table of environments: change that, not this."
_NOTES = {
    "databricks.yml": """
        The steps as Databricks' own jobs, and what they work on. How to deploy it: docs/deployment.md.

        The catalogs are there before: a catalog is where a company draws the line between those who may see patients'
        data and those who may not, and no deployment's to make or to drop. Nothing here holds a secret; the key of the
        pseudonyms is put in the scope by hand. Grants are the data steward's, and what is granted stays.

        No target has `mode: development`: it would put the user's name before each name, and the launcher and the steps
        find their cluster, schema, model and experiments by the names of the table. The dev target is one for all
        developers, with schedules paused; a catalog of one's own is `--var catalog=...`.

        Two resources have another owner. The monitor of the predictions is made by the step quality_monitor, which
        needs the table that it watches and adapts its baseline; a second definition here would undo that at each
        deployment. The serving endpoint is made by the step serving, the last of the training pipeline: it needs a
        version of the model, and changes with each new champion. Who wants to pin a version deploys serving/.
        """,
    "serving/databricks.yml": """
        The serving endpoint, pinned to a version. The step serving, in Dagster as in the training pipeline, owns the
        endpoint otherwise: it follows each new champion, waits until it is ready, and rolls back.

        A bundle of its own, for three reasons: an endpoint needs a version of the model, and there is none before the
        first training; the bundle beside it is deployed at each merge and would put the version of that day back behind
        the endpoint; and a resource that is left out of a later deployment is deleted. So this is deployed by hand,
        with the version said, and the next run of the step serving takes the endpoint over again.
        """,
}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - PyYAML's signature
        return True  # an anchor saves a line and costs the reader a search

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def bundle_files() -> Mapping[str, str]:
    """Every file of the two bundles as it has to be, by its path in this package."""
    targets = [environment for environment in ENVIRONMENTS.values() if environment.workspace is not None]
    files = {"databricks.yml": _yaml("databricks.yml", _root(targets))}
    for environment in targets:
        content = {"targets": {environment.name: {"resources": resources(environment)}}}
        files[f"resources/{environment.name}.yml"] = _yaml("", content)
    for step in STEPS:
        lines = [f"# What the step needs beside the wheel. {_MADE}", *step_requirements(step)]
        files[f"resources/{requirements_file(step)}"] = "\n".join(lines) + "\n"
    files[f"resources/{DASHBOARD_FILE}"] = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    files[f"{SERVING}/databricks.yml"] = _yaml("serving/databricks.yml", _serving(targets))
    return files


def main() -> None:
    """Write the files, and remove those that are no longer any."""
    files = bundle_files()
    for path in committed_files():
        if path not in files:
            (FOLDER / path).unlink()
    for path, text in files.items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


def committed_files() -> frozenset[str]:
    """The paths of the files of the bundles as they are."""
    resources = (path for path in (FOLDER / "resources").rglob("*") if path.is_file())
    found = (*FOLDER.glob("*.yml"), *(FOLDER / SERVING).glob("*.yml"), *resources)
    return frozenset(path.relative_to(FOLDER).as_posix() for path in found)


def _root(targets: list[Environment]) -> Json:
    return {
        "bundle": {"name": PROJECT, "engine": "direct"},
        "include": ["resources/*.yml"],
        # Of this folder a cluster needs the file that a task names and the lists of packages; the rest is in the wheel.
        "sync": {"exclude": ["*", "!run_step.py", "!resources/", "!resources/requirements/"]},
        "artifacts": {
            "wheel": {
                "type": "whl",
                "path": "..",
                "build": f"rm -rf {_DIST} && .venv/bin/python -m databricks_steps.wheel {_DIST}",
                "files": [{"source": "dist/*.whl"}],
            }
        },
        "variables": {
            "catalog": {"description": "The catalog, which exists already: HEALTHCARE_CATALOG of the steps."},
            "source": {"description": "Patient records: HEALTHCARE_SOURCE. Empty: synthetic ones.", "default": ""},
            "source_columns": {
                "description": "The file that says which columns are which: HEALTHCARE_SOURCE_COLUMNS.",
                "default": "",
            },
            "outcomes": {"description": "Costs as they become known: HEALTHCARE_OUTCOMES.", "default": ""},
            "first_day": {"description": "The first day, like 2026-01-01: HEALTHCARE_FIRST_DAY.", "default": ""},
            "care_capacity": {
                "description": "How many patients the care team can call a day: HEALTHCARE_CARE_CAPACITY.",
                "default": "",
            },
            "rating_state": {
                "description": "The state whose rating rules hold, like MA: HEALTHCARE_RATING_STATE. Empty: federal.",
                "default": "",
            },
            "age_curve": {
                "description": "The file with an age curve of the insurer's own: HEALTHCARE_AGE_CURVE.",
                "default": "",
            },
            "schedules": {
                "description": "UNPAUSED or PAUSED: whether the jobs run by the clock. PAUSED where Dagster does it."
            },
            **{_principal(target): _principal_variable(target) for target in targets},
        },
        "targets": {target.name: _target(target, targets) for target in targets},
    }


def _principal(environment: Environment) -> str:
    return required_workspace(environment).service_principal


def _principal_variable(environment: Environment) -> Json:
    said = f"Application id of the service principal that the jobs of {environment.name} run as."
    if holds_records(environment):
        return {"description": said}
    return {"description": f"{said} Unless given: who deploys.", "default": "${workspace.current_user.userName}"}


def _target(environment: Environment, targets: list[Environment]) -> Json:
    records = holds_records(environment)
    others = [other for other in targets if other.name != environment.name and holds_records(other)]
    return {
        **_place(environment, PROJECT),
        "variables": {
            "catalog": required_workspace(environment).catalog,
            "schedules": "UNPAUSED" if records else "PAUSED",
            # A variable without a value fails each target, also one that does not use it.
            **{_principal(other): "" for other in others},
        },
        **({"run_as": {"service_principal_name": _principal_reference(environment)}} if records else {}),
    }


def _place(environment: Environment, name: str) -> Json:
    """Where a deployment keeps its files and its state, and who may change it."""
    if not holds_records(environment):
        return {
            "default": True,
            "workspace": {"root_path": f"/Workspace/Shared/.bundle/{name}/{environment.name}"},
            "permissions": [{"level": "CAN_MANAGE", "group_name": "users"}],
        }
    principal = _principal_reference(environment)
    return {
        "mode": "production",
        "workspace": {"root_path": f"/Workspace/Users/{principal}/.bundle/{name}/{environment.name}"},
        "permissions": [{"level": "CAN_MANAGE", "service_principal_name": principal}],
    }


def _principal_reference(environment: Environment) -> str:
    return "${var." + _principal(environment) + "}"


def _serving(targets: list[Environment]) -> Json:
    return {
        "bundle": {"name": f"{PROJECT}-serving", "engine": "direct"},
        "variables": {
            "catalog": {"description": "The catalog of the model."},
            "version": {"description": "The version of the servable model to serve."},
            **{_principal(target): _principal_variable(target) for target in targets},
        },
        "targets": {
            target.name: {
                **_place(target, f"{PROJECT}-serving"),
                "variables": {
                    "catalog": required_workspace(target).catalog,
                    **{
                        _principal(other): "" for other in targets if other.name != target.name and holds_records(other)
                    },
                },
                "resources": {"model_serving_endpoints": {"champion": serving_endpoint(target)}},
            }
            for target in targets
        },
    }


def _yaml(name: str, content: Json) -> str:
    notes = [line.strip() for line in _NOTES.get(name, "").strip().splitlines()]
    comment = "\n".join(f"# {line}".rstrip() for line in [_MADE, *notes])
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return f"{comment}\n\n{body}"


if __name__ == "__main__":
    main()
