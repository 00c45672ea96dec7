"""Reads numbers and names from text that recorders write, as in `4.2`, `12.3C` or ` 80.2%RH`."""

import re

MAX_CHARACTERS = 200

_NUMBER = re.compile(r"\s*([+-]?\d{1,9}(?:\.\d{1,20})?)(?![\deE])", re.ASCII)


def first_number(text: str | None) -> float | None:
    """Return the number at the start of a text, or None. It is never infinite and never NaN."""
    match = _NUMBER.match(text or "")
    return float(match[1]) if match else None


def printable_text(text: str | None) -> str | None:
    """Return a text without control characters, at most MAX_CHARACTERS long. None for an empty text."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:MAX_CHARACTERS]) or None
