"""Reads numbers and names from text that recorders write, as in `4.2`, `12.3C` or ` 80.2%RH`."""

import re

MAX_CHARACTERS = 200

NUMBER = r"[+-]?\d{1,9}(?:[.,]\d{1,20})?"
"""A number in a header, with a decimal point or a decimal comma."""

_FIRST_NUMBER = re.compile(rf"\s*({NUMBER})(?![\deE]|[.,]\d)", re.ASCII)


def first_number(text: str | None) -> float | None:
    """Return the number at the start of a text, or None. It is never infinite, never NaN, never a part of a number."""
    match = _FIRST_NUMBER.match(text or "")
    return to_number(match[1]) if match else None


def to_number(digits: str) -> float:
    """Return a number that NUMBER matches."""
    return float(digits.replace(",", "."))


def signed(degrees: float | None, letter: str) -> float | None:
    """Return degrees with the sign of N, S, E, W or no letter. With a letter and a minus None."""
    if degrees is None or (letter and degrees < 0):
        return None
    return -degrees if letter.upper() in ("S", "W") else degrees


def printable_text(text: str | None) -> str | None:
    """Return a text without control characters, at most MAX_CHARACTERS long. None for an empty text."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:MAX_CHARACTERS]) or None
