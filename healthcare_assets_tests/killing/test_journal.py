"""MLflow's database as a process leaves it that is killed within a transaction."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from healthcare_assets_tests.champions import home_with_champion
from healthcare_assets_tests.runtimes import runtime_at

_PAGES = 200


def test_a_transaction_that_a_kill_has_cut_is_rolled_back_when_the_registry_is_next_opened(tmp_path: Path) -> None:
    home = home_with_champion(tmp_path / "killed")
    database = home / "mlflow" / "mlflow.db"
    killed = tmp_path / "as it was left.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        # So little memory that changed pages are written before the commit: then the journal has to be there first.
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM registered_model_aliases")
        connection.execute("CREATE TABLE pages (content TEXT)")
        connection.executemany("INSERT INTO pages VALUES (?)", [("x" * 4000,)] * _PAGES)
        for ending in ("", "-journal"):
            shutil.copy(f"{database}{ending}", f"{killed}{ending}")
        connection.execute("ROLLBACK")
    for ending in ("", "-journal"):
        shutil.copy(f"{killed}{ending}", f"{database}{ending}")
    champion = runtime_at(home).registry.version_by_alias("champion")
    assert champion is not None
    assert champion.version == "1"
    assert not Path(f"{database}-journal").exists()
