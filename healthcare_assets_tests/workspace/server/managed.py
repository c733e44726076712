"""What Databricks manages and minilake does not know: serving endpoints and monitors of tables, each ready at once."""

from dataclasses import dataclass, field

from starlette.routing import Route

from healthcare_assets_tests.workspace.server.jobs_api import Handler, answering
from healthcare_assets_tests.workspace.server.records import ApiError, Json, now

_ENDPOINTS = "/api/2.0/serving-endpoints"
_MONITOR = "/api/2.1/unity-catalog/tables/{table}/monitor"


@dataclass
class Managed:
    """The endpoints by name, the monitors by their table."""

    endpoints: dict[str, Json] = field(default_factory=dict)
    monitors: dict[str, Json] = field(default_factory=dict)
    refreshes: dict[str, list[Json]] = field(default_factory=dict)

    def forget(self) -> None:
        for kept in (self.endpoints, self.monitors, self.refreshes):
            kept.clear()

    def routes(self) -> list[Route]:
        served: list[tuple[str, str, Handler]] = [
            ("POST", _ENDPOINTS, self._create_endpoint),
            ("GET", _ENDPOINTS + "/{name}", lambda asked: _found(self.endpoints, asked["name"])),
            ("PUT", _ENDPOINTS + "/{name}/config", self._configure),
            ("PATCH", _ENDPOINTS + "/{name}/tags", self._tag),
            ("DELETE", _ENDPOINTS + "/{name}", lambda asked: self.endpoints.pop(asked["name"], {})),
            ("POST", _MONITOR, self._create_monitor),
            ("GET", _MONITOR, lambda asked: _found(self.monitors, asked["table"])),
            ("PUT", _MONITOR, self._change_monitor),
            ("POST", _MONITOR + "/refreshes", self._refresh),
            ("GET", _MONITOR + "/refreshes", lambda asked: {"refreshes": self.refreshes.get(asked["table"], [])}),
        ]
        return [Route(path, answering(handler), methods=[method]) for method, path, handler in served]

    def _create_endpoint(self, asked: Json) -> Json:
        name = asked["name"]
        _refuse_another(self.endpoints, name)
        self.endpoints[name] = {"name": name, "tags": asked.get("tags") or []}
        return self._configure({**asked["config"], "name": name})

    def _configure(self, asked: Json) -> Json:
        endpoint = _found(self.endpoints, asked["name"])
        version = endpoint.get("config", {}).get("config_version", 0) + 1
        endpoint["config"] = {**{k: v for k, v in asked.items() if k != "name"}, "config_version": version}
        endpoint["state"] = {"ready": "READY", "config_update": "NOT_UPDATING"}
        return endpoint

    def _tag(self, asked: Json) -> Json:
        endpoint = _found(self.endpoints, asked["name"])
        tags = {tag["key"]: tag for tag in [*endpoint["tags"], *asked.get("add_tags", [])]}
        endpoint["tags"] = list(tags.values())
        return {"tags": endpoint["tags"]}

    def _create_monitor(self, asked: Json) -> Json:
        _refuse_another(self.monitors, asked["table"])
        self.monitors[asked["table"]] = {}
        return self._change_monitor(asked)

    def _change_monitor(self, asked: Json) -> Json:
        table = asked["table"]
        monitor = _found(self.monitors, table)
        monitor.update(
            {
                "dashboard_id": "a-dashboard",
                **{k: v for k, v in asked.items() if k != "table"},
                "table_name": table,
                "status": "MONITOR_STATUS_ACTIVE",
                "monitor_version": 1,
                "profile_metrics_table_name": f"{table}_profile_metrics",
                "drift_metrics_table_name": f"{table}_drift_metrics",
            }
        )
        return monitor

    def _refresh(self, asked: Json) -> Json:
        _found(self.monitors, asked["table"])
        refreshes = self.refreshes.setdefault(asked["table"], [])
        refreshes.append({"refresh_id": len(refreshes) + 1, "state": "SUCCESS", "start_time_ms": now()})
        return refreshes[-1]


def _found(kept: dict[str, Json], name: str) -> Json:
    if name not in kept:
        raise ApiError(f"'{name}' does not exist.", code="RESOURCE_DOES_NOT_EXIST", status=404)
    return kept[name]


def _refuse_another(kept: dict[str, Json], name: str) -> None:
    if name in kept:
        raise ApiError(f"'{name}' exists already.", code="RESOURCE_ALREADY_EXISTS", status=409)
