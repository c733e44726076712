"""The workspace's monitor through the real SDK, against a server that keeps what it is told."""

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from healthcare_assets.errors import QualityMonitorError
from healthcare_assets.resources.quality_monitor import RefreshedMonitor, ensure_monitor, open_client
from healthcare_assets_tests.loopback import Answer, serving

TABLE = "main.health.predictions"
MONITOR = f"/api/2.1/unity-catalog/tables/{TABLE}/monitor"
LOG = {
    "granularities": ["1 day"],
    "model_id_col": "model_version",
    "prediction_col": "predicted_charges",
    "problem_type": "PROBLEM_TYPE_REGRESSION",
    "timestamp_col": "predicted_at",
}
OURS = {
    "baseline_table_name": "main.health.training_patients",
    "inference_log": LOG,
    "output_schema_name": "main.health",
    "slicing_exprs": ["high_risk_patient", "risk_category"],
}


class Workspace:
    """Quality monitors as the REST API keeps them, and faults that are handed out in order."""

    def __init__(self) -> None:
        self.tables = {TABLE}
        self.monitor: dict[str, Any] | None = None
        self.refreshes: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.faults: dict[str, list[Answer]] = {}
        self.lost_answers: list[str] = []
        self.created_behind_our_back: dict[str, Any] | None = None

    def __call__(self, method: str, path: str, body: Any) -> Answer:
        call = f"{method} {path.removeprefix(MONITOR)}".strip()
        self.calls.append(call)
        if self.faults.get(call):
            return self.faults[call].pop(0)
        if TABLE not in self.tables:
            return error(404, "TABLE_DOES_NOT_EXIST", f"Table '{TABLE}' does not exist.")
        answer = self._served(call, body)
        if call in self.lost_answers:
            self.lost_answers.remove(call)
            return (*error(503, "TEMPORARILY_UNAVAILABLE", "Lost."), {"Retry-After": "0"})
        return answer

    def _served(self, call: str, body: Any) -> Answer:
        if call == "POST" and self.created_behind_our_back:
            self.monitor = self.created_behind_our_back
        if call == "POST" and self.monitor is not None:
            return error(409, "RESOURCE_ALREADY_EXISTS", "There is a monitor.")
        if call == "POST":
            self.monitor = kept(body)
        if self.monitor is None:
            return error(404, "RESOURCE_DOES_NOT_EXIST", "There is no monitor.")
        if call == "PUT":
            self.monitor = {**kept(body), "assets_dir": self.monitor["assets_dir"]}
        if call == "POST /refreshes":
            self.refreshes.append(refresh(len(self.refreshes) + 1, "PENDING"))
            return 200, self.refreshes[-1]
        return 200, {"refreshes": self.refreshes} if call == "GET /refreshes" else self.monitor


def kept(settings: dict[str, Any]) -> dict[str, Any]:
    """What the server makes of settings."""
    return {
        "dashboard_id": "d1",
        **settings,
        "table_name": TABLE,
        "status": "MONITOR_STATUS_ACTIVE",
        "monitor_version": "1",
        "profile_metrics_table_name": f"{TABLE}_profile_metrics",
        "drift_metrics_table_name": f"{TABLE}_drift_metrics",
    }


def refresh(number: int, state: str) -> dict[str, Any]:
    return {"refresh_id": number, "state": state, "start_time_ms": number, "trigger": "MANUAL"}


