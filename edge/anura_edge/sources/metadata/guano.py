"""Reads the `guan` chunk: GUANO 1.0, the Grand Unified Acoustic Notation Ontology (riggsd/guano-spec).

Real files differ from the specification: lines without a colon, empty values, a blank in place of the `T`, offsets
without a colon, no offset. Such a line is skipped; audio and other lines are still read.
"""

from collections.abc import Mapping

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_time
from anura_edge.sources.metadata.text import first_number, printable_text

MAX_LINES = 1_000


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
    )
    return TimeEvidence(start=parse_time(values.get("Timestamp", "")), metadata=metadata)


def _parse_lines(chunk: bytes) -> dict[str, str]:
    """Return the first value of each key."""
    values: dict[str, str] = {}
    for line in chunk.decode("utf-8", "replace").split("\n")[:MAX_LINES]:
        key, _, value = (part.strip(" \t\r\0") for part in line.partition(":"))
        if key and value:
            values.setdefault(key, value)
    return values


def _position(values: Mapping[str, str]) -> Position | None:
    latitude, _, longitude = values.get("Loc Position", "").partition(" ")
    return Position.on_earth(first_number(latitude), first_number(longitude))
