"""Runs in the job's process: the entry point of a wheel, as a Python wheel task calls it."""

import importlib
import sys
from importlib import metadata


def main() -> None:
    package, name, *parameters = sys.argv[1:]
    sys.argv = [name, *parameters]
    declared = [point for point in metadata.distribution(package).entry_points if point.name == name]
    if declared:
        declared[0].load()()
    else:
        getattr(importlib.import_module(package.replace("-", "_")), name)()


if __name__ == "__main__":
    main()
