"""On the path of each job: a Spark session starts out with the Delta tables of the workspace.

The metastore of a local Spark is in memory. Hive's could be kept in a folder, but takes half a minute to come up on a
busy machine and lets in one process at a time. What matters of it is which tables there are, and the folders say that.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_SESSIONS = "pyspark.sql.session"


class _WithTables(Loader):
    """Loads the module with its own loader, then has each new session register the tables."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        plain = module.SparkSession.Builder.getOrCreate

        def with_tables(builder: Any) -> Any:
            known = module.SparkSession._instantiatedSession
            session = plain(builder)
            if session is not known:
                _register(session, Path(os.environ["EMULATED_WAREHOUSE"]))
            return session

        module.SparkSession.Builder.getOrCreate = with_tables


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == _SESSIONS else None
        if spec is not None and spec.loader is not None:
            spec.loader = _WithTables(spec.loader)
        return spec


def _register(session: Any, warehouse: Path) -> None:
    for schema in warehouse.glob("*.db"):
        session.sql(f"CREATE SCHEMA IF NOT EXISTS `{schema.stem}`")
        for log in schema.glob("*/_delta_log"):
            name = f"`{schema.stem}`.`{log.parent.name}`"
            session.sql(f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION '{log.parent}'")


sys.meta_path.insert(0, _Finder())

# What a test left in this file is run before the job's script.
_BEFORE = Path(os.environ.get("BEFORE_STEP", ""))
if _BEFORE.is_file():
    exec(_BEFORE.read_text(encoding="utf-8"))  # noqa: S102 - what the test wrote