def error(status: int, code: str, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"error_code": code, "message": message}


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    for variable in ("DATABRICKS_CONFIG_FILE", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    with serving(workspace) as port:
        yield WorkspaceClient(host=f"http://127.0.0.1:{port}", token="x")  # noqa: S106 - nobody's


def ensured(client: WorkspaceClient) -> RefreshedMonitor:
    return ensure_monitor(
        client,
        table=TABLE,
        baseline_table="main.health.training_patients",
        output_schema="main.health",
        assets_dir="/Workspace/Shared/x",
    )


def test_it_is_made_once_and_refreshed_each_time(workspace: Workspace, client: WorkspaceClient) -> None:
    first, second = ensured(client), ensured(client)
    assert (first.change, first.refresh_id, first.refresh_state) == ("created", "1", "PENDING")
    assert (second.change, second.refresh_id) == ("unchanged", "2")
    assert workspace.calls == ["GET", "POST", "POST /refreshes", "GET", "POST /refreshes"]
    assert workspace.monitor == kept({**OURS, "assets_dir": "/Workspace/Shared/x"})
    assert (second.dashboard_id, second.profile_table, second.drift_table) == (
        "d1",
        f"{TABLE}_profile_metrics",
        f"{TABLE}_drift_metrics",
    )


@pytest.mark.parametrize(
    "other",
    [
        {"baseline_table_name": "main.health.somebody"},
        {"baseline_table_name": None},
        {"output_schema_name": "main.other"},
        {"slicing_exprs": ["risk_category"]},
        {"slicing_exprs": None},
        {"inference_log": {**LOG, "granularities": ["1 hour"]}},
        {"inference_log": {**LOG, "label_col": "charges"}},
        {"inference_log": None, "snapshot": {}},
    ],
    ids=str,
)
def test_settings_that_differ_are_brought_up_to_date(
    workspace: Workspace, client: WorkspaceClient, other: dict[str, Any]
) -> None:
    theirs = {"schedule": {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}}
    settings = {**OURS, **theirs, "assets_dir": "/Workspace/theirs", **other}
    workspace.monitor = {name: value for name, value in kept(settings).items() if value is not None}
    assert ensured(client).change == "updated"
    assert {name: workspace.monitor[name] for name in OURS} == OURS
    assert workspace.monitor["schedule"] == theirs["schedule"], "what others have set stays"
    assert workspace.monitor["assets_dir"] == "/Workspace/theirs"
    assert ensured(client).change == "unchanged"


def test_the_order_of_slices_is_no_difference(workspace: Workspace, client: WorkspaceClient) -> None:
    workspace.monitor = kept({**OURS, "slicing_exprs": ["risk_category", "high_risk_patient"]})
    assert ensured(client).change == "unchanged"


def test_one_that_somebody_makes_meanwhile_is_taken(workspace: Workspace, client: WorkspaceClient) -> None:
    workspace.created_behind_our_back = kept({**OURS, "slicing_exprs": [], "assets_dir": "/Workspace/theirs"})
    assert ensured(client).change == "updated"
    assert workspace.monitor is not None
    assert workspace.monitor["slicing_exprs"] == OURS["slicing_exprs"]


def test_an_answer_that_gets_lost_makes_no_second_monitor(workspace: Workspace, client: WorkspaceClient) -> None:
    workspace.lost_answers = ["POST"]
    assert ensured(client).change == "unchanged"
    assert workspace.calls == ["GET", "POST", "POST", "GET", "POST /refreshes"]


def test_a_refresh_under_way_is_the_refresh(workspace: Workspace, client: WorkspaceClient) -> None:
    workspace.monitor = kept(OURS)
    workspace.refreshes = [refresh(1, "SUCCESS"), refresh(2, "RUNNING"), refresh(3, "FAILED")]
    workspace.faults = {"POST /refreshes": [error(409, "RESOURCE_CONFLICT", "One is under way.")]}
    found = ensured(client)
    assert (found.refresh_id, found.refresh_state) == ("2", "RUNNING")


def test_a_refresh_that_is_refused_is_said(workspace: Workspace, client: WorkspaceClient) -> None:
    workspace.monitor = kept(OURS)
    workspace.faults = {"POST /refreshes": [error(400, "INVALID_STATE", "The monitor is pending.")]}
    with pytest.raises(QualityMonitorError, match=r"\(The monitor is pending\): materialise .* again"):
        ensured(client)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (error(403, "PERMISSION_DENIED", "You may not."), "may not be made or refreshed (You may not): grant"),
        (error(401, "UNAUTHENTICATED", "Who is it?"), "does not know who asks"),
        (error(400, "BAD_REQUEST", "It broke."), "did not take the monitor of main.health.predictions (It broke)"),
    ],
)
@pytest.mark.parametrize("call", ["GET", "POST", "PUT", "POST /refreshes"])
def test_a_refusal_is_one_sentence(
    workspace: Workspace, client: WorkspaceClient, call: str, answer: Answer, sentence: str
) -> None:
    if call == "PUT":
        workspace.monitor = kept({**OURS, "slicing_exprs": []})
    workspace.faults = {call: [answer]}
    with pytest.raises(QualityMonitorError) as refused:
        ensured(client)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_the_table_it_says_what_to_materialise(workspace: Workspace, client: WorkspaceClient) -> None:
    workspace.tables = set()
    with pytest.raises(QualityMonitorError, match=r"lacks a table .*: materialise predictions, and trained_model"):
        ensured(client)


@pytest.mark.parametrize("call", ["GET", "POST", "PUT", "POST /refreshes"])
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_fault_that_passes_is_waited_out(
    workspace: Workspace, client: WorkspaceClient, call: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("databricks.sdk.clock.RealClock.sleep", lambda *_: None)
    if call == "PUT":
        workspace.monitor = kept({**OURS, "slicing_exprs": [], "assets_dir": "/Workspace/Shared/x"})
    workspace.faults = {call: [error(status, "INTERNAL_ERROR", "It broke.")] * 3}
    assert ensured(client).change == ("updated" if call == "PUT" else "created")


def test_a_workspace_that_is_busy_is_asked_again(workspace: Workspace, client: WorkspaceClient) -> None:
    busy = (*error(429, "RESOURCE_EXHAUSTED", "Too many."), {"Retry-After": "0"})
    workspace.faults = {"GET": [busy]}
    assert ensured(client).change == "created"
    assert workspace.calls == ["GET", "GET", "POST", "POST /refreshes"]


def test_without_credentials_it_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for variable in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(QualityMonitorError, match="set DATABRICKS_HOST and a login"):
        open_client()
