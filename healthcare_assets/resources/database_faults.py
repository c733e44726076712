"""What SQLite has against being used, and what to do about it, whichever library was using it: MLflow or Dagster."""

import sqlite3

_WHAT_TO_DO = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "make room on the disk, or have it looked at",
    sqlite3.SQLITE_READONLY: "let who runs this write there",
    sqlite3.SQLITE_CANTOPEN: "let who runs this write there",
    sqlite3.SQLITE_BUSY: "end the process that keeps it locked",
    sqlite3.SQLITE_LOCKED: "end the process that keeps it locked",
    sqlite3.SQLITE_NOTADB: "put it back from your backup",
    sqlite3.SQLITE_CORRUPT: "put it back from your backup",
}
_PRIMARY = 0xFF
"""Of an error's number; what is above says more about it."""


def trouble_with_sqlite(error: BaseException) -> tuple[str, str] | None:
    """What SQLite said, and what to do about it; None when the error does not come from it, or nobody can help."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        if isinstance(following, sqlite3.Error):
            to_do = _WHAT_TO_DO.get(getattr(following, "sqlite_errorcode", 0) & _PRIMARY)
            return None if to_do is None else (str(following).strip().rstrip("."), to_do)
        # SQLAlchemy keeps what SQLite raised, and MLflow raises its own error from SQLAlchemy's.
        kept = getattr(following, "orig", None)
        following = kept if isinstance(kept, BaseException) else following.__cause__ or following.__context__
    return None
