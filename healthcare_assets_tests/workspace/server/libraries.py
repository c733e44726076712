"""Wheels, unpacked once for each content and put on a job's path; everything from an index is taken as there."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

FindFile = Callable[[str], Path | None]
"""A path of the workspace or of a volume → the file on this machine, None without one."""


class LibraryError(Exception):
    """A library that cannot be installed, in the words of Databricks."""

    def __init__(self, library: str, reason: str) -> None:
        super().__init__(
            f'Library installation failed for library due to user error for whl: "{library}". '
            f"Error messages: Library installation attempted on the driver node failed. {reason}"
        )


def wheels_of_libraries(libraries: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(library["whl"]) for library in libraries if "whl" in library]


def wheels_of_dependencies(dependencies: Iterable[str], find: FindFile) -> list[str]:
    """The wheels among the lines of a requirements file; such a file may be named by `-r`."""
    wheels = []
    for line in dependencies:
        wanted = line.split("#")[0].strip()
        if wanted.startswith("-r "):
            file = find(wanted.removeprefix("-r ").strip())
            if file is None:
                raise LibraryError(wanted, "ERROR: Could not open requirements file: No such file or directory.")
            wheels += wheels_of_dependencies(file.read_text().splitlines(), find)
        elif wanted.endswith(".whl"):
            wheels.append(wanted.rpartition("@ ")[2].removeprefix("file://"))
    return wheels


def content_of(wheel: str, find: FindFile) -> str:
    """The hash of a wheel that is there."""
    file = find(wheel)
    if file is None:
        raise LibraryError(wheel, f"ERROR: {wheel}: no such file or directory.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def unpacked(wheel: str, content: str, find: FindFile, cache: Path) -> Path:
    """The folder with the wheel's modules. `content` may be an older one than what lies at the path by now."""
    target = cache / content
    if target.exists():
        return target
    file = find(wheel)
    name = wheel.rpartition("/")[2]
    if name.count("-") not in (4, 5) or not name.endswith("-none-any.whl"):
        raise LibraryError(wheel, f"ERROR: {name} is not a supported wheel on this platform.")
    cache.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=cache))
    try:
        with zipfile.ZipFile(file) as archive:  # type: ignore[arg-type]  # content_of has found it
            archive.extractall(draft)
    except zipfile.BadZipFile as error:
        shutil.rmtree(draft)
        raise LibraryError(wheel, f"ERROR: Wheel '{name}' located at {wheel} is invalid.") from error
    for kind in ("purelib", "platlib"):
        for data in draft.glob(f"*.data/{kind}"):
            shutil.copytree(data, draft, dirs_exist_ok=True)
    draft.rename(target)
    return target
