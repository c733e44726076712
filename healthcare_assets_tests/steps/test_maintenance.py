"""The step that looks after the tables' files, and its job."""

from pathlib import Path

import dagster as dg
import pytest

from healthcare_assets.definitions import defs
from healthcare_assets.domain.tables import CHAMPION_HISTORY
from healthcare_assets.steps import maintenance
from healthcare_assets.steps.report import Markdown
from healthcare_assets_tests.resources.lakehouse_tables import frame_of, rows_of
from healthcare_assets_tests.runtimes import NOW, runtime_at


def _with_moves(home: Path, number: int) -> None:
    lakehouse = runtime_at(home).lakehouse
    for move in range(number):
        lakehouse.append(
            CHAMPION_HISTORY, frame_of(lakehouse, CHAMPION_HISTORY, [{"move_id": str(move), "moved_at": NOW}])
        )


def test_it_says_what_became_of_each_table_that_is_there(tmp_path: Path) -> None:
    _with_moves(tmp_path, 3)
    said: list[str] = []
    (report,) = maintenance.run(runtime_at(tmp_path, log=said.append))
    assert report.asset == "table_maintenance"
    assert (report.metadata["files_before"], report.metadata["files_after"]) == (3, 1)
    listed = report.metadata["tables"]
    assert isinstance(listed, Markdown)
    assert [line for line in listed.text.splitlines() if "champion_history" in line]
    assert said == ["champion_history: 3 files are 1 now; 0 that no retained version needs are deleted."]


def test_the_job_compacts_and_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_moves(tmp_path, 2)
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    for variable in ("HEALTHCARE_ENV", "HEALTHCARE_ENGINE"):
        monkeypatch.delenv(variable, raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        assert defs().resolve_job_def("maintenance").execute_in_process(instance=instance).success
        shown = instance.get_latest_materialization_event(dg.AssetKey("table_maintenance"))
    assert shown is not None
    assert shown.asset_materialization is not None
    metadata = {name: entry.value for name, entry in shown.asset_materialization.metadata.items()}
    # The entry of data_retention lies in a file too.
    assert metadata.items() >= {"files_before": 3, "files_after": 2, "files_deleted": 0}.items()
    lakehouse = runtime_at(tmp_path).lakehouse
    assert [row["move_id"] for row in rows_of(lakehouse, lakehouse.scan(CHAMPION_HISTORY))] == ["0", "1"]
