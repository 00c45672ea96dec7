"""Reads the `bext` chunk of a Broadcast Wave file: when it was recorded. Format: EBU Tech 3285."""

import re
from datetime import datetime

from anura_edge.sources.metadata.resolve import TimeEvidence

_DATE, _TIME = slice(320, 330), slice(330, 338)
_DIGITS = re.compile(r"(\d{4})\D(\d\d)\D(\d\d) (\d\d)\D(\d\d)\D(\d\d)", re.ASCII)


def read_bext(chunk: bytes) -> TimeEvidence:
    """Return the local time of the first sample. Programs write any character between the numbers."""
    text = f"{chunk[_DATE].decode('latin-1')} {chunk[_TIME].decode('latin-1')}"
    unread_time = any(digit in text[:10] for digit in "123456789")
    if not (match := _DIGITS.fullmatch(text)):
        return TimeEvidence(unread_time=unread_time)
    try:
        return TimeEvidence(datetime(*map(int, match.groups())))  # type: ignore[arg-type]
    except ValueError:
        return TimeEvidence(unread_time=unread_time)
