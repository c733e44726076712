"""What a disk has against being written to, in a sentence, whichever library was writing."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from healthcare_assets.errors import HealthcareError, LakehouseError

_OF_THE_DISK = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room, or have the quota raised",
    errno.EROFS: "have the disk mounted for writing",
    errno.EACCES: "let who runs the step write there",
    errno.EPERM: "let who runs the step write there",
    errno.EIO: "have the disk looked at",
}
"""What to do about it, by the error of the system. Libraries in Rust tell it in their own errors' text."""
_IN_WORDS = re.compile(r"\(os error (\d+)\)")


@contextmanager
def telling_of_the_disk(home: Path) -> Iterator[None]:
    """A fault of the disk below `home` becomes a LakehouseError; what was written before it is whole."""
    try:
        yield
    except HealthcareError:
        raise
    except Exception as error:
        trouble = trouble_with_the_disk(error)
        if trouble is None:
            raise
        place = error.filename if isinstance(error, OSError) and error.filename else home
        said, to_do = trouble
        raise LakehouseError(
            f"{place} cannot be written ({said}): {to_do}, and run this again. Every table is as its last commit left "
            "it."
        ) from error


def trouble_with_the_disk(error: BaseException) -> tuple[str, str] | None:
    """What the system said of the disk, and what to do about it; None when the error is none of the disk's."""
    number = _number(error)
    return None if number is None else (os.strerror(number), _OF_THE_DISK[number])


def _number(error: BaseException) -> int | None:
    """Of the system's error that the error is, tells of, or came from."""
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return error.errno
    told = _IN_WORDS.search(str(error))
    if told and int(told[1]) in _OF_THE_DISK:
        return int(told[1])
    return None if error.__cause__ is None else _number(error.__cause__)
