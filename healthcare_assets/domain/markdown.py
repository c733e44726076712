"""Parts of a text in GitHub-flavoured Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(one_line(cell).replace('|', '/') for cell in line)} |" for line in lines)


def one_line(text: str) -> str:
    """What a line break would end: a cell, or a point of a list."""
    return " ".join(text.split())
