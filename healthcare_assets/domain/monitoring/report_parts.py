"""The parts that the sections of the report are put together from."""

from collections.abc import Iterable, Sequence

from healthcare_assets.domain.page import escaped, table

PRODUCT = "Healthcare assets"
ALERT = "▲"
"""Beside the colour, since nobody has to tell colours apart."""


def section(identity: str, title: str, intro: str, content: str) -> str:
    """`intro` is text, `content` markup."""
    said = f'<p class="soft">{escaped(intro)}</p>\n' if intro else ""
    return f'<section id="{identity}">\n<h2>{escaped(title)}</h2>\n{said}{content}</section>\n'


def tiles(*entries: tuple[str, str, str]) -> str:
    """Figures in a row: what, its value, what else belongs to it; all are text."""
    drawn = "".join(
        f"<div><dt>{escaped(term)}</dt>"
        f"<dd><strong>{escaped(value)}</strong> <small>{escaped(more)}</small></dd></div>\n"
        for term, value, more in entries
    )
    return f'<dl class="tiles">\n{drawn}</dl>\n'


def cards(drawn: Iterable[str]) -> str:
    return f'<div class="cards">\n{"".join(drawn)}</div>\n'


def card(title: str, content: str, *, badge: str = "", said: Sequence[str] = ()) -> str:
    """A framed chart or sentence; a `badge` marks it as one that asks for attention."""
    marked = f' <span class="badge">{ALERT} {escaped(badge)}</span>' if badge else ""
    lines = "".join(f'<p class="soft said">{escaped(words)}</p>\n' for words in said)
    return (
        f'<article class="card{" alerting" if badge else ""}">\n<h3>{escaped(title)}{marked}</h3>\n'
        f"{lines}{content}</article>\n"
    )


def nothing(why: str) -> str:
    """Where a chart would be."""
    return f'<p class="nothing">Insufficient data: {escaped(why)}.</p>\n'


def figures(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = ()) -> str:
    """The numbers of a chart, for whoever opens them."""
    return f"<details><summary>As figures</summary>\n{table(caption, head, rows, words=words)}</details>\n"


def key(*entries: tuple[str, str]) -> str:
    """A legend of (look, words); its marks are drawn by the style."""
    said = "".join(f'<li><span class="key {look}"></span>{escaped(words)}</li>' for look, words in entries)
    return f'<ul class="legend">{said}</ul>\n'
