"""Reads numbers out of what recorders write for people: `4.2`, `12.3C`, ` 80.2%RH`."""

import re

_NUMBER = re.compile(r"\s*([+-]?\d{1,9}(?:\.\d{1,20})?)(?![\deE])", re.ASCII)


def first_number(text: str | None) -> float | None:
    """Return the number that a text begins with, or None: never infinity, never NaN."""
    match = _NUMBER.match(text or "")
    return float(match[1]) if match else None
