"""What a serving endpoint is told to serve, what it serves, and whether the two are the same."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from databricks.sdk.service.serving import (
        AutoCaptureConfigInput,
        ServedEntityInput,
        ServingEndpointDetailed,
        TrafficConfig,
    )


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """What an endpoint is told to serve."""

    entities: "tuple[ServedEntityInput, ...]"
    traffic: "TrafficConfig | None" = None
    capture: "AutoCaptureConfigInput | None" = None
    """Inference tables that others have set up."""


def config_of(found: "ServingEndpointDetailed") -> EndpointConfig:
    """What the endpoint serves, as it can be told to again."""
    from databricks.sdk.service.serving import AutoCaptureConfigInput, ServedEntityInput

    config = found.config
    if config is None:
        return EndpointConfig(entities=())
    entities = [ServedEntityInput.from_dict(entity.as_dict()) for entity in config.served_entities or []]
    capture = config.auto_capture_config
    return EndpointConfig(
        entities=tuple(entities),
        traffic=config.traffic_config,
        capture=AutoCaptureConfigInput.from_dict(capture.as_dict()) if capture else None,
    )


def serves(found: "ServingEndpointDetailed", wanted: EndpointConfig) -> bool:
    """Whether the endpoint is ready with exactly these, whatever they are called."""
    from databricks.sdk.service.serving import EndpointStateReady

    def identities(config: EndpointConfig) -> list[str]:
        return sorted(
            f"{e.entity_name} {e.entity_version} {e.workload_size} {e.scale_to_zero_enabled}" for e in config.entities
        )

    is_ready = found.state is not None and found.state.ready == EndpointStateReady.READY
    return is_ready and identities(config_of(found)) == identities(wanted)


def is_idle(found: "ServingEndpointDetailed") -> bool:
    from databricks.sdk.service.serving import EndpointStateConfigUpdate

    return found.state is None or found.state.config_update != EndpointStateConfigUpdate.IN_PROGRESS


def versions(config: EndpointConfig) -> str | None:
    return ", ".join(str(entity.entity_version) for entity in config.entities) or None
