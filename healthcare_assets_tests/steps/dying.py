"""Work that dies at a chosen one of its writes."""

from collections.abc import Callable
from typing import Any, Literal

import pytest

from healthcare_assets.resources.lakehouse import Lakehouse

_WRITES = ("replace_day", "replace", "update", "append_next", "forget_past")


class DiedError(Exception):
    """In the place of a process that is gone."""


def dies(patched: pytest.MonkeyPatch, lakehouse: Lakehouse, when: Literal["before", "after"], number: int) -> None:
    """Right before or right after the write with this number: what follows it never happens."""
    count = 0

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            is_last = count == number
            if is_last and when == "before":
                raise DiedError
            result = method(*arguments, **more)
            if is_last:
                raise DiedError
            return result

        return write

    for name in _WRITES:
        patched.setattr(lakehouse, name, dying(getattr(lakehouse, name)))
