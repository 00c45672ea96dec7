"""Write Markdown."""

import textwrap
from collections.abc import Iterable, Sequence

GENERATED = "`python docs/generate.py` writes this page from the code, and a test checks that it is current."
WIDTH = 125


def page(title: str, *parts: str) -> str:
    """Return a page. Each part is a heading, a paragraph, a table or a block of code."""
    return "\n\n".join([f"# {title}", *map(_wrap, filter(None, parts)), GENERATED]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; an empty string if it has no rows."""
    lines = [_row(cells) for cells in rows]
    return "\n".join([_row(columns), "|" + "---|" * len(columns), *lines]) if lines else ""


def code(text: str) -> str:
    """Return a text as code."""
    return f"`{text}`" if text else ""


def number(value: float) -> str:
    """Return a number with separators, as in 86,400 or 0.05."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def limits(low: float | None, high: float | None) -> str:
    """Return a range, as in "1 to 64" or "at least 1"; an empty string if there is no limit."""
    if low is not None and high is not None:
        return f"{number(low)} to {number(high)}"
    words = (("at least", low), ("at most", high))
    return ", ".join(f"{word} {number(limit)}" for word, limit in words if limit is not None)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    characters = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return characters.replace(" ", "-")


def _wrap(part: str) -> str:
    is_paragraph = "\n" not in part and not part.startswith(("#", "|"))
    return textwrap.fill(part, WIDTH, break_long_words=False, break_on_hyphens=False) if is_paragraph else part


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
