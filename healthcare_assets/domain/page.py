"""A page of HTML that is one file: it loads nothing, runs nothing, and reads on a phone."""

import html
from collections.abc import Iterable, Sequence

_REPLACED = {code: "\ufffd" for code in (*range(32), *range(127, 160), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"}
_ALLOWED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for a page: its own style and its own pictures, whatever else somebody got into it."""


def escaped(words: object) -> str:
    """Text that cannot become markup, in HTML as in XML, which has no control characters and no half surrogates."""
    plain = str(words).encode("utf-16", "replace").decode("utf-16", "replace")
    return html.escape(plain.translate(_REPLACED))


def page(title: str, body: str, *, style: str) -> str:
    """The whole page; `body` is markup, `title` is text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_ALLOWED}">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = ()) -> str:
    """A table in a frame of its own that scrolls by finger and by key; the cells are text.

    The first column names the row; `words` are the positions of further columns that hold words and not figures.
    """
    looks = ["" if number == 0 or number in words else ' class="n"' for number in range(len(head))]
    columns = "".join(f'<th scope="col"{look}>{escaped(name)}</th>' for name, look in zip(head, looks, strict=True))
    body = "".join(_row(cells, looks) for cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}"><table>\n'
        f'<caption class="unseen">{escaped(caption)}</caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def _row(cells: Sequence[str], looks: Sequence[str]) -> str:
    first, *others = cells
    rest = "".join(f"<td{look}>{escaped(cell)}</td>" for cell, look in zip(others, looks[1:], strict=True))
    return f'<tr><th scope="row">{escaped(first)}</th>{rest}</tr>\n'
