"""Who may read a table's files where they are folders of this machine."""

import stat
from pathlib import Path

from healthcare_assets.domain.columns import Table
from healthcare_assets.errors import LakehouseError

_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(table: Table, folder: Path) -> None:
    """See to it that nobody but this user gets into the folder of a table with identifiers, whatever lies above it.

    The folder is made when it is not there: what makes a Delta table goes by the umask. LakehouseError when it is
    somebody else's, and open to others.
    """
    if not table.identifying:
        return
    folder.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    if not folder.stat().st_mode & _FOR_OTHERS:
        return
    try:
        folder.chmod(stat.S_IRWXU)
    except PermissionError as error:
        raise LakehouseError(
            f"Table {table.name} holds identifiers, and its folder {folder} is open to others: "
            "let its owner close it (chmod 700)."
        ) from error
