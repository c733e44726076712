"""The champion → the workspace's serving endpoint, where there is a Unity Catalog."""

import tempfile
from pathlib import Path

from healthcare_assets.steps.catalogue import files_of_module
from healthcare_assets.steps.report import AssetReport, StepReport
from healthcare_assets.steps.runtime import Runtime

ASSET = "serving_endpoint"
SERVED_MODULE = "healthcare_assets.resources.served_model"
"""What an endpoint runs, with all that it imports of this project."""


def run(runtime: Runtime) -> StepReport:
    """See that the champion, and no other version, is behind the endpoint, ready to answer."""
    environment = runtime.settings.environment
    if environment.schema is None:
        told = f"no Unity Catalog here (HEALTHCARE_ENV={environment.name}): nothing to deploy, see `make serve`"
        return _nothing(told)
    champion = runtime.registry.version_by_alias("champion")
    if champion is None:
        return _nothing("no champion yet: nothing to deploy before governance_verdict approves a model")
    from healthcare_assets.errors import ServingError
    from healthcare_assets.resources.servable import assemble
    from healthcare_assets.resources.servable_registry import register_servable, servable_name
    from healthcare_assets.resources.serving_endpoint import (
        Served,
        endpoint_name,
        endpoint_settings,
        ensure_endpoint,
    )
    from healthcare_assets.resources.workspace import open_client

    client = open_client(ServingError)
    lineage = {"code_version": runtime.code_version, "dagster_run_id": runtime.run_id}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "servable"
        servable = assemble(runtime.registry, champion, folder, code=files_of_module(SERVED_MODULE))
        version = register_servable(runtime.registry, servable, tags=lineage)
    ready = ensure_endpoint(
        client,
        name=endpoint_name(environment.name),
        served=Served(model=servable_name(runtime.registry), version=version),
        tags={"environment": environment.name, "champion_version": champion.version},
        settings=endpoint_settings(environment.name),
    )
    runtime.log(f"The endpoint {ready.name} is {ready.change}, and serves champion {champion.version}.")
    return (
        AssetReport(
            asset=ASSET,
            location=ready.name,
            metadata={
                "endpoint": ready.change,
                "champion_version": champion.version,
                "served_model": ready.served.model,
                "served_version": ready.served.version,
                "served_before": ready.served_before or "nothing",
            },
        ),
    )


def _nothing(why: str) -> StepReport:
    return (AssetReport(asset=ASSET, location="none", metadata={"endpoint": why}),)
