"""How a page of the reference is written, and how an address within one is made."""

import re
from collections.abc import Iterable, Sequence

_MADE = "<!-- Made by `make reference` from the code. -->"


def page(title: str, intro: str, body: str) -> str:
    return f"{_MADE}\n\n# {title}\n\n{intro}\n\n{body}".rstrip() + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head))]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def anchor(heading: str) -> str:
    """The address of a heading in its page, as GitHub makes it."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
