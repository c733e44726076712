"""The serving endpoint through the real SDK, against a workspace that builds, fails, hangs and is away for a while."""

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from healthcare_assets.errors import ServingError
from healthcare_assets.resources.serving_endpoint import (
    Clock,
    EndpointSettings,
    ReadyEndpoint,
    Served,
    endpoint_name,
    ensure_endpoint,
)
from healthcare_assets_tests.loopback import Answer, serving

NAME = endpoint_name("dev")
PATH = "/api/2.0/serving-endpoints"
MODEL = "main.health.health_insurance_cost_serving"
TAGS = {"environment": "dev", "champion_version": "4"}
IN_PROGRESS = "IN_PROGRESS"


def entity(version: str, **other: Any) -> dict[str, Any]:
    return {
        "entity_name": MODEL,
        "entity_version": version,
        "workload_size": "Small",
        "scale_to_zero_enabled": True,
        **other,
    }


class Workspace:
    """A serving endpoint as the REST API keeps it: an update takes some polls, and ends as its version's outcome says.

    `ready`: the endpoint serves it. `failed`: it goes on serving what it served. `broken`: it serves the new one, which
    is not ready. `never`: the update goes on.
    """

    def __init__(self) -> None:
        self.endpoint: dict[str, Any] | None = None
        self.outcomes: dict[str, str] = {}
        self.polls: dict[str, int] = {}
        """By version: after how many an update has ended."""
        self.polls_left = 0
        self.calls: list[str] = []
        self.faults: dict[str, list[Answer | None]] = {}
        self.lost_answers: list[str] = []
        self.made_behind_our_back: dict[str, Any] | None = None
        self.may_replace_an_update = False

    def serving(self, version: str, **other: Any) -> dict[str, Any]:
        """As if it served the version since long."""
        self.endpoint = {
            "name": NAME,
            "config": {"served_entities": [entity(version)], "config_version": 1},
            "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
            **other,
        }
        return self.endpoint

    @property
    def versions(self) -> list[str]:
        assert self.endpoint is not None
        return [served["entity_version"] for served in self.endpoint.get("config", {}).get("served_entities", [])]

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if not call.startswith("GET")]

    def __call__(self, method: str, path: str, body: Any) -> Answer | None:
        call = f"{method} {path.removeprefix(PATH).removeprefix(f'/{NAME}')}".strip()
        self.calls.append(call)
        if self.faults.get(call):
            return self.faults[call].pop(0)
        answer = self._served(call, body)
        if call in self.lost_answers:
            self.lost_answers.remove(call)
            return error(500, "INTERNAL_ERROR", "Lost.")
        return answer

    def _served(self, call: str, body: Any) -> Answer:
        if call == "POST":
            return self._create(body)
        if self.endpoint is None:
            return error(404, "RESOURCE_DOES_NOT_EXIST", f"Endpoint with name '{NAME}' does not exist.")
        if call == "DELETE":
            self.endpoint = None
            return 200, {}
        if call == "PATCH /tags":
            tags = {tag["key"]: tag for tag in [*self.endpoint.get("tags", []), *body["add_tags"]]}
            self.endpoint["tags"] = list(tags.values())
            return 200, {"tags": self.endpoint["tags"]}
        if call == "PUT /config":
            return self._update(body)
        self._goes_on()
        return 200, self.endpoint

    def _create(self, body: Any) -> Answer:
        if self.made_behind_our_back is not None:
            self.endpoint = self.made_behind_our_back
        if self.endpoint is not None:
            return error(409, "RESOURCE_ALREADY_EXISTS", f"Endpoint with name '{NAME}' already exists.")
        self.endpoint = {"name": NAME, "state": {"ready": "NOT_READY"}, "tags": body["tags"]}
        self._begin(body["config"])
        return 200, self.endpoint

    def _update(self, body: Any) -> Answer:
        assert self.endpoint is not None
        if self.endpoint["state"]["config_update"] == IN_PROGRESS and not self.may_replace_an_update:
            return error(409, "RESOURCE_CONFLICT", f"Endpoint '{NAME}' is currently being updated.")
        self._begin(body)
        return 200, self.endpoint

    def _begin(self, config: Any) -> None:
        assert self.endpoint is not None
        self.endpoint["pending_config"] = config
        self.endpoint["state"]["config_update"] = IN_PROGRESS
        self.polls_left = self.polls.get(config["served_entities"][0]["entity_version"], 3)

    def _goes_on(self) -> None:
        assert self.endpoint is not None
        state = self.endpoint["state"]
        if state["config_update"] != IN_PROGRESS:
            return
        self.polls_left -= 1
        [version, *_] = [served["entity_version"] for served in self.endpoint["pending_config"]["served_entities"]]
        outcome = self.outcomes.get(version, "ready")
        if self.polls_left > 0 or outcome == "never":
            return
        if outcome in ("ready", "broken"):
            self.endpoint["config"] = self.endpoint.pop("pending_config")
            state["ready"] = "READY" if outcome == "ready" else "NOT_READY"
        state["config_update"] = "NOT_UPDATING" if outcome == "ready" else "UPDATE_FAILED"
        if outcome == "failed":
            told = {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": "No module named 'skops'.\nMore."}
            for served in self.endpoint["pending_config"]["served_entities"]:
                served["state"] = told


def error(status: int, code: str, message: str) -> Answer:
    return status, {"error_code": code, "message": message}


class FakeTime:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    for variable in ("DATABRICKS_CONFIG_FILE", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    # The SDK waits a second and more before it asks again where a connection breaks or the workspace is busy.
    monkeypatch.setattr("databricks.sdk.clock.RealClock.sleep", lambda self, seconds: None)
    with serving(workspace) as port:
        yield WorkspaceClient(host=f"http://127.0.0.1:{port}", token="x")  # noqa: S106 - nobody's


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def ensured(client: WorkspaceClient, time: FakeTime, version: str = "8", **settings: Any) -> ReadyEndpoint:
    return ensure_endpoint(
        client,
        name=NAME,
        served=Served(model=MODEL, version=version),
        tags=TAGS,
        settings=EndpointSettings(ready_within_seconds=600, poll_every_seconds=15, **settings),
        clock=Clock(seconds=lambda: time.seconds, sleep=time.sleep),
    )


def refused(client: WorkspaceClient, time: FakeTime, version: str = "8") -> str:
    with pytest.raises(ServingError) as raised:
        ensured(client, time, version)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_it_is_made_and_waited_for(workspace: Workspace, client: WorkspaceClient, time: FakeTime) -> None:
    ready = ensured(client, time)
    assert (ready.name, ready.change, ready.served_before) == ("health-insurance-cost-dev", "created", None)
    assert workspace.endpoint is not None
    assert workspace.endpoint["config"]["served_entities"] == [entity("8")]
    assert workspace.endpoint["tags"] == [{"key": key, "value": value} for key, value in TAGS.items()]
    assert workspace.changes == ["POST"]
    assert time.seconds == 30, "no longer than it takes"


def test_what_it_serves_already_is_left_alone(workspace: Workspace, client: WorkspaceClient, time: FakeTime) -> None:
    ensured(client, time)
    workspace.calls.clear()
    ready = ensured(client, time)
    assert (ready.change, ready.served_before) == ("unchanged", "8")
    assert workspace.changes == []


def test_a_new_version_takes_the_place_of_the_old_one(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    theirs = {"key": "team", "value": "actuaries"}
    workspace.serving("7", tags=[theirs, {"key": "champion_version", "value": "3"}])
    ready = ensured(client, time)
    assert (ready.change, ready.served_before, workspace.versions) == ("updated", "7", ["8"])
    assert workspace.changes == ["PUT /config", "PATCH /tags"]
    assert workspace.endpoint is not None
    assert {tag["key"]: tag["value"] for tag in workspace.endpoint["tags"]} == {"team": "actuaries", **TAGS}


@pytest.mark.parametrize("other", [{"workload_size": "Medium"}, {"scale_to_zero_enabled": False}])
def test_another_size_is_an_update(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime, other: dict[str, Any]
) -> None:
    workspace.serving("8")["config"]["served_entities"] = [entity("8", **other)]
    assert ensured(client, time).change == "updated"
    assert workspace.endpoint is not None
    assert workspace.endpoint["config"]["served_entities"] == [entity("8")]


def test_settings_reach_the_endpoint(workspace: Workspace, client: WorkspaceClient, time: FakeTime) -> None:
    ensured(client, time, workload_size="Large", scale_to_zero=False)
    assert workspace.endpoint is not None
    wanted = entity("8", workload_size="Large", scale_to_zero_enabled=False)
    assert workspace.endpoint["config"]["served_entities"] == [wanted]


def test_inference_tables_of_others_are_handed_back(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    capture = {"catalog_name": "main", "schema_name": "audit", "enabled": True, "table_name_prefix": "cost"}
    workspace.serving("7")["config"]["auto_capture_config"] = {**capture, "state": {}}
    ensured(client, time)
    assert workspace.endpoint is not None
    assert workspace.endpoint["config"]["auto_capture_config"] == capture


@pytest.mark.parametrize("rolled_back_by", ["the workspace", "us"])
def test_an_update_that_fails_is_rolled_back(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime, rolled_back_by: str
) -> None:
    routes = {"routes": [{"served_model_name": "old", "traffic_percentage": 100}]}
    before = workspace.serving("7")["config"]
    before |= {"served_entities": [entity("7", name="old")], "traffic_config": routes}
    workspace.outcomes["8"] = "failed" if rolled_back_by == "the workspace" else "broken"
    cause = "No module named 'skops'" if rolled_back_by == "the workspace" else "its update ended as UPDATE_FAILED"
    assert refused(client, time) == (
        f"The endpoint {NAME} did not become ready with version 8 ({cause}), so that it serves version 7 as before: "
        "look into the cause, and materialise serving_endpoint again, or roll the champion back."
    )
    assert workspace.changes == ["PUT /config"] * (1 if rolled_back_by == "the workspace" else 2)
    assert workspace.endpoint is not None
    assert workspace.endpoint["state"]["ready"] == "READY"
    assert workspace.endpoint["config"]["served_entities"] == [entity("7", name="old")]
    assert workspace.endpoint["config"]["traffic_config"] == routes
    assert ensured(client, time, "7").change == "unchanged"


def test_one_that_never_becomes_ready_is_rolled_back(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.serving("7")
    workspace.outcomes["8"], workspace.may_replace_an_update = "never", True
    said = refused(client, time)
    assert "(its update had not ended after 10 minutes), so that it serves version 7 as before" in said
    assert workspace.versions == ["7"]
    assert workspace.changes == ["PUT /config", "PUT /config"]
    assert 600 <= time.seconds <= 700


def test_an_update_that_ends_late_is_waited_for_before_the_way_back(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    """While an update is under way the workspace takes no other."""
    workspace.serving("7")
    workspace.outcomes["8"], workspace.polls["8"] = "failed", 60
    assert "serves version 7 as before" in refused(client, time)
    assert workspace.versions == ["7"]
    assert set(workspace.changes) == {"PUT /config"}
    assert 600 < time.seconds < 1200


def test_an_update_that_succeeds_late_is_taken_back_all_the_same(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.serving("7")
    workspace.polls["8"] = 45
    assert "serves version 7 as before" in refused(client, time)
    assert workspace.versions == ["7"]


def test_when_nothing_can_be_taken_back_it_says_so(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.serving("7")
    workspace.outcomes["8"] = "never"
    said = refused(client, time)
    assert said.startswith(f"The endpoint {NAME} did not become ready with version 8 (its update had not ended after")
    assert f"and the way back failed too. The endpoint {NAME} is busy with another update" in said
    workspace.outcomes |= {"8": "broken", "7": "failed"}
    workspace.serving("7")
    said = refused(client, time)
    assert "did not return to version 7 either (No module named 'skops'): look at it in the workspace." in said


def test_a_new_one_that_fails_is_removed_again(workspace: Workspace, client: WorkspaceClient, time: FakeTime) -> None:
    workspace.outcomes["8"] = "failed"
    assert refused(client, time) == (
        f"The new endpoint {NAME} did not become ready with version 8 of {MODEL} (No module named 'skops') and was "
        "removed again: look into the cause, and materialise serving_endpoint again."
    )
    assert workspace.endpoint is None
    workspace.outcomes.clear()
    assert ensured(client, time).change == "created"


def test_one_that_has_never_served_has_nothing_to_return_to(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.endpoint = {"name": NAME, "state": {"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}}
    workspace.outcomes["8"] = "failed"
    assert "(No module named 'skops'), and it served nothing before: look into the cause" in refused(client, time)
    workspace.outcomes.clear()
    assert ensured(client, time).change == "updated"


_AWAY: list[Answer | None] = [
    error(503, "TEMPORARILY_UNAVAILABLE", "Later."),
    error(500, "INTERNAL_ERROR", "It broke."),
    None,
    error(429, "RESOURCE_EXHAUSTED", "Too many."),
    (502, {}),
    error(504, "DEADLINE_EXCEEDED", "Too slow."),
]


@pytest.mark.parametrize("start", ["created", "updated", "unchanged"])
def test_a_workspace_that_is_away_for_a_while_is_asked_again(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime, start: str
) -> None:
    if start != "created":
        workspace.serving("8" if start == "unchanged" else "7", tags=[])
    workspace.faults = {call: [*_AWAY] for call in ("GET", "POST", "PUT /config", "PATCH /tags")}
    assert ensured(client, time).change == start
    assert workspace.versions == ["8"]


@pytest.mark.parametrize("lost", ["PUT /config", "POST"])
def test_an_answer_that_gets_lost_changes_nothing(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime, lost: str
) -> None:
    if lost == "PUT /config":
        workspace.serving("7")
    workspace.lost_answers = [lost]
    ensured(client, time)
    assert workspace.versions == ["8"]


def test_a_workspace_that_stays_away_is_said(workspace: Workspace, client: WorkspaceClient, time: FakeTime) -> None:
    workspace.faults = {"GET": [error(500, "INTERNAL_ERROR", "It broke.")] * 100}
    assert refused(client, time) == (
        f"The workspace did not take the endpoint {NAME} (It broke): "
        "materialise serving_endpoint again in some minutes."
    )
    assert 600 <= time.seconds <= 615


def test_another_update_is_waited_for(workspace: Workspace, client: WorkspaceClient, time: FakeTime) -> None:
    workspace.serving("6")
    workspace._begin({"served_entities": [entity("7")]})
    ready = ensured(client, time)
    assert (ready.change, ready.served_before, workspace.versions) == ("updated", "7", ["8"])


def test_our_own_update_that_a_dead_run_left_is_taken_over(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.serving("7", tags=[{"key": key, "value": value} for key, value in TAGS.items()])
    workspace._begin({"served_entities": [entity("8")]})
    assert ensured(client, time).change == "unchanged"
    assert workspace.changes == []


def test_an_update_that_begins_in_between_is_waited_for(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.serving("7")
    workspace.faults = {"PUT /config": [error(409, "RESOURCE_CONFLICT", "It is being updated.")] * 2}
    assert ensured(client, time).change == "updated"


def test_an_endpoint_that_stays_busy_is_left_alone(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    busy = f"The endpoint {NAME} is busy with another update and was not changed"
    workspace.serving("7")
    workspace.faults = {"PUT /config": [error(409, "RESOURCE_CONFLICT", "It is being updated.")] * 100}
    assert refused(client, time).startswith(busy)
    workspace.outcomes["9"] = "never"
    workspace._begin({"served_entities": [entity("9")]})
    workspace.calls.clear()
    assert refused(client, time).startswith(busy)
    assert workspace.changes == []


def test_one_that_somebody_makes_meanwhile_is_taken(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime
) -> None:
    workspace.made_behind_our_back = workspace.serving("7")
    workspace.endpoint = None
    ready = ensured(client, time)
    assert (ready.change, ready.served_before) == ("updated", "7")


@pytest.mark.parametrize("call", ["GET", "PUT /config"])
def test_one_that_is_deleted_meanwhile_is_said(
    workspace: Workspace, client: WorkspaceClient, time: FakeTime, call: str
) -> None:
    workspace.serving("7")
    gone = error(404, "RESOURCE_DOES_NOT_EXIST", "It does not exist.")
    alive: list[Answer | None] = [(200, dict(workspace.endpoint or {}))]
    workspace.faults = {call: [*alive, gone] if call == "GET" else [gone]}
    said = refused(client, time)
    assert said == (
        f"The endpoint {NAME}, or the model behind it, is gone (It does not exist): materialise serving_endpoint again "
        "to have it made."
    )


@pytest.mark.parametrize("call", ["GET", "POST", "PUT /config", "PATCH /tags"])
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (error(403, "PERMISSION_DENIED", "You may not."), "may not be made or changed (You may not): grant this job's"),
        (error(401, "UNAUTHENTICATED", "Who is it?"), "does not know who asks for the endpoint"),
        (error(400, "INVALID_PARAMETER_VALUE", "No such size."), "did not take the endpoint"),
    ],
)
def test_a_refusal_is_one_sentence(
    workspace: Workspace, client: WorkspaceClient, call: str, answer: Answer, sentence: str
) -> None:
    time = FakeTime()
    if call != "POST":
        workspace.serving("7")
    workspace.faults = {call: [answer]}
    assert sentence in refused(client, time)
    assert time.seconds < 60
