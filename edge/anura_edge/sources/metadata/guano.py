"""Reads and writes the `guan` chunk: GUANO 1.0, the Grand Unified Acoustic Notation Ontology (riggsd/guano-spec).

Real files differ from the specification: lines without a colon, empty values, a blank in place of the `T`, offsets
without a colon, no offset. Such a line is skipped; audio and other lines are still read.
"""

import re
from collections.abc import Mapping

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_time
from anura_edge.sources.metadata.text import NUMBER, first_number, printable_text, signed, to_number

MAX_LINES = 1_000

_POSITION = re.compile(rf"({NUMBER})\s*([NS]?)(?:\s*[,;]\s+|\s+|;)({NUMBER})\s*([EW]?)", re.ASCII | re.IGNORECASE)
"""`lat lon`, as in `51.4 -0.1`, `51,4 -0,1`, `51.4, -0.1` or `51.4N 0.1W`."""


def read_guano(chunk: bytes) -> TimeEvidence:
    """Return the content of a GUANO chunk. Invalid values are skipped."""
    values = _parse_lines(chunk)
    metadata = Metadata(
        model=printable_text(values.get("Model")),
        serial=printable_text(values.get("Serial")),
        firmware=printable_text(values.get("Firmware Version")),
        battery_v=first_number(values.get("OAD|Battery Voltage")),
        temperature_c=first_number(values.get("Temperature Int")),
        position=_position(values),
        time_expansion=first_number(values.get("TE")),
    )
    start = parse_time(text := values.get("Timestamp", ""))
    return TimeEvidence(start, metadata=metadata, unread_time=not start and bool(text))


def guano_chunk(values: Mapping[str, str]) -> bytes:
    """Return a RIFF chunk `guan` with these values, after the version. Line breaks in values become blanks."""
    lines = ["GUANO|Version: 1.0", *(f"{key}: {' '.join(value.split())}" for key, value in values.items())]
    text = "\n".join(lines).encode()
    return b"guan" + len(text).to_bytes(4, "little") + text + b"\0" * (len(text) % 2)


def _parse_lines(chunk: bytes) -> dict[str, str]:
    """Return the first value of each key."""
    values: dict[str, str] = {}
    for line in chunk.decode("utf-8", "replace").split("\n")[:MAX_LINES]:
        key, _, value = (part.strip(" \t\r\0") for part in line.partition(":"))
        if key and value:
            values.setdefault(key, value)
    return values


def _position(values: Mapping[str, str]) -> Position | None:
    if not (match := _POSITION.fullmatch(values.get("Loc Position", "").strip())):
        return None
    north, east = signed(to_number(match[1]), match[2]), signed(to_number(match[3]), match[4])
    return Position.on_earth(north, east)
