"""Which versions of which tables a step reads and writes, noted as it does so: what the audit trail records of it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Journal:
    """The notes of one lakehouse. Nothing is noted before the first `begin`: some engines have to ask for a version."""

    read: dict[str, int] = field(default_factory=dict)
    """Tables with the version that was read first."""
    written: dict[str, int] = field(default_factory=dict)
    """Tables with the version that was written last."""
    _is_kept: bool = False

    def begin(self) -> None:
        """Forget what was noted, and note from now on."""
        self.read, self.written, self._is_kept = {}, {}, True

    def written_to(self, table: str) -> dict[str, int]:
        """What was written of this table alone."""
        return {name: version for name, version in self.written.items() if name == table}

    def has_read(self, table: str, version: Callable[[], int | None]) -> None:
        """The table was read, at the version that is asked for when it is wanted; None is no table.

        What is read back after it was written is nothing that the step began with.
        """
        if self._is_kept and table not in {*self.read, *self.written} and (found := version()) is not None:
            self.read[table] = found

    def has_written(self, table: str, version: Callable[[], int | None]) -> None:
        """The table was written, and is now at this version."""
        if self._is_kept and (found := version()) is not None:
            self.written[table] = found
