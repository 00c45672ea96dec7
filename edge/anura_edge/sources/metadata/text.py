"""Reads what recorders write for people: numbers as `4.2`, `12.3C` or ` 80.2%RH`, and names that may hold anything."""

import re

MAX_CHARACTERS = 200

_NUMBER = re.compile(r"\s*([+-]?\d{1,9}(?:\.\d{1,20})?)(?![\deE])", re.ASCII)


def first_number(text: str | None) -> float | None:
    """Return the number that a text begins with, or None: never infinity, never NaN."""
    match = _NUMBER.match(text or "")
    return float(match[1]) if match else None


def printable_text(text: str | None) -> str | None:
    """Return a text that can be printed anywhere: without control characters, and not endless."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:MAX_CHARACTERS]) or None
