"""The measurements that are committed, as tables in the documents: `make bench-tables`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from healthcare_assets.environments import PROJECT_ROOT
from healthcare_assets_tests.bench import scaling
from healthcare_assets_tests.bench.__main__ import tables

DOCUMENTS = (
    PROJECT_ROOT / "README.md",
    *(PROJECT_ROOT / "docs" / f"{name}.md" for name in ("model", "monitoring", "explanation/engine-neutral")),
)
_MARKED = re.compile(r"(<!-- measured: (?P<part>[a-z_]+) -->\n).*?(<!-- end of measured -->)", re.DOTALL)


def newest() -> dict[str, Any] | None:
    """What was measured last of each part, of what is committed; None before the first time."""
    found: dict[str, Any] = {}
    for file in sorted(scaling.BENCHMARKS.glob("*.json")):
        found |= json.loads(file.read_text(encoding="utf-8"))
    return found or None


def with_tables(document: str, found: Mapping[str, Any]) -> str:
    """The document with the newest table of each part that it names between `<!-- measured: part -->` and its end."""
    made = tables(found)

    def marked(place: re.Match[str]) -> str:
        table = made.get(place["part"], "Not measured yet.")
        return f"{place[1]}\n{table}\n\n{place[3]}"

    return _MARKED.sub(marked, document)


def main() -> None:
    found = newest()
    for path in DOCUMENTS:
        if found:
            path.write_text(with_tables(path.read_text(encoding="utf-8"), found), encoding="utf-8")
    if of_spark := scaling.newest_measurement():
        scaling.write(of_spark)


if __name__ == "__main__":
    main()
